// SPDX-License-Identifier: MPL-2.0
//! What must be read from, and mended in, the far end's session description. Plain text work.

use std::borrow::Cow;
use std::net::IpAddr;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Why a session description cannot be trusted or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    #[error("the remote description has no m-line")]
    NoMedia,
    #[error(
        "m-line {0} of the remote description has no a=fingerprint, so its sender cannot be told from anybody else"
    )]
    NoFingerprint(usize),
    #[error(
        "m-line {0} of the remote description has no fingerprint of a hash we trust (sha-256, sha-384, sha-512)"
    )]
    WeakFingerprint(usize),
    #[error("the remote certificate is not PEM")]
    NotPem,
}

/// A hash function of RFC 8122 that still counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// One `a=fingerprint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub hash: Hash,
    pub digest: Vec<u8>,
}

/// The fingerprints that hold for one m-line; `None` where it is rejected (port 0) and carries nothing.
pub type SectionFingerprints = Option<Vec<Fingerprint>>;

/// The fingerprints of each m-line: its own, or else the session's (RFC 8122 section 5).
pub fn fingerprints(sdp: &str) -> Result<Vec<SectionFingerprints>, DescriptionError> {
    let (session, sections) = split(sdp);
    if sections.is_empty() {
        return Err(DescriptionError::NoMedia);
    }
    let session_values = fingerprint_values(&session);
    let mut all = Vec::with_capacity(sections.len());
    for (index, section) in sections.iter().enumerate() {
        if is_rejected(section) {
            all.push(None);
            continue;
        }
        let own = fingerprint_values(section);
        let values = if own.is_empty() {
            &session_values
        } else {
            &own
        };
        if values.is_empty() {
            return Err(DescriptionError::NoFingerprint(index));
        }
        let known: Vec<_> = values.iter().filter_map(|v| parse_fingerprint(v)).collect();
        if known.is_empty() {
            return Err(DescriptionError::WeakFingerprint(index));
        }
        all.push(Some(known));
    }
    Ok(all)
}

/// The same text, but host candidates name this address in place of the local one of its kind (IPv4, IPv6):
/// that is what the world reaches it by.
pub fn advertise(text: &str, address: IpAddr) -> String {
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        let is_host = words.windows(2).any(|pair| pair == ["typ", "host"]);
        let told = address.to_string();
        // RFC 8839 section 5.1: foundation, component, transport, priority, address.
        match words.get_mut(4) {
            Some(local) if is_host && line.contains("candidate:") && alike(local, address) => {
                *local = &told;
                words.join(" ")
            }
            _ => line.to_owned(),
        }
    };
    let lines: Vec<String> = text.split("\r\n").map(line).collect();
    lines.join("\r\n")
}

fn alike(local: &str, address: IpAddr) -> bool {
    let local = local.parse::<IpAddr>();
    local.is_ok_and(|local| local.is_ipv4() == address.is_ipv4())
}

fn split(sdp: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut session = Vec::new();
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        match sections.last_mut() {
            Some(section) => section.push(line),
            None => session.push(line),
        }
    }
    (session, sections)
}

/// Port 0 rejects an m-line, unless it only waits to share another's transport (RFC 8843).
fn is_rejected(section: &[&str]) -> bool {
    let port = section.first().and_then(|m| m.split_whitespace().nth(1));
    port == Some("0") && !section.contains(&"a=bundle-only")
}

fn fingerprint_values<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    lines
        .iter()
        .filter_map(|line| line.strip_prefix("a=fingerprint:"))
        .collect()
}

fn parse_fingerprint(value: &str) -> Option<Fingerprint> {
    let mut words = value.split_whitespace();
    let hash = match words.next()?.to_ascii_lowercase().as_str() {
        "sha-256" => Hash::Sha256,
        "sha-384" => Hash::Sha384,
        "sha-512" => Hash::Sha512,
        _ => return None,
    };
    let digest = words
        .next()?
        .split(':')
        .map(|byte| {
            u8::from_str_radix(byte, 16)
                .ok()
                .filter(|_| byte.len() == 2)
        })
        .collect::<Option<Vec<u8>>>()?;
    let length = match hash {
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    };
    (digest.len() == length).then_some(Fingerprint { hash, digest })
}

/// Does the certificate match what was promised? Of several fingerprints those of the strongest
/// hash count, and one of them must match (RFC 8122 section 5).
pub fn certificate_matches(
    certificate_pem: &str,
    promised: &[Fingerprint],
) -> Result<bool, DescriptionError> {
    let der = der_of_pem(certificate_pem)?;
    let Some(strongest) = promised.iter().map(|f| f.hash).max() else {
        return Ok(false);
    };
    let digest = match strongest {
        Hash::Sha256 => Sha256::digest(&der).to_vec(),
        Hash::Sha384 => Sha384::digest(&der).to_vec(),
        Hash::Sha512 => Sha512::digest(&der).to_vec(),
    };
    Ok(promised
        .iter()
        .any(|f| f.hash == strongest && f.digest == digest))
}

fn der_of_pem(pem: &str) -> Result<Vec<u8>, DescriptionError> {
    let body = pem
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .map(|(body, _)| body)
        .ok_or(DescriptionError::NotPem)?;
    let compact: String = body.split_whitespace().collect();
    let der = gst::glib::base64_decode(&compact);
    // Every certificate is a DER SEQUENCE.
    if der.first() != Some(&0x30) {
        return Err(DescriptionError::NotPem);
    }
    Ok(der)
}

const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

fn direction_of<'a>(lines: &[&'a str]) -> Option<&'a str> {
    lines.iter().find(|l| DIRECTIONS.contains(l)).copied()
}

/// Writes the direction into each m-line that has none: the session's, or else `sendrecv`, which is
/// what RFC 8866 section 6.7 says it has. webrtcbin (1.22 to at least 1.28) rejects such an m-line.
pub fn repair_directions(sdp: &str) -> Cow<'_, str> {
    let (session, sections) = split(sdp);
    if sections.iter().all(|s| direction_of(s).is_some()) {
        return Cow::Borrowed(sdp);
    }
    let default = direction_of(&session).unwrap_or("a=sendrecv");
    let mut repaired = String::with_capacity(sdp.len() + 16 * sections.len());
    let mut push = |line: &str| {
        repaired.push_str(line);
        repaired.push_str("\r\n");
    };
    session.iter().for_each(|line| push(line));
    for section in &sections {
        section.iter().for_each(|line| push(line));
        if direction_of(section).is_none() {
            push(default);
        }
    }
    Cow::Owned(repaired)
}

/// Lets the far end begin the DTLS handshake, where its offer leaves that to us: what webrtcbin reads
/// as `active` it answers with `passive`, as RFC 8842 section 5.3 permits.
///
/// webrtcbin would choose to begin, and does so as soon as ICE is up on its side. The far end may not be
/// as far yet and drop the first packet (Janus does, in a quarter of all connections on a busy
/// machine), which OpenSSL sends again only after a second. A webrtcbin that waits loses nothing:
/// what comes early stays in its queue.
pub fn let_the_far_end_begin(offer: &str) -> Cow<'_, str> {
    const EITHER: &str = "a=setup:actpass";
    if !offer.contains(EITHER) {
        return Cow::Borrowed(offer);
    }
    Cow::Owned(offer.replace(EITHER, "a=setup:active"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n\
        m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=inactive\r\n";

    #[test]
    fn host_candidates_name_the_advertised_address() {
        let text = "v=0\r\na=candidate:1 1 UDP 2015363327 192.0.2.1 7000 typ host\r\n\
            a=candidate:2 1 UDP 2015363326 2001:db8::1 7000 typ host\r\n\
            a=candidate:3 1 UDP 1015363326 198.51.100.1 7001 typ srflx raddr 192.0.2.1 rport 7000\r\n";
        let told = advertise(text, "203.0.113.7".parse().unwrap());
        assert_eq!(told, text.replacen("192.0.2.1", "203.0.113.7", 1));
        let trickled = "candidate:1 1 UDP 1 192.0.2.1 7000 typ host";
        let told = advertise(trickled, "2001:db8::7".parse().unwrap());
        assert_eq!(told, trickled);
    }

    #[test]
    fn missing_directions_are_written_in_and_nothing_else_changes() {
        let repaired = repair_directions(OFFER);
        assert!(repaired.contains("a=mid:0\r\na=sendonly\r\nm=audio"));
        assert!(repaired.contains("a=mid:1\r\na=sendrecv\r\nm=video"));
        assert!(repaired.ends_with("a=mid:2\r\na=inactive\r\n"));
        assert!(matches!(repair_directions(&repaired), Cow::Borrowed(_)));
    }

    #[test]
    fn who_may_begin_is_asked_to() {
        let offer = OFFER.replace("a=mid:0", "a=setup:actpass\r\na=mid:0");
        let asked = let_the_far_end_begin(&offer);
        assert!(asked.contains("a=setup:active\r\na=mid:0\r\n"));
        assert_eq!(asked.len() + 1, offer.len(), "and nothing else changes");
        let passive = OFFER.replace("a=mid:0", "a=setup:passive\r\na=mid:0");
        assert_eq!(let_the_far_end_begin(&passive), passive);
    }

    #[test]
    fn the_sessions_direction_holds_where_an_m_line_has_none() {
        let offer = OFFER.replace("t=0 0\r\n", "t=0 0\r\na=recvonly\r\n");
        let repaired = repair_directions(&offer);
        assert!(repaired.contains("a=mid:0\r\na=sendonly\r\n"));
        assert!(repaired.contains("a=mid:1\r\na=recvonly\r\n"));
    }

    #[test]
    fn fingerprints_come_from_the_m_line_or_the_session() {
        let all = fingerprints(OFFER).unwrap();
        assert_eq!(all.len(), 3);
        let digest: Vec<u8> = (0..32).collect();
        for section in &all[..2] {
            let section = section.as_ref().unwrap();
            assert_eq!(
                section,
                &[Fingerprint {
                    hash: Hash::Sha256,
                    digest: digest.clone()
                }]
            );
        }
        assert_eq!(all[2], None, "a rejected m-line promises nothing");
    }

    #[test]
    fn a_description_without_a_usable_fingerprint_is_refused() {
        let line = OFFER
            .lines()
            .find(|l| l.starts_with("a=fingerprint"))
            .unwrap();
        let none = OFFER.replace(&format!("{line}\r\n"), "");
        assert_eq!(fingerprints(&none), Err(DescriptionError::NoFingerprint(0)));
        let sha1 = OFFER.replace(
            line,
            "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13",
        );
        assert_eq!(
            fingerprints(&sha1),
            Err(DescriptionError::WeakFingerprint(0))
        );
        let short = OFFER.replace(line, "a=fingerprint:sha-256 00:01");
        assert_eq!(
            fingerprints(&short),
            Err(DescriptionError::WeakFingerprint(0))
        );
        assert_eq!(fingerprints("v=0\r\n"), Err(DescriptionError::NoMedia));
    }

    #[test]
    fn a_certificate_is_compared_by_the_strongest_promised_hash() {
        let der = [0x30, 0x03, 0x02, 0x01, 0x05];
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            gst::glib::base64_encode(&der)
        );
        let good = Fingerprint {
            hash: Hash::Sha256,
            digest: Sha256::digest(der).to_vec(),
        };
        let other = Fingerprint {
            hash: Hash::Sha256,
            digest: vec![7; 32],
        };
        let wrong_but_stronger = Fingerprint {
            hash: Hash::Sha512,
            digest: vec![7; 64],
        };
        assert_eq!(
            certificate_matches(&pem, &[other.clone(), good.clone()]),
            Ok(true)
        );
        assert_eq!(certificate_matches(&pem, &[other]), Ok(false));
        assert_eq!(
            certificate_matches(&pem, &[good, wrong_but_stronger]),
            Ok(false)
        );
        assert_eq!(certificate_matches(&pem, &[]), Ok(false));
        assert_eq!(
            certificate_matches("hello", &[]),
            Err(DescriptionError::NotPem)
        );
    }
}
