// SPDX-License-Identifier: MPL-2.0
//! The kinds of property that elements have many of. All may change until the element starts.

use std::ops::RangeInclusive;

use gst::glib;
use gst::prelude::*;

pub(crate) fn text(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .nick(nick)
        .blurb(blurb)
        .mutable_ready()
        .build()
}

/// One that says something by default.
pub(crate) fn text_or(name: &str, nick: &str, blurb: &str, default: &str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(Some(default))
        .mutable_ready()
        .build()
}

/// One that is on by default.
pub(crate) fn flag_on(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecBoolean::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(true)
        .mutable_ready()
        .build()
}

/// One that is off by default.
pub(crate) fn flag(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecBoolean::builder(name)
        .nick(nick)
        .blurb(blurb)
        .mutable_ready()
        .build()
}

/// Which media thread an element runs on: `context`, `context-wait` in milliseconds.
pub(crate) fn contexts() -> [glib::ParamSpec; 2] {
    [
        text(
            "context",
            "Context",
            "The media thread to run on, by name, shared with all elements that name the same; default: the least busy one",
        ),
        uint(
            "context-wait",
            "Context wait",
            "How long a media thread that starts with this element may rest between rounds, in milliseconds",
            0..=5,
            5,
        ),
    ]
}

/// A range of ports, as `10000-20000`.
pub(crate) fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
    (*range.start() > 0 && range.end() > range.start()).then_some(range)
}

/// Puts what a property is set to in its place.
pub(crate) fn put<'a, T: glib::value::FromValue<'a>>(place: &mut T, value: &'a glib::Value) {
    if let Ok(value) = value.get() {
        *place = value;
    }
}

pub(crate) fn uint(
    name: &str,
    nick: &str,
    blurb: &str,
    range: RangeInclusive<u32>,
    default: u32,
) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .minimum(*range.start())
        .maximum(*range.end())
        .default_value(default)
        .mutable_ready()
        .build()
}
