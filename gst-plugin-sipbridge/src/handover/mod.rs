// SPDX-License-Identifier: MPL-2.0
//! From a media thread to a pad. A media thread never pushes into anything that can wait: where what
//! follows could, a leaky queue and a thread of the pad stand between.

mod queue;

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;

use crate::context::on_context_thread;

pub(crate) use queue::{Item, Queue};

/// Who pushes what a media thread has for a pad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstSipBridgeHandover")]
pub enum Handover {
    /// The media thread where a leaky queue, `sipsink`, `sipmixer` or `rtcbin` follows, at once or after
    /// elements that only change what passes through them; else a thread of the pad.
    #[default]
    #[enum_value(
        name = "Direct where what follows is known never to wait, else queue",
        nick = "auto"
    )]
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

impl Handover {
    /// Whether the media thread pushes into this pad itself.
    pub(crate) fn is_direct(self, pad: &gst::Pad) -> bool {
        match self {
            Handover::Direct => true,
            Handover::Queue => false,
            Handover::Auto => never_waits(pad),
        }
    }
}

/// What has a pad, and a queue for where the media thread may not push into it.
pub(crate) trait Outlet: Send + Sync + 'static {
    fn pad(&self) -> &gst::Pad;
    fn queue(&self) -> &Queue;
    /// Pushes, on whatever thread may.
    fn deliver(&self, item: Item);
}

/// Starts a thread of the pad that delivers what is queued, until the queue is closed.
pub(crate) fn start_task(outlet: &Arc<impl Outlet>) -> Result<(), glib::BoolError> {
    let waiting = Arc::downgrade(outlet);
    outlet.pad().start_task(move || {
        let Some(outlet) = waiting.upgrade() else {
            return;
        };
        match outlet.queue().take() {
            Some(item) => outlet.deliver(item),
            None => {
                if let Err(error) = outlet.pad().pause_task() {
                    tracing::debug!(%error, "a pad's task had ended");
                }
            }
        }
    })
}

/// Whether who pushes into this pad would wait: a probe blocks it, or a ghost pad that it leads through at once.
pub(crate) fn is_blocked(pad: &gst::Pad) -> bool {
    if pad.is_blocked() {
        return true;
    }
    let mut peer = pad.peer();
    while let Some(next) = peer {
        if next.is_blocked() {
            return true;
        }
        let proxy = next.downcast_ref::<gst::ProxyPad>();
        let Some(inside) = proxy.and_then(ProxyPadExt::internal) else {
            return false;
        };
        if inside.is_blocked() {
            return true;
        }
        peer = inside.peer();
    }
    false
}

/// Hands something to a pad that the media thread pushes into itself, unless a probe blocks it: then a thread of
/// the pad's own takes over, which calls the probe and waits in it, behind a queue that leaks meanwhile. That
/// thread stays. Returns whether the media thread pushes on.
pub(crate) fn deliver_unblocked(outlet: &Arc<impl Outlet>, item: Item) -> bool {
    if !is_blocked(outlet.pad()) {
        outlet.deliver(item);
        return true;
    }
    outlet.queue().push(item);
    if let Err(error) = start_task(outlet) {
        tracing::error!(pad = %outlet.pad().name(), %error, "cannot start a pad's task");
    }
    false
}

/// Ends that thread; the queue is closed. Waits for it where that can be: a thread cannot wait for itself, as
/// that of a probe would on the pad's own, and a media thread waits for nobody.
pub(crate) fn stop_task(outlet: &Arc<impl Outlet>) -> Result<(), glib::BoolError> {
    if !outlet.queue().is_taken_here() && !on_context_thread() {
        return outlet.pad().stop_task();
    }
    let element = outlet.pad().parent_element();
    let outlet = outlet.clone();
    let stop = move || {
        // A pad that was activated again meanwhile has use for it.
        if outlet.queue().is_closed()
            && let Err(error) = outlet.pad().stop_task()
        {
            tracing::debug!(%error, "a pad's task had ended");
        }
    };
    match element {
        Some(element) => element.call_async(move |_| stop()),
        None => drop(std::thread::spawn(stop)),
    }
    Ok(())
}

/// Answers what the pad of a live source is asked: that it is live, with what latency, and that it pushes.
/// `false`: that was not the question.
pub(crate) fn answer_as_live(query: &mut gst::QueryRef, latency: gst::ClockTime) -> bool {
    match query.view_mut() {
        gst::QueryViewMut::Latency(query) => query.set(true, latency, gst::ClockTime::NONE),
        gst::QueryViewMut::Scheduling(query) => {
            query.set(gst::SchedulingFlags::SEQUENTIAL, 1, -1, 0);
            query.add_scheduling_modes([gst::PadMode::Push]);
        }
        _ => return false,
    }
    true
}

/// Elements of ours that never make a media thread wait.
const SAFE: [&str; 3] = ["sipsink", "sipmixer", "rtcbin"];

/// Elements that push on what they are given, in the same call, and wait for nothing themselves.
const PASSING: [&str; 20] = [
    "capsfilter",
    "audioconvert",
    "audioresample",
    "volume",
    "level",
    "alawenc",
    "alawdec",
    "mulawenc",
    "mulawdec",
    "g722enc",
    "g722dec",
    "sipopusenc",
    "sipopusdec",
    "rtpopuspay",
    "rtpopusdepay",
    "rtppcmapay",
    "rtppcmadepay",
    "rtppcmupay",
    "rtppcmudepay",
    "tee",
];

/// A longer chain is looked at no further.
const CHAIN_MAX: usize = 16;

/// What the pad is linked to: through the ghost pads of the bins around us and around it.
pub(crate) fn real_peer(pad: &gst::Pad) -> Option<gst::Pad> {
    let mut peer = pad.peer();
    while let Some(proxy) = peer
        .as_ref()
        .and_then(|peer| peer.downcast_ref::<gst::ProxyPad>())
    {
        peer = proxy.internal().and_then(|inside| inside.peer());
    }
    peer
}

/// Whether what the pad leads to never makes who pushes wait: a queue that drops instead, or one of
/// our own elements.
fn never_waits(pad: &gst::Pad) -> bool {
    leads_to_safety(pad, CHAIN_MAX)
}

fn leads_to_safety(pad: &gst::Pad, further: usize) -> bool {
    let Some(element) = real_peer(pad).and_then(|peer| peer.parent_element()) else {
        return false;
    };
    let Some(factory) = element.factory() else {
        return false;
    };
    let name = factory.name();
    if SAFE.contains(&name.as_str()) {
        return true;
    }
    if PASSING.contains(&name.as_str()) {
        let sources = element.src_pads();
        return further > 0
            && !sources.is_empty()
            && sources.iter().all(|pad| leads_to_safety(pad, further - 1));
    }
    // 0 is "no" in queue's own enumeration.
    name == "queue"
        && glib::EnumValue::from_value(&element.property_value("leaky"))
            .is_some_and(|(_, leaky)| leaky.value() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_direct(after: &str) -> bool {
        crate::register_once().unwrap();
        let text = format!("fakesrc name=s ! {after}");
        let bin = gst::parse::bin_from_description(&text, false).unwrap();
        let pad = bin.by_name("s").unwrap().static_pad("src").unwrap();
        Handover::Auto.is_direct(&pad)
    }

    #[test]
    fn who_is_blocked_is_found_behind_ghost_pads() {
        gst::init().unwrap();
        let inner = gst::parse::bin_from_description("fakesrc name=s", true).unwrap();
        let inside = inner.by_name("s").unwrap().static_pad("src").unwrap();
        let outer = gst::Bin::new();
        outer.add(&inner).unwrap();
        let ghost = inner.static_pad("src").unwrap();
        let outmost = gst::GhostPad::with_target(&ghost).unwrap();
        outer.add_pad(&outmost).unwrap();
        let sink = gst::parse::bin_from_description("fakesink", true).unwrap();
        let sink = sink.static_pad("sink").unwrap();
        outmost.link(&sink).unwrap();
        assert!(!is_blocked(&inside));
        for pad in [inside.clone(), ghost, outmost.upcast(), sink] {
            let probe = pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| {
                gst::PadProbeReturn::Ok
            });
            assert!(is_blocked(&inside), "{}", pad.name());
            pad.remove_probe(probe.unwrap());
            assert!(!is_blocked(&inside), "{}", pad.name());
        }
    }

    #[test]
    fn who_may_be_pushed_into_is_found_behind_what_only_passes_on() {
        gst::init().unwrap();
        assert!(is_direct("sipmixer"));
        assert!(is_direct("rtpopuspay ! capsfilter ! rtcbin"));
        assert!(is_direct("audioconvert ! audioresample ! sipmixer"));
        assert!(is_direct("capsfilter ! queue leaky=downstream ! fakesink"));
        let tee = "tee name=t t. ! queue leaky=upstream ! fakesink t. !";
        assert!(is_direct(&format!(
            "{tee} queue leaky=downstream ! fakesink"
        )));
        assert!(!is_direct(&format!("{tee} queue ! fakesink")));
        assert!(!is_direct("queue ! sipmixer"));
        assert!(!is_direct("audioconvert ! fakesink"));
        assert!(!is_direct("audioconvert"));
    }
}
