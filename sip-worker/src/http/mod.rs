// SPDX-License-Identifier: MPL-2.0
//! Control over HTTP: calls, rooms, events, metrics and a small page.
