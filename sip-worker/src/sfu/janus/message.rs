// SPDX-License-Identifier: MPL-2.0
//! Janus' messages, read. No I/O here.

use serde_json::Value;

use crate::sfu::Candidate;

/// What a message from Janus means to us.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// The one and final answer to a request. (An `ack` only says that it will come.)
    Reply {
        transaction: String,
        outcome: Result<Reply, Refusal>,
    },
    /// Something happened to a handle.
    Event { handle: u64, event: HandleEvent },
    /// Janus ended our session.
    SessionEnded,
    /// Nothing for us to act on, though it shows that Janus lives.
    Other,
}

/// A request that succeeded.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reply {
    /// The new session or handle, for `create` and `attach`.
    pub(super) id: Option<u64>,
    /// What the plugin says.
    pub(super) data: Value,
    pub(super) sdp: Option<String>,
}

/// A request that Janus or its plugin refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) reason: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum HandleEvent {
    /// The plugin says something unasked.
    Plugin { data: Value, sdp: Option<String> },
    /// `None`: there are no more.
    Candidate(Option<Candidate>),
    /// The media connection is down.
    Hangup(String),
    /// The handle is no more.
    Detached,
    /// The connection to Janus broke, and another has taken over the session: what happened meanwhile was not told.
    Claimed,
    /// The whole connection to Janus is no more.
    Lost(String),
}

/// The codes of Janus' core and of VideoRoom that mean something to us.
pub(super) mod code {
    pub(in crate::sfu::janus) const UNAUTHORIZED: i64 = 403;
    pub(in crate::sfu::janus) const TOKEN: i64 = 405;
    pub(in crate::sfu::janus) const NO_SUCH_PLUGIN: i64 = 460;
    pub(in crate::sfu::janus) const NO_SUCH_ROOM: i64 = 426;
    pub(in crate::sfu::janus) const ROOM_EXISTS: i64 = 427;
    pub(in crate::sfu::janus) const NO_SUCH_FEED: i64 = 428;
    pub(in crate::sfu::janus) const MISSING_ELEMENT: i64 = 429;
    pub(in crate::sfu::janus) const INVALID_ELEMENT: i64 = 430;
    pub(in crate::sfu::janus) const PUBLISHERS_FULL: i64 = 432;
    pub(in crate::sfu::janus) const ROOM_UNAUTHORIZED: i64 = 433;
    pub(in crate::sfu::janus) const ID_EXISTS: i64 = 436;
}

/// Reads one message. The error says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Incoming, String> {
    let mut message: Value =
        serde_json::from_str(text).map_err(|e| format!("not JSON ({e}): {}", excerpt(text)))?;
    let Some(kind) = message["janus"].as_str().map(str::to_owned) else {
        return Err(format!("a message without \"janus\": {}", excerpt(text)));
    };
    let transaction = message["transaction"].as_str().map(str::to_owned);
    let data = message["plugindata"]["data"].take();
    let sdp = message["jsep"]["sdp"].as_str().map(str::to_owned);
    let reply = |outcome| match transaction.clone() {
        Some(transaction) => Incoming::Reply {
            transaction,
            outcome,
        },
        None => Incoming::Other,
    };
    Ok(match kind.as_str() {
        "success" => reply(plugin_outcome(data, sdp, message["data"]["id"].as_u64())),
        "error" => reply(Err(Refusal {
            code: message["error"]["code"].as_i64().unwrap_or(0),
            reason: message["error"]["reason"]
                .as_str()
                .unwrap_or("no reason given")
                .to_owned(),
        })),
        "event" if transaction.is_some() => reply(plugin_outcome(data, sdp, None)),
        "timeout" => Incoming::SessionEnded,
        "event" | "hangup" | "detached" | "trickle" => {
            let handle = message["sender"]
                .as_u64()
                .ok_or_else(|| format!("{kind:?} without a sender: {}", excerpt(text)))?;
            let event = match kind.as_str() {
                "event" => HandleEvent::Plugin { data, sdp },
                "hangup" => HandleEvent::Hangup(
                    message["reason"]
                        .as_str()
                        .unwrap_or("no reason given")
                        .to_owned(),
                ),
                "detached" => HandleEvent::Detached,
                _ => HandleEvent::Candidate(candidate(&message["candidate"])),
            };
            Incoming::Event { handle, event }
        }
        _ => Incoming::Other,
    })
}

fn plugin_outcome(data: Value, sdp: Option<String>, id: Option<u64>) -> Result<Reply, Refusal> {
    match data["error_code"].as_i64() {
        Some(code) => Err(Refusal {
            code,
            reason: data["error"]
                .as_str()
                .unwrap_or("no reason given")
                .to_owned(),
        }),
        None => Ok(Reply { id, data, sdp }),
    }
}

fn candidate(value: &Value) -> Option<Candidate> {
    let text = value["candidate"].as_str()?;
    Some(Candidate {
        mline_index: value["sdpMLineIndex"]
            .as_u64()
            .and_then(|i| i.try_into().ok())
            .unwrap_or(0),
        mid: value["sdpMid"].as_str().map(str::to_owned),
        candidate: text.to_owned(),
    })
}

/// Enough of a strange message to recognise it, and not so much as to fill a log.
fn excerpt(text: &str) -> String {
    let mut excerpt: String = text
        .chars()
        .take(120)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().nth(120).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(text: &str) -> Refusal {
        match read(text) {
            Ok(Incoming::Reply {
                outcome: Err(refusal),
                ..
            }) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_ack_is_not_yet_the_answer() {
        let ack = r#"{"janus":"ack","session_id":1,"transaction":"t"}"#;
        assert_eq!(read(ack), Ok(Incoming::Other));
    }

    #[test]
    fn core_and_plugin_refuse_alike() {
        let core = r#"{"janus":"error","transaction":"t","error":{"code":403,"reason":"Unauthorized request"}}"#;
        assert_eq!(refusal(core).code, code::UNAUTHORIZED);
        let plugin = r#"{"janus":"event","transaction":"t","sender":7,"plugindata":{"plugin":"p","data":{"videoroom":"event","error_code":426,"error":"No such room (nope)"}}}"#;
        assert_eq!(
            refusal(plugin),
            Refusal {
                code: 426,
                reason: "No such room (nope)".into()
            }
        );
    }

    #[test]
    fn a_reply_carries_identity_data_and_description() {
        let attach = r#"{"janus":"success","transaction":"t","data":{"id":77}}"#;
        let Ok(Incoming::Reply {
            outcome: Ok(reply), ..
        }) = read(attach)
        else {
            panic!()
        };
        assert_eq!(reply.id, Some(77));
        let event = r#"{"janus":"event","transaction":"t","sender":7,"plugindata":{"data":{"videoroom":"attached"}},"jsep":{"type":"offer","sdp":"v=0"}}"#;
        let Ok(Incoming::Reply {
            outcome: Ok(reply), ..
        }) = read(event)
        else {
            panic!()
        };
        assert_eq!(reply.sdp.as_deref(), Some("v=0"));
        assert_eq!(reply.data, json!({"videoroom": "attached"}));
    }

    #[test]
    fn candidates_come_one_by_one_and_end() {
        let one = r#"{"janus":"trickle","sender":7,"candidate":{"sdpMid":"0","sdpMLineIndex":0,"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host"}}"#;
        let Ok(Incoming::Event {
            handle: 7,
            event: HandleEvent::Candidate(Some(candidate)),
        }) = read(one)
        else {
            panic!()
        };
        assert_eq!(candidate.mid.as_deref(), Some("0"));
        let last = r#"{"janus":"trickle","sender":7,"candidate":{"completed":true}}"#;
        assert_eq!(
            read(last),
            Ok(Incoming::Event {
                handle: 7,
                event: HandleEvent::Candidate(None)
            })
        );
    }

    #[test]
    fn nonsense_is_named_and_never_a_panic() {
        for text in [
            "",
            "[]",
            "7",
            "null",
            "\"janus\"",
            r#"{"janus":7}"#,
            r#"{"janus":"event"}"#,
            "{",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        for text in [
            r#"{"janus":"success"}"#,
            r#"{"janus":"error","transaction":"t","error":7}"#,
            r#"{"janus":"trickle","sender":7,"candidate":{"candidate":"x","sdpMLineIndex":99999999999}}"#,
            r#"{"janus":"no such thing"}"#,
        ] {
            assert!(read(text).is_ok(), "{text:?}");
        }
        let long = "x".repeat(10_000);
        assert!(read(&long).unwrap_err().len() < 300);
    }
}
