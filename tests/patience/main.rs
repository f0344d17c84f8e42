// SPDX-License-Identifier: MPL-2.0
//! Scenarios that wait for long timers and do next to nothing meanwhile: they pass beside the others.

mod provider_refuses;
