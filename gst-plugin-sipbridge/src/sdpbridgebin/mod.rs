// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sdpbridgebin
 *
 * Joins two far ends whose signalling the application speaks itself: what one of them offers goes in,
 * the offer for the other one comes out, and so do the answers (RFC 3264). Media go through this
 * element, on a media thread that all calls share; it has no pads, and adds no thread.
 *
 * Each side has RTP/AVP, RTP/AVPF, RTP/SAVP or RTP/SAVPF (keys in the descriptions, RFC 4568), RTCP on a
 * port of its own or on that of RTP (RFC 5761), IPv4 or IPv6, whatever the other side has. Where both speak
 * the same codec, packets are passed on as they come with other headers; where not, audio is
 * transcoded between PCMU, PCMA, G.722, Opus and L16, and digits (RFC 4733) cross at the clock rate
 * of each side. Neither side is told anything of the other: addresses, session numbers and names are this
 * element's own.
 *
 * ## How to use it
 *
 * In READY or above: emit `pass-offer` with what somebody offered, and give what the promise replies to
 * somebody else; emit `pass-answer` with what that one answers, and give what the promise replies to who
 * offered. Later offers come from either side: hold, another codec, a moved address.
 *
 * ```python
 * bridge = Gst.ElementFactory.make("sdpbridgebin")
 * bridge.set_property("profile", "rtp_to_srtp")
 * bridge.set_state(Gst.State.PLAYING)
 *
 * def pass_on(signal, sdp):
 *     fields = Gst.Structure.new_empty("fields")
 *     fields.set_value("sdp", sdp)
 *     promise = Gst.Promise.new()
 *     bridge.emit(signal, fields, promise)
 *     promise.wait()
 *     return promise.get_reply()
 *
 * offer_for_bob = pass_on("pass-offer", offer_of_alice).get_value("sdp")
 * answer_for_alice = pass_on("pass-answer", answer_of_bob).get_value("sdp")
 * ```
 *
 * Who is who is told by tags, as SIP has them: `from-tag` is who offered, `to-tag` who answers; without them
 * `from` and `to`. Several may answer one offer (forked early dialogs): each by a tag of its own, and
 * whoever answered last is heard. An offer that is refused is undone by `rollback`, and one that nobody
 * answers in `offer-timeout` undoes itself; if it was the first, that is the end of the bridge. `delete`
 * is the end of it too, and so is the state NULL: ports and descriptors are free when it returns. Then
 * the next offer begins another bridge.
 *
 * Media are taken from where a description says, or from one other address that proves itself, for far ends
 * behind a NAT; never from two. A side that ought to send and from which nothing at all came in 30 seconds is
 * sent nothing more until something does.
 *
 * Keys that a side presses (RFC 4733) are passed on, and told of by `dtmf-event` as `sipbin` tells of them, with
 * the field `side` (`a` or `b`).
 *
 * ## What each side speaks
 *
 * `profile` says it by a name: `rtp_passthrough` (plain RTP on both sides), `srtp_to_rtp` and
 * `rtp_to_srtp` (SRTP with keys in the descriptions on the side of who offers first, or on the other).
 * `side-a` (who offers first) and `side-b` are structures for what else is wanted:
 *
 * - `srtp` (string): `off`, `optional` (RFC 8643) or `required`;
 * - `feedback` (boolean): first offers are RTP/AVPF or RTP/SAVPF;
 * - `rtcp-mux` (boolean): RTCP may share the port of RTP; true where nothing is said;
 * - `codecs` (array of strings): those that may be spoken, in the order in which they are offered. Default:
 *   what the other side offered in its order, then what can be transcoded;
 * - `ptime` (unsigned integer): the packet time that is asked for, 10 to 60 milliseconds. Default: what the
 *   other side asks for. Audio that is not transcoded keeps the packets it came in;
 * - `address` (string): the local address. Default: the one from which packets leave for the world, else loopback;
 * - `advertise` (string): the address that descriptions name in its place, port for port;
 * - `peer` (string): whom signalling is spoken with on that side. Media go to loopback and link-local addresses
 *   only where that one, or without it the local address, is such an address itself.
 *
 * In a launch line an IPv6 address needs its type: `address=(string)2001:db8::9`.
 *
 * A key that is not in this list is refused, and so is every description that wants what is not agreed to,
 * with a sentence that names it.
 *
 * ## What it does not
 *
 * Other media than audio (declined), codecs other than those above (they are not offered on), DTLS-SRTP
 * and ICE: offers of UDP/TLS/RTP/SAVPF and the profiles `ws_to_rtp` and `wss_to_rtp` are refused.
 */
mod imp;
mod live;
mod messages;
mod operations;
mod settings;
mod side;
mod signals;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The `sdpbridgebin` element.
    pub struct SdpBridgeBin(ObjectSubclass<imp::SdpBridgeBin>) @extends gst::Element, gst::Object;
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sdpbridgebin",
        gst::Rank::NONE,
        SdpBridgeBin::static_type(),
    )
}
