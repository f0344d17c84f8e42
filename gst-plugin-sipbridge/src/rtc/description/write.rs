// SPDX-License-Identifier: MPL-2.0
//! [`Description`] to text.

use std::fmt::{self, Write as _};

use sip_ua::sdp::write_fingerprint;

use super::{Description, Section, Setup};

/// What is written where an address would stand: candidates say where we are (RFC 8839 section 4.3.1).
const NOWHERE: &str = "c=IN IP4 0.0.0.0";

/// The discard port stands for "see candidates".
const DISCARD: u16 = 9;

impl fmt::Display for Description {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |text: fmt::Arguments<'_>| write!(out, "{text}\r\n");
        line(format_args!("v=0"))?;
        line(format_args!(
            "o=- {} {} IN IP4 127.0.0.1",
            self.session_id, self.version
        ))?;
        line(format_args!("s=-"))?;
        line(format_args!("t=0 0"))?;
        if self.ice_lite {
            line(format_args!("a=ice-lite"))?;
        }
        line(format_args!("a=ice-options:trickle"))?;
        if !self.bundle.is_empty() {
            line(format_args!("a=group:BUNDLE {}", self.bundle.join(" ")))?;
        }
        line(format_args!("a=msid-semantic: WMS *"))?;
        for section in &self.sections {
            section.write(out)?;
        }
        Ok(())
    }
}

impl Section {
    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |text: fmt::Arguments<'_>| write!(out, "{text}\r\n");
        let mut payload_types = String::new();
        for format in &self.formats {
            write!(payload_types, " {}", format.pt)?;
        }
        if self.rejected {
            // What it would have been is repeated: RFC 3264 section 6 asks for a format.
            let formats = [self.fmt.trim(), payload_types.trim(), "0"];
            let formats = formats.into_iter().find(|formats| !formats.is_empty());
            line(format_args!(
                "m={} 0 {} {}",
                self.media,
                self.protocol,
                formats.unwrap_or_default()
            ))?;
            line(format_args!("{NOWHERE}"))?;
            if let Some(mid) = &self.mid {
                line(format_args!("a=mid:{mid}"))?;
            }
            return line(format_args!("a=inactive"));
        }
        line(format_args!(
            "m={} {DISCARD} {}{payload_types}",
            self.media, self.protocol
        ))?;
        line(format_args!("{NOWHERE}"))?;
        line(format_args!("a=rtcp:{DISCARD} IN IP4 0.0.0.0"))?;
        if let Some(ice) = &self.ice {
            line(format_args!("a=ice-ufrag:{}", ice.ufrag))?;
            line(format_args!("a=ice-pwd:{}", ice.password))?;
        }
        if let Some(digest) = &self.fingerprint {
            line(format_args!("a=fingerprint:{}", write_fingerprint(digest)))?;
        }
        line(format_args!(
            "a=setup:{}",
            self.setup.unwrap_or(Setup::ActPass).name()
        ))?;
        if let Some(mid) = &self.mid {
            line(format_args!("a=mid:{mid}"))?;
        }
        line(format_args!("a={}", self.direction.name()))?;
        line(format_args!("a=rtcp-mux"))?;
        line(format_args!("a=rtcp-rsize"))?;
        for (number, uri) in &self.extensions {
            line(format_args!("a=extmap:{number} {uri}"))?;
        }
        for format in &self.formats {
            let (pt, name, clock) = (format.pt, &format.name, format.clock_hz);
            match format.channels {
                Some(channels) => {
                    line(format_args!("a=rtpmap:{pt} {name}/{clock}/{channels}"))?;
                }
                None => line(format_args!("a=rtpmap:{pt} {name}/{clock}"))?,
            }
            if let Some(fmtp) = &format.fmtp {
                line(format_args!("a=fmtp:{pt} {fmtp}"))?;
            }
        }
        if let Some(msid) = &self.msid {
            line(format_args!("a=msid:{msid}"))?;
        }
        for source in &self.sources {
            if let Some(cname) = &self.cname {
                line(format_args!("a=ssrc:{source} cname:{cname}"))?;
            }
            if let Some(msid) = &self.msid {
                line(format_args!("a=ssrc:{source} msid:{msid}"))?;
            }
        }
        for candidate in &self.candidates {
            line(format_args!("a={candidate}"))?;
        }
        if self.end_of_candidates {
            line(format_args!("a=end-of-candidates"))?;
        }
        Ok(())
    }
}
