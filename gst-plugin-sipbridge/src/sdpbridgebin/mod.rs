// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sdpbridgebin
 *
 * Joins two far ends whose signalling the application speaks itself: what one of them offers goes in,
 * the offer for the other one comes out, and so do the answers (RFC 3264). Media go through this
 * element, on a media thread that all calls share; it needs no pads, and adds no thread.
 *
 * Each side has RTP/AVP, RTP/AVPF, RTP/SAVP or RTP/SAVPF (keys in the descriptions, RFC 4568), or
 * UDP/TLS/RTP/SAVP or UDP/TLS/RTP/SAVPF (keys from a handshake, RFC 5763, with ICE or without), RTCP on a
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
 * sent nothing more until something does. Where keys are in the descriptions and what comes from a side is
 * protected with another one (100 packets in 3 seconds or longer, and never one that is authentic), the bridge
 * ends and says so (`sdp-bridge-ended`).
 *
 * Keys that a side presses (RFC 4733) are passed on, and told of by `dtmf-event` as `sipbin` tells of them, with
 * the field `side` (`a` or `b`).
 *
 * ## What an application may do to media
 *
 * `mute` keeps what a side says from the other one, which is sent silence meanwhile, or nothing. `play` plays a file
 * to a side in place of what the other one says, `play-digits` presses keys for it (RFC 4733).
 *
 * The request pads `tap_a` and `tap_b` give what a side says, as `audio/x-raw`, for recording and for listening in:
 * also while it is muted, and whatever the other side speaks. They can come and go while the bridge runs, and outlast
 * it; EOS that is sent to the element ends what they give. Where a far end pauses there is a hole, which
 * `audiomixer` or `audiorate` fills. They are decoded for this alone: a bridge without them costs no decoder. Each
 * has a thread of its own, unless what follows never waits (a leaky queue, `sipmixer`).
 *
 * ```sh
 * sdpbridgebin name=bridge  bridge.tap_a ! queue leaky=downstream ! mix.  bridge.tap_b ! queue leaky=downstream ! mix.
 *     audiomixer name=mix ! wavenc ! filesink location=call.wav
 * ```
 *
 * ## What each side speaks
 *
 * `profile` says it by a name: `rtp_passthrough` (plain RTP on both sides), `srtp_to_rtp` and
 * `rtp_to_srtp` (SRTP with keys in the descriptions on the side of who offers first, or on the other),
 * `ws_to_rtp` and `wss_to_rtp` (a browser offers first, with DTLS-SRTP and ICE, whichever WebSocket carries its
 * signalling; plain RTP on the other side).
 * A process may define more (`[[profile]]` of a worker's configuration).
 * `side-a` (who offers first) and `side-b` are structures for what else is wanted:
 *
 * - `srtp` (string): `off`, `optional` (RFC 8643) or `required`;
 * - `dtls` (boolean): DTLS-SRTP, and nothing else. RTCP shares the port of RTP then, and `srtp` is `off`;
 * - `ice` (string): how the far end is found where `dtls` is true: `full` (the default), `lite` (for a machine
 *   that can be reached from everywhere: checks are answered and not made) or `off` (it is where its description
 *   says). Who offers no ICE is answered with none;
 * - `feedback` (boolean): first offers are RTP/AVPF, RTP/SAVPF or UDP/TLS/RTP/SAVPF; true with `dtls`, else false,
 *   where nothing is said;
 * - `rtcp-mux` (boolean): RTCP may share the port of RTP; true where nothing is said;
 * - `codecs` (array of strings): those that may be spoken, in the order in which they are offered. Default:
 *   what the other side offered in its order, then what can be transcoded;
 * - `ptime` (unsigned integer): the packet time that is asked for, 10 to 60 milliseconds, and that packets sent to
 *   this side have, unless it asks for another itself. G.711, G.722 and L16 are cut anew for that, Opus is encoded
 *   anew. Default: what the other side asks for; then audio that is not transcoded keeps the packets it came in;
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
 * ## Browsers
 *
 * Where `dtls` is true for a side, its far end shows the certificate whose SHA-256 its description names, before
 * anything is sent to it or taken from it, RTCP included. One that shows another, or none in 30 seconds, ends the
 * bridge (`sdp-bridge-ended`). Descriptions of this element have all its candidates; those of the far end may come
 * later, and are handed in by `add-ice-candidate`. Candidates where no media may go (see `peer`) are passed over.
 * Each who answers an offer has a handshake of its own, so that the first of several can be heard again. A far end
 * that restarts ICE, or offers again as it was, goes on with the keys it has; one that comes with another certificate,
 * another name of the association (`a=tls-id`, RFC 8842) or another role, or that moves without ICE, gets another
 * handshake. One that stops answering checks is sent nothing after some 20 seconds (RFC 7675), and ends the bridge 15
 * seconds later.
 *
 * ## What it does not
 *
 * Other media than audio (declined), codecs other than those above (they are not offered on), DTLS-SRTP without
 * `a=rtcp-mux` (refused), candidates of other kinds than `host` and relays of its own, restarts of ICE and other
 * handshakes that the far end did not ask for, another handshake for who restarts ICE and has no `a=tls-id` (RFC 8842
 * section 4 asks for one; browsers make none).
 */
mod file;
mod imp;
mod live;
mod messages;
mod operations;
pub mod profiles;
mod settings;
mod side;
mod signals;
mod taps;

use gst::glib;
use gst::prelude::*;

pub use side::SideOptions;

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
