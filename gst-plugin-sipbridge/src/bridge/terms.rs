// SPDX-License-Identifier: MPL-2.0
//! What crosses of an offer and of an answer: codecs, direction, packet time, and whether there are digits and
//! comfort noise.

use sip_ua::sdp::{Codec, Negotiated, OpusFmtp};

use super::{ExchangeConfig, ExchangeError};
use crate::media::bridge::Side;
use crate::session::Terms;

/// What a side is offered behind the other side's codecs, the best first.
const TRANSCODED: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu];

/// What the side across is offered.
pub(super) fn of_offer(
    config: &ExchangeConfig,
    from: Side,
    seen: &Negotiated,
) -> Result<Terms, ExchangeError> {
    let offered = codecs_of(seen);
    let across = &config.sides[from.other().index()];
    let transcode = config.transcode;
    let codecs = match &across.codecs {
        Some(spoken) => spoken
            .iter()
            .copied()
            .filter(|codec| transcode || offered.contains(codec))
            .collect(),
        None => {
            let more = TRANSCODED.into_iter().filter(|_| transcode);
            let more = more.filter(|codec| !offered.contains(codec));
            offered.iter().copied().chain(more).collect::<Vec<_>>()
        }
    };
    if codecs.is_empty() {
        return Err(ExchangeError::NothingToOffer { from, offered });
    }
    Ok(Terms {
        codecs,
        direction: seen.direction.reversed(),
        ptime_ms: across.ptime_ms.unwrap_or(seen.ptime_ms),
        telephone_event: !seen.telephone_event_receive.is_empty(),
        comfort_noise: !seen.comfort_noise_receive.is_empty(),
        opus_fmtp: match offered.contains(&Codec::Opus) {
            true => seen.opus_fmtp,
            false => OpusFmtp::OURS,
        },
    })
}

/// What whoever offered is answered, after what the other side said.
pub(super) fn of_answer(
    config: &ExchangeConfig,
    from: Side,
    offered: &Negotiated,
    said: &Negotiated,
) -> Terms {
    let offered = codecs_of(offered);
    // What passes as it is, or else what they like best.
    let same = offered.iter().find(|codec| **codec == said.codec);
    let codec = same.or(offered.first()).copied();
    let side = &config.sides[from.index()];
    Terms {
        codecs: codec.into_iter().collect(),
        direction: said.direction.reversed(),
        ptime_ms: side.ptime_ms.unwrap_or(said.ptime_ms),
        // Digits of a form that cannot go on are better not asked for.
        telephone_event: said.telephone_event_send.is_some(),
        comfort_noise: said.comfort_noise_send.is_some(),
        opus_fmtp: match same {
            Some(Codec::Opus) => said.opus_fmtp,
            _ => OpusFmtp::OURS,
        },
    }
}

/// What may come in, in the order of the offer.
fn codecs_of(seen: &Negotiated) -> Vec<Codec> {
    let mut codecs = Vec::new();
    for (_, codec) in &seen.receive {
        if !codecs.contains(codec) {
            codecs.push(*codec);
        }
    }
    codecs
}
