// SPDX-License-Identifier: MPL-2.0
//! Participants come and go: a pair of pads for each, and what passes through them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::SipMixer;
use super::intake::{Pushing, Refused};
use super::output::Output;
use super::participant::{Participant, SipMixerPad};
use super::{CAT, SINK_CAPS, TICK, levels};
use crate::context::on_context_thread;
use crate::handover::{answer_as_live, stop_task};
use crate::line::caps;
use crate::media::Format;
use crate::mixer::Rate;

impl SipMixer {
    pub(super) fn add_participant(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
    ) -> Option<SipMixerPad> {
        let number = self.number_for(name)?;
        let obj = self.obj();
        let minus_template = obj.pad_template("minus_%u")?;
        // The pad's functions know the participant, which knows the pad: weakly.
        let me: Arc<OnceLock<Weak<Participant>>> = Arc::default();
        let found = || {
            let me = me.clone();
            move || me.get().and_then(Weak::upgrade)
        };
        let (on_event, on_activate) = (found(), found());
        let minus = gst::Pad::builder_from_template(&minus_template)
            .name(format!("minus_{number}"))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |mixer| mixer.minus_query(pad, query),
                )
            })
            .event_function(move |_, parent, event| {
                let participant = on_event();
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |mixer| participant.is_some_and(|p| mixer.minus_event(&p, &event)),
                )
            })
            .activatemode_function(move |pad, _, _, active| {
                let participant = on_activate();
                if active {
                    if let Some(participant) = participant {
                        // What was agreed before was for a stream that is over.
                        participant.set_listening(None);
                        participant.output.open();
                    }
                    return Ok(());
                }
                let stopped = match participant {
                    Some(participant) => {
                        participant.output.close();
                        stop_task(&participant.output)
                    }
                    None => pad.stop_task(),
                };
                stopped.map_err(|error| {
                    gst::loggable_error!(CAT, "cannot stop the pad's task: {error}")
                })
            })
            .build();
        let participant = Participant::new(number, Output::new(&minus, obj.upcast_ref()));
        let _ = me.set(Arc::downgrade(&participant));
        let left = Arc::downgrade(&participant);
        minus.connect_unlinked(move |_, _| {
            if let Some(participant) = left.upgrade() {
                participant.set_listening(None);
            }
        });
        let sink = self.sink_pad(template, number);
        sink.belong_to(&participant);
        participant
            .intake
            .set_playing(self.shared.playing.load(Ordering::Acquire));
        self.shared.participants().push(participant.clone());
        self.shared.changed();
        for pad in [sink.upcast_ref::<gst::Pad>(), &minus] {
            if let Err(error) = obj.add_pad(pad) {
                gst::error!(CAT, imp = self, "cannot add {}: {error}", pad.name());
                self.remove_participant(&sink);
                return None;
            }
            obj.child_added(pad, &pad.name());
        }
        Some(sink)
    }

    fn sink_pad(&self, template: &gst::PadTemplate, number: u32) -> SipMixerPad {
        gst::PadBuilder::<SipMixerPad>::from_template(template)
            .name(format!("sink_{number}"))
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |mixer| mixer.sink_chain(pad, &buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |mixer| mixer.sink_event(pad, &event),
                )
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |mixer| mixer.sink_query(pad, query),
                )
            })
            .activatemode_function(|pad, _, _, active| {
                if let Some(participant) = pad.participant() {
                    if active {
                        participant.intake.open();
                    } else {
                        participant.intake.set_flushing(true);
                    }
                }
                Ok(())
            })
            .build()
    }

    /// The number in the name asked for, or the next one that is free; `None`: it is taken.
    fn number_for(&self, name: Option<&str>) -> Option<u32> {
        let asked = name
            .and_then(|name| name.strip_prefix("sink_"))
            .and_then(|number| number.parse().ok());
        let taken = |number| {
            let participants = self.shared.participants();
            participants.iter().any(|other| other.number == number)
        };
        if let Some(asked) = asked {
            return (!taken(asked)).then_some(asked);
        }
        let mut state = self.state();
        while taken(state.next_number) {
            state.next_number = state.next_number.wrapping_add(1);
        }
        let number = state.next_number;
        state.next_number = number.wrapping_add(1);
        Some(number)
    }

    pub(super) fn remove_participant(&self, sink: &SipMixerPad) {
        let Some(participant) = sink.participant() else {
            return;
        };
        self.shared
            .participants()
            .retain(|other| !Arc::ptr_eq(other, &participant));
        self.shared.changed();
        let obj = self.obj();
        let minus = obj.static_pad(&format!("minus_{}", participant.number));
        for pad in [Some(sink.clone().upcast::<gst::Pad>()), minus]
            .into_iter()
            .flatten()
        {
            let _ = pad.set_active(false);
            obj.child_removed(&pad, &pad.name());
            if let Err(error) = obj.remove_pad(&pad) {
                gst::debug!(CAT, imp = self, "{} was gone already: {error}", pad.name());
            }
        }
    }

    fn sink_chain(
        &self,
        pad: &SipMixerPad,
        buffer: &gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let participant = pad.participant().ok_or(gst::FlowError::Error)?;
        if participant.intake.rate().is_none() {
            return Err(gst::FlowError::NotNegotiated);
        }
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        if let Some(pushed) = participant.intake.push_packet(Instant::now(), &map) {
            return flow(pushed);
        }
        let told = buffer
            .meta::<gst_audio::AudioLevelMeta>()
            .map(|meta| levels::dbfs(meta.level()));
        let waits = !on_context_thread();
        let how = if !waits {
            Pushing::OnContext {
                here: self.shared.beat.is_here(),
            }
        } else if participant.is_live(pad.upcast_ref()) {
            Pushing::Live
        } else {
            Pushing::Patiently
        };
        flow(participant.intake.push(Instant::now(), &map, told, how))
    }

    /// Nothing of a stream that comes in goes out: what goes out is a stream of its own. So a key that
    /// one participant pressed (`dtmf-event`) is not pressed on the phones of the others.
    fn sink_event(&self, pad: &SipMixerPad, event: &gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        let Some(participant) = pad.participant() else {
            return false;
        };
        match event.view() {
            gst::EventView::StreamStart(_) => participant.forget_upstream(),
            gst::EventView::Caps(caps) => {
                let intake = &participant.intake;
                match caps::format_of(caps.caps()) {
                    Some(Format::Raw { rate_hz }) => match Rate::from_hz(rate_hz) {
                        Some(rate) => intake.set_rate(rate),
                        None => return false,
                    },
                    Some(Format::Rtp { codec, .. }) => {
                        let rate_max = self.settings().mixer.rate_max;
                        let level = levels::extension_number(caps.caps());
                        let now = Instant::now();
                        if let Err(error) = intake.set_packets(now, codec, rate_max, level) {
                            gst::error!(CAT, obj = pad, "{codec:?} cannot be decoded: {error}");
                            return false;
                        }
                    }
                    _ => return false,
                }
            }
            gst::EventView::FlushStart(_) => participant.intake.set_flushing(true),
            gst::EventView::FlushStop(_) => participant.intake.set_flushing(false),
            gst::EventView::Eos(_) => participant.intake.end(),
            _ => {}
        }
        true
    }

    fn sink_query(&self, pad: &SipMixerPad, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Caps(query) = query.view_mut() {
            let rate_max = self.settings().mixer.rate_max;
            let rates = Rate::ALL.into_iter().filter(|rate| *rate <= rate_max);
            let rates = gst::List::new(rates.map(|rate| rate.hz() as i32));
            let mut caps = SINK_CAPS.copy();
            for structure in caps.make_mut().iter_mut() {
                if structure.name() == "audio/x-raw" {
                    structure.set("rate", rates.clone());
                }
            }
            let caps = match query.filter() {
                Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            };
            query.set_result(&caps);
            return true;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    /// What goes out has the time of its tick, whenever what it was mixed from came in: so the latency
    /// is one tick, and no question goes round a call that is linked back to itself.
    fn minus_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        answer_as_live(query, TICK) || gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    /// Events of a listener concern nobody else; custom ones (digits to send) go on to the participant's
    /// own source.
    fn minus_event(&self, participant: &Participant, event: &gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Reconfigure => {
                self.negotiate(participant);
                true
            }
            gst::EventType::CustomUpstream => self
                .obj()
                .static_pad(&format!("sink_{}", participant.number))
                .is_some_and(|sink| sink.push_event(event.clone())),
            gst::EventType::Latency | gst::EventType::Qos => true,
            _ => false,
        }
    }
}

/// What whoever pushed is told. What is dropped is nobody's fault.
fn flow(pushed: Result<(), Refused>) -> Result<gst::FlowSuccess, gst::FlowError> {
    match pushed {
        Ok(()) | Err(Refused::Dropped) => Ok(gst::FlowSuccess::Ok),
        Err(Refused::Flushing) => Err(gst::FlowError::Flushing),
    }
}
