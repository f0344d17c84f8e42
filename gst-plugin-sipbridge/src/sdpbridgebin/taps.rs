// SPDX-License-Identifier: MPL-2.0
//! Request pads that give what a side says.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, SdpBridgeBin};
use crate::context::on_context_thread;
use crate::handover::{Handover, answer_as_live, stop_task};
use crate::media::Format;
use crate::media::bridge::Side;
use crate::sipsrc::output::{self, Begun, Output};

/// What is heard left the far end that long before it comes out, at the most.
const LATENCY: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// The rate where whoever listens takes any.
const RATE_HZ: u32 = 16_000;

/// A pad that gives what a side says.
pub(super) struct TapPad {
    pad: gst::Pad,
    output: Arc<Output>,
    /// The number of the bridge that it leads out of; 0: of none.
    led_from: AtomicU64,
    /// Whoever listened has left, and nothing was made of that yet.
    left: AtomicBool,
    /// The pad was released.
    released: AtomicBool,
    turn: Turn,
}

/// Something that one thread does at a time, and nobody waits for: whoever comes meanwhile has it done once
/// more.
#[derive(Default)]
struct Turn(AtomicUsize);

impl Turn {
    fn take(&self, mut does: impl FnMut()) {
        if self.0.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        loop {
            let asked = self.0.load(Ordering::Acquire);
            does();
            if self.0.fetch_sub(asked, Ordering::AcqRel) == asked {
                return;
            }
        }
    }
}

fn name_of(side: Side) -> &'static str {
    match side {
        Side::A => "tap_a",
        Side::B => "tap_b",
    }
}

fn side_of(pad: &gst::Pad) -> Option<Side> {
    let name = pad.name();
    let mut sides = Side::BOTH.into_iter();
    sides.find(|side| name_of(*side) == name.as_str())
}

pub(super) fn templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", gst::List::new([8_000, 16_000, 48_000]))
            .field("channels", 1)
            .build();
        let template = |side| {
            gst::PadTemplate::new(
                name_of(side),
                gst::PadDirection::Src,
                gst::PadPresence::Request,
                &caps,
            )
        };
        Side::BOTH.into_iter().flat_map(template).collect()
    });
    &TEMPLATES
}

impl SdpBridgeBin {
    pub(super) fn add_tap(&self, template: &gst::PadTemplate) -> Option<gst::Pad> {
        let mut sides = Side::BOTH.into_iter();
        let side = sides.find(|side| name_of(*side) == template.name_template())?;
        if self.tap(side).is_some() {
            gst::warning!(
                CAT,
                imp = self,
                "{} is taken: a tee has more",
                name_of(side)
            );
            return None;
        }
        let pad = gst::Pad::builder_from_template(template)
            .name(name_of(side))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |bin| bin.tap_query(pad, query))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |bin| bin.tap_event(pad, event))
            })
            .activatemode_function(|pad, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic while activating")),
                    |bin| bin.activate_tap(pad, active),
                )
            })
            .build();
        let obj = self.obj();
        let bin = obj.downgrade();
        pad.connect_unlinked(move |pad, _| {
            if let Some(bin) = bin.upgrade() {
                bin.imp().unlink_tap(pad);
            }
        });
        let tap = TapPad {
            pad: pad.clone(),
            output: Output::new(&pad, obj.upcast_ref()),
            led_from: AtomicU64::new(0),
            left: AtomicBool::new(false),
            released: AtomicBool::new(false),
            turn: Turn::default(),
        };
        self.taps()[side.index()] = Some(Arc::new(tap));
        if let Err(error) = obj.add_pad(&pad) {
            gst::warning!(CAT, imp = self, "no pad {}: {error}", pad.name());
            self.taps()[side.index()] = None;
            return None;
        }
        if obj.current_state() > gst::State::Ready
            && let Err(error) = pad.set_active(true)
        {
            gst::warning!(CAT, imp = self, "{} stays inactive: {error}", pad.name());
        }
        obj.set_element_flags(gst::ElementFlags::SOURCE);
        Some(pad)
    }

    pub(super) fn remove_tap(&self, pad: &gst::Pad) {
        let Some(side) = side_of(pad) else { return };
        let Some(tap) = self.tap(side) else { return };
        tap.released.store(true, Ordering::Release);
        tap.left.store(true, Ordering::Release);
        self.settle_tap(side, &tap);
        // Its functions find what they close.
        let deactivated = pad.set_active(false);
        self.taps()[side.index()] = None;
        if let Err(error) = deactivated.and_then(|()| self.obj().remove_pad(pad)) {
            gst::debug!(CAT, imp = self, "{} was gone already: {error}", pad.name());
        }
        if !self.has_taps() {
            self.obj().unset_element_flags(gst::ElementFlags::SOURCE);
        }
    }

    pub(super) fn has_taps(&self) -> bool {
        self.taps().iter().any(Option::is_some)
    }

    /// Leads what the sides of the bridge that there is say to who is linked.
    pub(super) fn lead_taps(&self) {
        for side in Side::BOTH {
            if let Some(tap) = self.tap(side) {
                self.settle_tap(side, &tap);
            }
        }
    }

    /// Makes of a tap what it is to be now. Asks elements of others what they take and locks what media threads
    /// are waited for with, so never on a media thread; and whoever listens may ask for it anew meanwhile.
    fn settle_tap(&self, side: Side, tap: &Arc<TapPad>) {
        if on_context_thread() {
            let tap = tap.clone();
            self.obj()
                .call_async(move |bin| bin.imp().settle_tap(side, &tap));
            return;
        }
        tap.turn.take(|| {
            if tap.left.swap(false, Ordering::AcqRel) {
                self.take_listener(side, tap);
            }
            if !tap.released.load(Ordering::Acquire) {
                self.lead_tap(side, tap);
            }
        });
    }

    /// Who is linked next may be somebody that makes who pushes wait, and take another format.
    fn take_listener(&self, side: Side, tap: &Arc<TapPad>) {
        tap.led_from.store(0, Ordering::Release);
        // The next pad of this name may be there already, with a listener of its own.
        let now = self.tap(side);
        if now.is_none_or(|now| Arc::ptr_eq(&now, tap))
            && let Some(live) = &self.state().live
        {
            live.set_listener(side, None);
        }
        tap.output.renew();
    }

    fn lead_tap(&self, side: Side, tap: &TapPad) {
        if !tap.pad.is_linked() || !self.state().playing {
            return;
        }
        if let Err(error) = tap.output.play(Handover::Auto) {
            gst::error!(CAT, imp = self, "cannot start the pad's task: {error}");
            return;
        }
        let rate_hz = match tap.output.begin(RATE_HZ, sip_ua::sdp::Codec::L16) {
            Begun::Format(Format::Raw { rate_hz }) => rate_hz,
            Begun::NotYet => return,
            Begun::Format(_) | Begun::NoFormat(_) => {
                gst::element_imp_warning!(
                    self,
                    gst::StreamError::Format,
                    (
                        "What follows {} takes no audio/x-raw of 8000, 16000 or 48000 Hz",
                        tap.pad.name()
                    )
                );
                return;
            }
        };
        if let Some(live) = &self.state().live
            && tap.led_from.swap(live.number, Ordering::AcqRel) != live.number
        {
            let listener = Box::new(output::Tap::new(&tap.output));
            live.set_listener(side, Some((rate_hz, listener)));
        }
    }

    /// On whatever thread: in a probe it is the pad's own, or that thread waits in one.
    fn unlink_tap(&self, pad: &gst::Pad) {
        if let Some(side) = side_of(pad)
            && let Some(tap) = self.tap(side)
        {
            tap.output.pause();
            tap.left.store(true, Ordering::Release);
            self.settle_tap(side, &tap);
        }
    }

    /// Data flow in PLAYING only.
    pub(super) fn pause_taps(&self) {
        for tap in Side::BOTH.into_iter().filter_map(|side| self.tap(side)) {
            tap.output.pause();
        }
    }

    /// The end of what is heard, as for who closes a recording. False: nobody listens.
    pub(super) fn end_taps(&self) -> bool {
        for tap in Side::BOTH.into_iter().filter_map(|side| self.tap(side)) {
            tap.output.end();
        }
        self.has_taps()
    }

    fn tap(&self, side: Side) -> Option<Arc<TapPad>> {
        self.taps()[side.index()].clone()
    }

    fn tap_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        answer_as_live(query, LATENCY) || gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn tap_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        // What a pad that was linked is told.
        if event.type_() == gst::EventType::Reconfigure {
            if let Some(side) = side_of(pad)
                && let Some(tap) = self.tap(side)
            {
                self.settle_tap(side, &tap);
            }
            return true;
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn activate_tap(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        let Some(tap) = side_of(pad).and_then(|side| self.tap(side)) else {
            return Ok(());
        };
        tap.led_from.store(0, Ordering::Release);
        if active {
            tap.output.open();
            return Ok(());
        }
        tap.output.close();
        stop_task(&tap.output)
            .map_err(|error| gst::loggable_error!(CAT, "cannot stop the pad's task: {error}"))
    }
}
