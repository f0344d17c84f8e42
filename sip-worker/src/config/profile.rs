// SPDX-License-Identifier: MPL-2.0
//! `[[profile]]`: what is spoken on both sides of a bridge, by a name of one's own.

use std::collections::HashSet;
use std::net::IpAddr;

use gstsipbridge::bridge::IcePolicy;
use gstsipbridge::sdpbridgebin::SideOptions;
use gstsipbridge::sdpbridgebin::profiles::{self, ProfileError};
use sip_ua::sdp::SrtpPolicy;

use super::value::{codec, number};
use crate::document::Section;

/// `[[profile]]`: a name for the property `profile` of every `sdpbridgebin` of this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What it is called by.
    pub name: String,
    /// Whoever offers first, and whoever answers that.
    pub sides: [SideOptions; 2],
}

impl Profile {
    /// From now on every `sdpbridgebin` of this process knows it.
    pub fn define(&self) -> Result<(), ProfileError> {
        profiles::define(&self.name, self.sides.clone())
    }
}

pub(super) fn all(sections: Vec<Section<'_>>) -> Vec<Profile> {
    let mut profiles = Vec::new();
    let mut names = HashSet::new();
    for section in sections {
        let (at, document) = (section.at(), section.document());
        let Some(profile) = profile(section) else {
            continue;
        };
        if !names.insert(profile.name.clone()) {
            document.find(
                at,
                format!("another [[profile]] is named \"{}\" already", profile.name),
            );
        }
        profiles.push(profile);
    }
    profiles
}

fn profile(mut section: Section<'_>) -> Option<Profile> {
    let stated = section.has("name");
    let name = section.string("name").map(|name| name.value);
    match &name {
        Some(name) => section.rename(format!("[[profile]] \"{name}\"")),
        None if !stated => section.find("`name` is missing"),
        None => {}
    }
    let sides = ["a", "b"].map(|key| section.section(key).map(side).unwrap_or_default());
    let name = name?;
    if let Err(error) = profiles::check(&name, &sides) {
        section.find(error);
    }
    section.finish();
    Some(Profile { name, sides })
}

/// The words are those of the properties `side-a` and `side-b`, as TOML spells them.
fn side(mut section: Section<'_>) -> SideOptions {
    let address = |section: &mut Section<'_>, key| {
        section.parsed(key, |text| {
            text.parse::<IpAddr>()
                .map_err(|_| format!("\"{text}\" is no IP address"))
        })
    };
    let options = SideOptions {
        srtp: section.parsed("srtp", |name| {
            known(name, &SrtpPolicy::ALL, SrtpPolicy::name)
        }),
        dtls: section.boolean("dtls"),
        ice: section.parsed("ice", |name| known(name, &IcePolicy::ALL, IcePolicy::name)),
        feedback: section.boolean("feedback"),
        rtcp_mux: section.boolean("rtcp_mux"),
        codecs: section.parsed_list("codecs", codec),
        ptime_ms: number(section.integer("ptime", 10..=60)).and_then(|ms| u8::try_from(ms).ok()),
        address: address(&mut section, "address"),
        advertise: address(&mut section, "advertise"),
        peer: address(&mut section, "peer"),
    };
    if options.codecs.as_ref().is_some_and(Vec::is_empty) {
        section.find("`codecs` is empty: no call could be agreed on");
    }
    section.finish();
    options
}

/// The one of this name.
fn known<T: Copy>(name: &str, all: &[T], name_of: fn(T) -> &'static str) -> Result<T, String> {
    let mut fitting = all.iter().copied().filter(|of| name_of(*of) == name);
    fitting.next().ok_or_else(|| {
        let names = all.iter().map(|of| format!("\"{}\"", name_of(*of)));
        let names: Vec<String> = names.collect();
        format!("\"{name}\" is none of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sip_ua::sdp::Codec;

    use super::*;
    use crate::document::Document;

    fn read(text: &str) -> (Vec<Profile>, Vec<String>) {
        let document = Document::new(Path::new("c.toml"), text.to_owned());
        let profiles = document.root().map(|mut root| {
            let profiles = all(root.sections("profile"));
            root.finish();
            profiles
        });
        let findings = document.take_findings();
        let findings = findings.into_iter().map(|finding| finding.to_string());
        (profiles.unwrap_or_default(), findings.collect())
    }

    #[test]
    fn both_sides_are_what_they_say() {
        let (profiles, findings) = read(
            "[[profile]]\nname = \"carrier\"\n\
             a = { dtls = true, ice = \"lite\", feedback = false }\n\
             b = { srtp = \"optional\", rtcp_mux = false, codecs = [\"pcma\"], ptime = 30, \
             address = \"127.0.0.1\", advertise = \"203.0.113.7\", peer = \"203.0.113.1\" }\n\
             [[profile]]\nname = \"plain\"\n",
        );
        assert!(findings.is_empty(), "{findings:?}");
        let [carrier, plain] = profiles.as_slice() else {
            panic!("{profiles:?}");
        };
        let [a, b] = &carrier.sides;
        let expected = SideOptions {
            dtls: Some(true),
            ice: Some(IcePolicy::Lite),
            feedback: Some(false),
            ..SideOptions::default()
        };
        assert_eq!(*a, expected);
        assert_eq!(b.srtp, Some(SrtpPolicy::Optional));
        assert_eq!((b.rtcp_mux, b.ptime_ms), (Some(false), Some(30)));
        assert_eq!(b.codecs, Some(vec![Codec::Pcma]));
        assert_eq!(b.advertise, "203.0.113.7".parse().ok());
        assert_eq!(
            plain.sides,
            [SideOptions::default(), SideOptions::default()]
        );
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (lines, words) in [
            ("a = {}", "`name` is missing"),
            ("name = \"x\"\na = { bundle = true }", "bundle"),
            ("name = \"x\"\nside = { dtls = true }", "side"),
            (
                "name = \"x\"\na = { srtp = \"yes\" }",
                "\"yes\" is none of \"off\"",
            ),
            (
                "name = \"x\"\nb = { ice = \"half\" }",
                "\"half\" is none of",
            ),
            ("name = \"x\"\nb = { ice = \"lite\" }", "side b: ice is"),
            ("name = \"x\"\na = { ptime = 5 }", "ptime"),
            ("name = \"x\"\na = { codecs = [] }", "`codecs` is empty"),
            ("name = \"x\"\na = { codecs = [\"g729\"] }", "\"g729\""),
            ("name = \"x\"\na = { address = \"eth0\" }", "\"eth0\""),
            ("name = \"srtp_to_rtp\"", "is there already"),
            ("name = \"a b\"", "\"a b\""),
            (
                "name = \"x\"\n[[profile]]\nname = \"x\"",
                "named \"x\" already",
            ),
        ] {
            let (_, findings) = read(&format!("[[profile]]\n{lines}\n"));
            let named = findings.iter().any(|finding| finding.contains(words));
            assert!(named, "{lines}: {findings:?}");
        }
    }
}
