// SPDX-License-Identifier: MPL-2.0
//! Element messages about a bridge, and what it counts.

use gst::prelude::*;
use sip_ua::sdp::Negotiated;

use super::SdpBridgeBin;
use super::live::Live;
use crate::call::DigitForm;
use crate::line::messages::{dtmf_event, post as post_to};
use crate::media::bridge::Side;
use crate::media::{MediaEvent, figures};

pub(super) fn post(element: &SdpBridgeBin, structure: gst::Structure) {
    post_to(element.upcast_ref(), structure);
}

/// Something was agreed on with a side.
pub(super) fn agreed(side: Side, tag: &str, agreed: &Negotiated) -> gst::Structure {
    // sdp-bridge-media: element message: media were agreed on with a side, for the first time or anew.
    // `side` is `a` or `b`, `tag` who is heard there, `codec` what is sent there, `ptime` in milliseconds,
    // `remote` where it is sent to, `direction` ours (`sendrecv`, `sendonly`, `recvonly` or `inactive`),
    // `rtcp-mux` whether RTCP shares that port, `srtp` whether it is encrypted, and `srtp-suite` with what,
    // where the descriptions say so. `dtls`: keys come from a handshake, and with them the suite in `stats`;
    // `ice`: checks find where it is, and `remote` says nothing.
    let suite = agreed.srtp.as_ref().map(|keys| keys.suite().name());
    let dtls = agreed.dtls.as_ref();
    gst::Structure::builder("sdp-bridge-media")
        .field("side", side.name())
        .field("tag", tag)
        .field("codec", agreed.codec.name())
        .field("ptime", u32::from(agreed.ptime_ms))
        .field("remote", agreed.remote_rtp.to_string())
        .field("direction", agreed.direction.as_str())
        .field("rtcp-mux", agreed.rtcp_mux)
        .field("srtp", suite.is_some() || dtls.is_some())
        .field("dtls", dtls.is_some())
        .field("ice", dtls.is_some_and(|dtls| dtls.ice.is_some()))
        .field_if_some("srtp-suite", suite)
        .build()
}

/// What of that is news to an application.
pub(super) fn of_media(side: Side, event: &MediaEvent) -> Option<gst::Structure> {
    match event {
        MediaEvent::Digit { digit, duration_ms } => {
            let mut pressed = dtmf_event(*digit, *duration_ms, DigitForm::Rfc4733)?;
            pressed.set("side", side.name());
            Some(pressed)
        }
        MediaEvent::TimedOut(silent) => {
            // sdp-bridge-silent: element message: a side that ought to send does not. `side` is `a` or `b`,
            // `seconds` for how long; told again each time as long (`media-timeout`).
            let silent = gst::Structure::builder("sdp-bridge-silent")
                .field("side", side.name())
                .field(
                    "seconds",
                    u32::try_from(silent.as_secs()).unwrap_or(u32::MAX),
                );
            Some(silent.build())
        }
        // sdp-bridge-played: element message: what `play` gave a side came to its end. `side` is `a` or `b`.
        MediaEvent::Played => {
            let played = gst::Structure::builder("sdp-bridge-played").field("side", side.name());
            Some(played.build())
        }
        _ => None,
    }
}

/// A later offer was given up.
pub(super) fn expired() -> gst::Structure {
    // sdp-bridge-offer-expired: element message: nobody answered a later offer in `offer-timeout`; what was
    // agreed on before holds.
    gst::Structure::builder("sdp-bridge-offer-expired").build()
}

/// The bridge is over, and the application did not ask for it.
pub(super) fn ended(reason: &str) -> gst::Structure {
    // sdp-bridge-ended: element message: the bridge ended by itself, and its ports are free. `reason` is a
    // sentence.
    gst::Structure::builder("sdp-bridge-ended")
        .field("reason", reason)
        .build()
}

/// What both sides count.
pub(super) fn stats(live: Option<&Live>) -> gst::Structure {
    // application/x-sdp-bridge-stats: what the property `stats` holds, and what `delete` replies. While there
    // is a bridge, `a` and `b` are structures with the `tag` of who is heard on that side and, once media
    // were agreed on, the counters of `application/x-sip-stats` that concern packets.
    let mut stats = gst::Structure::builder("application/x-sdp-bridge-stats").build();
    if let Some(live) = live {
        for side in Side::BOTH {
            let part = gst::Structure::builder(side.name()).field("tag", live.tag(side));
            stats.set(side.name(), figures::put(part, &live.stats(side)).build());
        }
    }
    stats
}
