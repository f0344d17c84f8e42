// SPDX-License-Identifier: MPL-2.0

mod files;
mod loops;
mod slots;
