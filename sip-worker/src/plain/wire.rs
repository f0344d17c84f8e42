// SPDX-License-Identifier: MPL-2.0
//! Between the sockets and `rtpbin`: nothing passes before both ends are agreed, and then what was agreed on
//! alone. Packets of the other end come from where it is, with their payload type and SSRC (where that was named)
//! and the right key; ours are given theirs.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use gstsipbridge::srtp::Srtp;

use super::origin::{Origin, sender};
use super::ports::Sockets;

/// The flow that goes through, as agreed.
pub(super) struct Agreed {
    pub(super) payload_type: u8,
    pub(super) ssrc: Option<u32>,
    pub(super) srtp: Option<Srtp>,
    pub(super) origin: Origin,
    /// The far end said where it takes RTCP.
    pub(super) reports: bool,
}

/// `None`: nothing is agreed on, or no more.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<Mutex<Option<Agreed>>>);

/// What a datagram holds, where both come to one port (RFC 5761 section 4).
fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet.get(1), Some(192..=223))
}

impl Wire {
    fn agreed(&self) -> MutexGuard<'_, Option<Agreed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        self.agreed().is_some()
    }

    pub(super) fn open(&self, agreed: Agreed) {
        *self.agreed() = Some(agreed);
    }

    pub(super) fn shut(&self) {
        *self.agreed() = None;
    }

    /// Stands between `sockets` and `rtpbin` from now on.
    pub(super) fn stand_between(&self, sockets: &Sockets, rtpbin: &gst::Element) {
        let pad = |element: &gst::Element, name: &str| element.static_pad(name);
        for source in [sockets.rtp_in(), sockets.rtcp_in()] {
            self.each(pad(source, "src"), Wire::comes);
        }
        for (name, rtcp) in [("recv_rtp_sink_0", false), ("recv_rtcp_sink_0", true)] {
            self.each(pad(rtpbin, name), move |_, packet| {
                packet
                    .map_readable()
                    .is_ok_and(|packet| is_rtcp(&packet) == rtcp)
            });
        }
        for (out, rtcp) in [(sockets.rtp_out(), false), (sockets.rtcp_out(), true)] {
            let out = out.and_then(|out| pad(out, "sink"));
            self.each(out, move |wire, packet| wire.goes(packet, rtcp));
        }
        // What they go to does not stand before both ends are agreed.
        self.each(pad(rtpbin, "send_rtcp_src_0"), |wire, _| wire.is_open());
        let entry = pad(rtpbin, "send_rtp_sink_0");
        if let Some(feed) = entry.and_then(|entry| entry.peer()) {
            self.labels(&feed);
        }
    }

    /// Lets pass what `judge` says may, as it left it.
    fn each(
        &self,
        pad: Option<gst::Pad>,
        judge: impl Fn(&Wire, &mut gst::Buffer) -> bool + Send + Sync + 'static,
    ) {
        let Some(pad) = pad else { return };
        let wire = self.clone();
        let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(media, move |_, info| {
            let passes = match &mut info.data {
                Some(gst::PadProbeData::Buffer(packet)) => judge(&wire, packet),
                Some(gst::PadProbeData::BufferList(list)) => {
                    let kept = list.iter_owned().filter_map(|mut packet| {
                        let passes = judge(&wire, &mut packet);
                        passes.then_some(packet)
                    });
                    *list = kept.collect();
                    !list.is_empty()
                }
                _ => true,
            };
            match passes {
                true => gst::PadProbeReturn::Ok,
                false => gst::PadProbeReturn::Handled,
            }
        });
    }

    /// A datagram from the other end: opened, and looked at.
    fn comes(&self, packet: &mut gst::Buffer) -> bool {
        let mut agreed = self.agreed();
        let (Some(agreed), Some(from)) = (agreed.as_mut(), sender(packet)) else {
            return false;
        };
        if let Some(srtp) = &mut agreed.srtp {
            let opened = changed(packet, |bytes| match is_rtcp(bytes) {
                true => srtp.open_rtcp(bytes),
                false => srtp.open_rtp(bytes),
            });
            if !opened {
                return false;
            }
        }
        packet.map_readable().is_ok_and(|bytes| {
            let version = bytes.first().is_some_and(|first| first >> 6 == 2);
            version
                && match is_rtcp(&bytes) {
                    true => agreed.origin.takes_rtcp(from),
                    false => agreed.is_of_the_flow(&bytes) && agreed.origin.takes_rtp(from, &bytes),
                }
        })
    }

    /// A packet of ours on its way out.
    fn goes(&self, packet: &mut gst::Buffer, rtcp: bool) -> bool {
        let mut agreed = self.agreed();
        let Some(agreed) = agreed.as_mut().filter(|agreed| agreed.reports || !rtcp) else {
            return false;
        };
        let Some(srtp) = &mut agreed.srtp else {
            return true;
        };
        changed(packet, |bytes| {
            let protected = match rtcp {
                true => srtp.protect_rtcp(bytes),
                false => srtp.protect_rtp(bytes),
            };
            let Some(protected) = protected.map(<[u8]>::to_vec) else {
                return false;
            };
            *bytes = protected;
            true
        })
    }

    /// Gives what goes in the agreed payload type and SSRC, in its packets and in what is said of them. Of neither does
    /// `rtpbin` see anything before both ends are agreed, for it warns of packets that nothing was said of; what was
    /// said until then is said before the first packet.
    fn labels(&self, feed: &gst::Pad) {
        let is_said = Arc::new(AtomicBool::new(false));
        let says = Arc::new(AtomicBool::new(false));
        let (wire, said, saying) = (self.clone(), is_said.clone(), says.clone());
        feed.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let Some(gst::PadProbeData::Event(event)) = &mut info.data else {
                return gst::PadProbeReturn::Ok;
            };
            // All of it is said at once: nothing that was kept is left out where caps come between.
            let is_kept = !said.load(Ordering::Acquire) && !saying.load(Ordering::Acquire);
            let caps = match event.view() {
                gst::EventView::StreamStart(_) | gst::EventView::Eos(_) => {
                    return gst::PadProbeReturn::Ok;
                }
                _ if is_kept && event.is_serialized() => None,
                gst::EventView::Caps(caps) => wire.labelled(caps.caps()),
                _ if event.is_serialized() && !said.load(Ordering::Acquire) => None,
                _ => return gst::PadProbeReturn::Ok,
            };
            let Some(caps) = caps else {
                // It is said once there is something to say it of.
                return gst::PadProbeReturn::Handled;
            };
            let labelled = gst::event::Caps::builder(&caps).seqnum(event.seqnum());
            *event = labelled.build();
            said.store(true, Ordering::Release);
            gst::PadProbeReturn::Ok
        });
        let pad = feed.downgrade();
        self.each(Some(feed.clone()), move |wire, packet| {
            let Some((payload_type, ssrc)) = wire.label() else {
                return false;
            };
            if !is_said.load(Ordering::Acquire) {
                if let Some(pad) = pad.upgrade() {
                    says.store(true, Ordering::Release);
                    say_again(&pad);
                    says.store(false, Ordering::Release);
                }
                if !is_said.load(Ordering::Acquire) {
                    return false;
                }
            }
            let Ok(mut bytes) = packet.make_mut().map_writable() else {
                return false;
            };
            if let Some(second) = bytes.get_mut(1) {
                *second = (*second & 0x80) | payload_type;
            }
            if let (Some(place), Some(ssrc)) = (bytes.get_mut(8..12), ssrc) {
                place.copy_from_slice(&ssrc.to_be_bytes());
            }
            true
        });
    }

    fn label(&self) -> Option<(u8, Option<u32>)> {
        let agreed = self.agreed();
        agreed
            .as_ref()
            .map(|agreed| (agreed.payload_type, agreed.ssrc))
    }

    fn labelled(&self, caps: &gst::CapsRef) -> Option<gst::Caps> {
        let (payload_type, ssrc) = self.label()?;
        let mut caps = caps.to_owned();
        let labelled = caps.make_mut();
        labelled.set("payload", i32::from(payload_type));
        if let Some(ssrc) = ssrc {
            labelled.set("ssrc", ssrc);
        }
        Some(caps)
    }
}

/// Has what sticks to a pad go out of it once more, in its order. As copies, for what a pad has been told before it
/// takes for passed on.
fn say_again(pad: &gst::Pad) {
    let mut said = Vec::new();
    pad.sticky_events_foreach(|event| {
        let goes_alone = [gst::EventType::StreamStart, gst::EventType::Eos];
        if !goes_alone.contains(&event.type_()) {
            said.push(event.copy());
        }
        ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    for event in said {
        pad.push_event(event);
    }
}

impl Agreed {
    /// Whether an RTP packet is what was agreed on, and not a stranger's.
    fn is_of_the_flow(&self, packet: &[u8]) -> bool {
        let (Some(second), Some(&[a, b, c, d])) = (packet.get(1), packet.get(8..12)) else {
            return false;
        };
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        second & 0x7f == self.payload_type && self.ssrc.is_none_or(|agreed| agreed == ssrc)
    }
}

/// Puts what `change` makes of a packet in its place; where that fails, it stays.
fn changed(packet: &mut gst::Buffer, change: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let Ok(mut bytes) = packet.map_readable().map(|bytes| bytes.to_vec()) else {
        return false;
    };
    if !change(&mut bytes) {
        return false;
    }
    let mut fresh = gst::Buffer::from_mut_slice(bytes);
    if let Some(fresh) = fresh.get_mut() {
        fresh.set_pts(packet.pts());
        fresh.set_dts(packet.dts());
    }
    *packet = fresh;
    true
}
