// SPDX-License-Identifier: MPL-2.0
//! From a media thread to a pad. A media thread never pushes into anything that can wait: where what
//! follows could, a leaky queue and a thread of the pad stand between.

mod queue;

use gst::glib;
use gst::prelude::*;

pub(crate) use queue::{Item, Queue};

/// Who pushes what a media thread has for a pad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstSipBridgeHandover")]
pub enum Handover {
    /// The media thread where a leaky queue follows, else a thread of the pad.
    #[default]
    #[enum_value(name = "Direct where a leaky queue follows, else queue", nick = "auto")]
    Auto,
    /// A thread of the pad, behind a leaky queue of its own.
    #[enum_value(name = "A leaky queue and a thread of the pad", nick = "queue")]
    Queue,
    /// The media thread that all calls of the context share: nothing downstream may ever block.
    #[enum_value(
        name = "The media thread; nothing downstream may block",
        nick = "direct"
    )]
    Direct,
}

/// Whether the pad leads straight into a queue that drops rather than waits.
pub(crate) fn leaks(pad: &gst::Pad) -> bool {
    let mut peer = pad.peer();
    // Through the ghost pads of the bins around us and around it.
    while let Some(proxy) = peer
        .as_ref()
        .and_then(|peer| peer.downcast_ref::<gst::ProxyPad>())
    {
        peer = proxy.internal().and_then(|inside| inside.peer());
    }
    let Some(element) = peer.and_then(|peer| peer.parent_element()) else {
        return false;
    };
    let is_queue = element
        .factory()
        .is_some_and(|factory| factory.name() == "queue");
    // 0 is "no" in queue's own enumeration.
    is_queue
        && glib::EnumValue::from_value(&element.property_value("leaky"))
            .is_some_and(|(_, leaky)| leaky.value() != 0)
}
