// SPDX-License-Identifier: MPL-2.0
//! Carrying out a [`Plan`].

use std::time::{Duration, Instant};

use str0m::config::Fingerprint;
use str0m::format::{Codec, CodecSpec, FormatParams, PayloadParams};
use str0m::ice::IceCreds;
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Rtc, RtcConfig};

use super::{CONNECT_MAX, Transport, TransportState};
use crate::rtc::description::{Credentials, Format};
use crate::rtc::plan::{HeaderExtension, Plan, Remote};

/// Payload types that a later exchange may give a meaning. The transport has to know all of them when it
/// begins, for it takes no packet of others.
const LATER: [std::ops::RangeInclusive<u8>; 2] = [0..=34, 96..=127];

impl Transport {
    /// Carries out what changed.
    pub fn apply(&mut self, now: Instant, plan: Plan) {
        if self.is_over() {
            return;
        }
        self.now = Some(now);
        let Some(remote) = plan.remote.clone() else {
            // An offer of ours or theirs alone moves nothing but our name in checks.
            if let Some(rtc) = &mut self.rtc {
                set_local(rtc, &plan.credentials);
            }
            return;
        };
        let before = self.plan.take();
        match &mut self.rtc {
            None => self.begin(now, &plan, &remote),
            Some(rtc) => {
                set_local(rtc, &plan.credentials);
                let mut direct = rtc.direct_api();
                direct.set_remote_ice_credentials(creds(&remote.credentials));
                let others = before.as_ref().and_then(|before| before.remote.as_ref());
                if others.is_some_and(|before| before.credentials != remote.credentials) {
                    // Candidates of before the restart are not candidates of after it.
                    self.remote.clear();
                }
            }
        }
        self.streams_of(before.as_ref(), &plan);
        self.plan = Some(plan);
        self.drained = false;
        for early in std::mem::take(&mut self.early) {
            self.take(early.at.max(now), early.local, early.from, &early.bytes);
        }
    }

    fn begin(&mut self, now: Instant, plan: &Plan, remote: &Remote) {
        let mut extensions = ExtensionMap::empty();
        for (number, extension) in &plan.extensions {
            extensions.set(
                *number,
                match extension {
                    HeaderExtension::Mid => Extension::RtpMid,
                    HeaderExtension::AudioLevel => Extension::AudioLevel,
                },
            );
        }
        let mut config = RtcConfig::new()
            .set_crypto_provider(self.certificate.provider())
            .set_dtls_cert(self.certificate.dtls())
            .set_local_ice_credentials(creds(&plan.credentials))
            .set_ice_lite(self.lite)
            .set_rtp_mode(true)
            .set_extension_map(extensions)
            .set_stats_interval(Some(Duration::from_secs(1)))
            .clear_codecs();
        for params in payload_params(plan) {
            config.codec_config().add_config(
                params.pt(),
                None,
                params.spec().codec,
                params.spec().clock_rate,
                params.spec().channels,
                params.spec().format,
            );
        }
        let mut rtc = Box::new(config.build(now));
        {
            let mut direct = rtc.direct_api();
            direct.set_ice_controlling(remote.controlling);
            direct.set_remote_ice_credentials(creds(&remote.credentials));
            direct.set_remote_fingerprint(Fingerprint {
                hash_func: "sha-256".to_owned(),
                bytes: remote.fingerprint.clone(),
            });
        }
        for candidate in &self.local {
            rtc.add_local_candidate(candidate.clone());
        }
        for candidate in &self.remote {
            rtc.add_remote_candidate(candidate.clone());
        }
        // Once, so that its clock stands right before the handshake takes its first deadline from it.
        let started = rtc
            .handle_input(str0m::Input::Timeout(now))
            .and_then(|()| rtc.direct_api().start_dtls(remote.active));
        self.rtc = Some(rtc);
        if let Err(error) = started {
            self.fail(format!("the connection could not begin: {error}"));
            return;
        }
        self.deadline = Some(now + CONNECT_MAX);
        self.enter(TransportState::Connecting, None);
    }

    fn streams_of(&mut self, before: Option<&Plan>, plan: &Plan) {
        let Some(rtc) = &mut self.rtc else {
            return;
        };
        let earlier = before
            .map(|before| before.media.as_slice())
            .unwrap_or_default();
        for media in earlier {
            let kept = plan
                .media
                .iter()
                .find(|now| now.line == media.line && now.mid == media.mid);
            if kept.is_none() {
                self.streams.forget_line(media.line);
                rtc.direct_api().remove_media(mid(&media.mid));
            } else if kept.is_some_and(|now| now.receive.is_none()) {
                for ssrc in self.streams.forget_line(media.line) {
                    rtc.direct_api().remove_stream_rx(ssrc.into());
                }
            }
        }
        for media in &plan.media {
            let mid = mid(&media.mid);
            if rtc.media(mid).is_none() {
                rtc.direct_api().declare_media(mid, MediaKind::Audio);
            }
            let mut direct = rtc.direct_api();
            let sending = direct
                .stream_tx_by_mid(mid, None)
                .map(|stream| stream.ssrc());
            let wanted = media.send.as_ref().map(|send| send.ssrc.into());
            if sending != wanted {
                if let Some(sending) = sending {
                    direct.remove_stream_tx(sending);
                }
                if let Some(wanted) = wanted {
                    // Audio is never sent again: nothing needs to be kept for it.
                    direct
                        .declare_stream_tx(wanted, None, mid, None)
                        .set_rtx_cache(1, Duration::from_millis(1), None);
                }
            }
            for ssrc in media.receive.iter().flat_map(|receive| &receive.sources) {
                self.streams.named(*ssrc, media.line);
                direct
                    .expect_stream_rx((*ssrc).into(), None, mid, None)
                    // Audio is not worth sending again, and nobody agreed to.
                    .suppress_nack(true);
            }
        }
    }
}

/// Expects a source on a line.
pub(super) fn announce(rtc: &mut Rtc, plan: &Plan, line: usize, ssrc: u32) {
    // str0m panics at a line that it was not told of.
    if let Some(media) = plan.media.iter().find(|media| media.line == line)
        && rtc.media(mid(&media.mid)).is_some()
    {
        rtc.direct_api()
            .expect_stream_rx(ssrc.into(), None, mid(&media.mid), None)
            .suppress_nack(true);
    }
}

pub(super) fn mid(name: &str) -> Mid {
    Mid::from(name)
}

fn creds(credentials: &Credentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag.clone(),
        pass: credentials.password.clone(),
    }
}

fn set_local(rtc: &mut Rtc, credentials: &Credentials) {
    rtc.direct_api()
        .set_local_ice_credentials(creds(credentials));
}

fn payload_params(plan: &Plan) -> Vec<PayloadParams> {
    let known = plan.formats.iter().map(|format| (format.pt, clock(format)));
    let mut all: Vec<(u8, u32)> = known.collect();
    for pt in LATER.into_iter().flatten() {
        if !all.iter().any(|(known, _)| *known == pt) {
            // Only reports depend on the clock; 48 kHz is what a newcomer most likely has.
            all.push((pt, if pt < 96 { 8_000 } else { 48_000 }));
        }
    }
    all.into_iter()
        .filter_map(|(pt, clock_hz)| {
            let spec = CodecSpec {
                // What it carries is nobody's business here but that it is audio.
                codec: Codec::Opus,
                clock_rate: Frequency::new(clock_hz)?,
                channels: None,
                format: FormatParams::default(),
            };
            Some(PayloadParams::new(Pt::new_with_value(pt), None, spec))
        })
        .collect()
}

fn clock(format: &Format) -> u32 {
    format.clock_hz.max(1)
}
