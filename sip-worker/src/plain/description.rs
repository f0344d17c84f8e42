// SPDX-License-Identifier: MPL-2.0
//! What the two ends of a plain connection tell each other, as SDP (RFC 8866) of one media line.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use sip_ua::sdp::{MasterKey, Suite};

/// One end of a connection. Payload type and SSRC are those of the one flow that goes through it, whichever
/// end that comes from; where both ends name them, the later word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Unspecified: whoever passes this on knows it.
    pub address: IpAddr,
    /// Where RTP goes. 0: nowhere, this end takes nothing.
    pub port: u16,
    /// Where RTCP goes, where that is not `port` too (RFC 5761).
    pub rtcp_port: Option<u16>,
    pub payload_type: u8,
    pub ssrc: Option<u32>,
    /// What this end protects its packets with (RFC 4568).
    pub key: Option<MasterKey>,
    /// The port at which the other end has to be, where that is settled.
    pub yours: Option<u16>,
}

/// A description that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the description of a plain RTP connection has no usable {0}")]
pub struct Unreadable(pub &'static str);

impl Description {
    /// Of nobody in particular.
    pub fn of(payload_type: u8) -> Description {
        Description {
            address: Ipv4Addr::UNSPECIFIED.into(),
            port: 0,
            rtcp_port: None,
            payload_type,
            ssrc: None,
            key: None,
            yours: None,
        }
    }

    /// As SDP. It holds the key.
    pub fn write(&self) -> String {
        let kind = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        let (address, port, payload) = (self.address, self.port, self.payload_type);
        let profile = if self.key.is_some() { "SAVP" } else { "AVP" };
        let mut sdp = format!(
            "v=0\r\no=- 0 0 IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n\
             m=audio {port} RTP/{profile} {payload}\r\na=rtpmap:{payload} opus/48000/2\r\n"
        );
        // Into a String, which cannot fail.
        let _ = match self.rtcp_port {
            Some(port) => write!(sdp, "a=rtcp:{port}\r\n"),
            None => write!(sdp, "a=rtcp-mux\r\n"),
        };
        if let Some(ssrc) = self.ssrc {
            let _ = write!(sdp, "a=ssrc:{ssrc}\r\n");
        }
        if let Some(key) = &self.key {
            let _ = write!(
                sdp,
                "a=crypto:1 {} inline:{}\r\n",
                key.suite(),
                key.inline()
            );
        }
        if let Some(port) = self.yours {
            let _ = write!(sdp, "a=x-yours:{port}\r\n");
        }
        sdp
    }

    /// Reads what [`Description::write`] writes.
    pub fn read(sdp: &str) -> Result<Description, Unreadable> {
        let line = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start));
        let mut media = line("m=audio ").ok_or(Unreadable("media line"))?.split(' ');
        let port = media.next().and_then(|port| port.parse().ok());
        let payload_type = media.nth(1).and_then(|payload| payload.parse().ok());
        let address = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "));
        let number = |start: &'static str, what: &'static str| match line(start) {
            Some(text) => text.parse().map(Some).map_err(|_| Unreadable(what)),
            None => Ok(None),
        };
        let key = line("a=crypto:1 ").map(|line| {
            let (suite, key) = line.split_once(" inline:")?;
            MasterKey::from_inline(Suite::from_name(suite)?, key)
        });
        let port_of = |number: Option<u32>| number.and_then(|port| u16::try_from(port).ok());
        Ok(Description {
            address: address
                .and_then(|address| address.parse().ok())
                .ok_or(Unreadable("address"))?,
            port: port.ok_or(Unreadable("port"))?,
            rtcp_port: port_of(number("a=rtcp:", "RTCP port")?),
            payload_type: payload_type.ok_or(Unreadable("payload type"))?,
            ssrc: number("a=ssrc:", "SSRC")?,
            key: match key {
                Some(key) => Some(key.ok_or(Unreadable("key"))?),
                None => None,
            },
            yours: port_of(number("a=x-yours:", "port of ours")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let plain = Description {
            address: "192.0.2.7".parse().unwrap(),
            port: 5004,
            rtcp_port: Some(5005),
            ..Description::of(96)
        };
        let all = Description {
            address: "2001:db8::7".parse().unwrap(),
            rtcp_port: None,
            ssrc: Some(u32::MAX),
            key: Some(MasterKey::random(Suite::ALL[0])),
            yours: Some(5010),
            ..plain.clone()
        };
        for described in [plain, all] {
            assert_eq!(Description::read(&described.write()), Ok(described));
        }
    }

    #[test]
    fn what_is_none_is_told_from_one() {
        assert_eq!(Description::read("v=0\r\n"), Err(Unreadable("media line")));
        let broken = Description::of(96)
            .write()
            .replace("IP4 0.0.0.0", "IP4 here");
        assert_eq!(Description::read(&broken), Err(Unreadable("address")));
        let keyless = format!(
            "{}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n",
            Description::of(96).write()
        );
        assert_eq!(Description::read(&keyless), Err(Unreadable("key")));
    }
}
