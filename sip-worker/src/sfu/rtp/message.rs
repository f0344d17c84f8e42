// SPDX-License-Identifier: MPL-2.0
//! What is said to the operator's server and what it answers, as JSON. docs/sfu/rtp.md describes it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sip_ua::sdp::{MasterKey, Suite};

use crate::plain::{self, Description};
use crate::sfu;
use crate::sfu::data::{DataForm, ToldForm};
use crate::sfu::wire::told_wrong;

/// What a server may be without: it says 501 then.
pub(super) const DATA: &str = "data";
pub(super) const ATTRIBUTES: &str = "attributes";

/// A request. All go to the same URL.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) action: &'static str,
    pub(super) room: &'a str,
    pub(super) participant: Who<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) track: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media: Option<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) muted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<DataForm>,
    /// Those that change; an empty one goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Request<'a> {
    /// One that says no more than who wants what.
    pub(super) fn new(action: &'static str, room: &'a str, participant: Who<'a>) -> Request<'a> {
        Request {
            action,
            room,
            participant,
            track: None,
            media: None,
            muted: None,
            data: None,
            attributes: None,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Who<'a> {
    /// At joining.
    Whole {
        id: &'a str,
        name: &'a str,
        attributes: &'a BTreeMap<String, String>,
    },
    /// From then on.
    Id(&'a str),
}

impl<'a> Who<'a> {
    pub(super) fn whole(who: &'a sfu::Participant) -> Who<'a> {
        Who::Whole {
            id: &who.id,
            name: &who.name,
            attributes: &who.attributes,
        }
    }
}

/// Where one end of a flow is, and what it sends or expects.
#[derive(Serialize, Deserialize)]
pub(super) struct Media {
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rtcp_port: Option<u16>,
    /// RTCP may come to `port` as well.
    #[serde(default)]
    rtcp_mux: bool,
    #[serde(default = "opus")]
    codec: String,
    #[serde(default)]
    payload_type: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ssrc: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    srtp: Option<Srtp>,
}

#[derive(Serialize, Deserialize)]
struct Srtp {
    suite: String,
    /// Master key and salt in base64 (RFC 4568 section 6.1).
    key: String,
}

fn opus() -> String {
    "opus/48000/2".to_owned()
}

impl From<Description> for Media {
    fn from(ours: Description) -> Media {
        Media {
            address: Some(ours.address),
            port: ours.port,
            rtcp_port: ours.rtcp_port,
            rtcp_mux: true,
            codec: opus(),
            payload_type: Some(ours.payload_type),
            ssrc: ours.ssrc,
            srtp: ours.key.map(|key| Srtp {
                suite: key.suite().name().to_owned(),
                key: key.inline(),
            }),
        }
    }
}

impl Media {
    /// What the far end says of itself, in answer to `ours`. An error is what is wrong with it.
    pub(super) fn described(self, ours: &Description) -> Result<Description, String> {
        if !self.codec.to_ascii_lowercase().starts_with("opus") {
            return Err("its codec is not opus".to_owned());
        }
        let payload_type = self.payload_type.unwrap_or(ours.payload_type);
        if !plain::is_payload_type(payload_type) {
            return Err(format!("{payload_type} is no usable payload type"));
        }
        let key = match self.srtp {
            Some(srtp) => {
                let suite = Suite::from_name(&srtp.suite);
                let suite = suite.ok_or("it names no SRTP suite that is known")?;
                let key = MasterKey::from_inline(suite, &srtp.key);
                Some(key.ok_or_else(|| format!("a key of another length than {suite} has"))?)
            }
            None => None,
        };
        if key.as_ref().map(MasterKey::suite) != ours.key.as_ref().map(MasterKey::suite) {
            return Err("`srtp` is not as in the request".to_owned());
        }
        let unspecified = Description::of(payload_type).address;
        Ok(Description {
            address: self.address.unwrap_or(unspecified),
            port: self.port,
            rtcp_port: self.rtcp_port.filter(|_| !self.rtcp_mux),
            payload_type,
            ssrc: self.ssrc.or(ours.ssrc),
            key,
            yours: None,
        })
    }
}

/// The answer to `publish` and `hear`.
#[derive(Deserialize)]
pub(super) struct Agreed {
    pub(super) media: Media,
}

/// The answer to `join`, and each line that follows it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct News {
    /// Our own identity, where it is not the one that we named. In the first line.
    #[serde(default)]
    pub(super) participant: Option<String>,
    /// Everybody else who is there now.
    #[serde(default)]
    pub(super) participants: Option<Vec<Present>>,
    /// The track that carries voice from now on, or does so no longer.
    #[serde(default)]
    pub(super) talking: Option<Talking>,
    /// The track that is withheld from now on, or is not any longer.
    #[serde(default)]
    pub(super) muted: Option<Muted>,
    /// Somebody tells us something, or what is wrong with it.
    #[serde(default, deserialize_with = "leniently")]
    pub(super) data: Option<Result<ToldForm, String>>,
    /// We are put out of the room, and why.
    #[serde(default)]
    pub(super) expelled: Option<String>,
}

/// What cannot be read leaves the rest of its line as it is.
fn leniently<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Result<ToldForm, String>>, D::Error> {
    let value = Option::<Value>::deserialize(from)?;
    Ok(value.map(|value| serde_json::from_value(value).map_err(|why| told_wrong(&why))))
}

#[derive(Debug, Deserialize)]
pub(super) struct Present {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) tracks: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Talking {
    pub(super) track: String,
    pub(super) talking: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Muted {
    pub(super) track: String,
    pub(super) muted: bool,
}
