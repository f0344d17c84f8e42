// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-rtcbin
 *
 * A WebRTC connection for audio, in the place of `webrtcbin`: the same pads, action signals,
 * promises and read-only properties, on a media thread that all connections share. It adds no
 * thread and a socket or two, where a webrtcbin has nine threads and two dozen descriptors.
 *
 * What goes into a sink pad is RTP, as from a payloader; what comes out of a source pad is RTP in
 * order, with `GstRTPPacketLost` events for what did not come. Payload types and sources are
 * translated to those that were agreed on, so nothing upstream need know them. Where it was agreed that
 * packets tell their level (RFC 6464), a source pad's caps say where it stands in their headers (`extmap-N`).
 * Packets that come into a sink pad with GstAudioLevelMeta tell it then: `sipbin` and `sipsrc` know it of what they
 * encoded themselves, not of packets that pass as they came.
 *
 * ## Example
 *
 * ```sh
 * gst-launch-1.0 audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay ! rtcbin
 * ```
 *
 * An application answers or offers as with webrtcbin: `create-offer`, `create-answer`,
 * `set-local-description`, `set-remote-description`, `add-ice-candidate`, `get-stats`,
 * `add-transceiver`; it is told by `on-negotiation-needed`, `on-ice-candidate`, `pad-added` and
 * the properties' notifications.
 *
 * What it does: full ICE, or lite (`ice-lite`); host candidates, server-reflexive ones where a
 * `stun-server` is set, and relayed ones where a `turn-server` is (RFC 8656, over UDP, TCP and TLS;
 * with `ice-transport-policy=relay` no others); candidates that come later (trickle); several tracks, all over one
 * transport; renegotiation and ICE restarts (option `ice-restart` of `create-offer`), with which addresses that a
 * `turn-server` lost are asked for again, and all where nothing comes through. The far end's
 * certificate is compared with the SHA-256 fingerprint in its description, and without one nothing
 * connects. A connection whose far end stops answering connectivity checks stops sending (RFC 7675),
 * and fails 15 seconds later.
 *
 * What it does not: other media than audio (such lines are declined), data channels, provisional
 * answers, rollback, TURN over DTLS. Candidates that name a `.local` host are passed over: a browser that
 * hides behind one finds us all the same.
 *
 * `add-transceiver` returns nothing, since GstWebRTCRTPTransceiver cannot be made outside of
 * GStreamer. What a transceiver would say of a track its sink pad says: properties
 * `track-direction` and `msid`.
 */
mod caps;
mod error;
mod imp;
mod incoming;
mod operations;
mod outgoing;
mod pad;
mod relays;
mod session;
mod settings;
mod signals;
mod socket;
mod source;
mod stats;
mod steps;
mod stream;
mod task;
mod turn;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::context::{Context, TaskHandle};

pub use pad::SinkPad;

glib::wrapper! {
    /// The `rtcbin` element.
    pub struct RtcBin(ObjectSubclass<imp::RtcBin>) @extends gst::Element, gst::Object;
}

impl RtcBin {
    /// The media thread that the connection is on, once there is one.
    pub fn context(&self) -> Option<Context> {
        self.imp().session().task().map(TaskHandle::context)
    }

    /// Has it go on on another media thread, with its sockets; nothing that comes meanwhile is lost.
    pub fn move_to(&self, context: &Context) {
        if let Some(task) = self.imp().session().task() {
            task.move_to(context);
        }
    }
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "rtcbin",
        gst::Rank::NONE,
        RtcBin::static_type(),
    )
}
