// SPDX-License-Identifier: MPL-2.0
//! What participants tell each other beside their media: telephone keys and messages. Shaped so that a data packet
//! of LiveKit's (`SipDTMF`, or `UserPacket` with its topic) says the same, by a channel that loses nothing or by one
//! that may.

use serde::{Deserialize, Serialize};

use super::ParticipantId;

/// Longer messages are not carried: LiveKit's own bound for what is reliable.
pub const LONGEST_MESSAGE: usize = 15 << 10;
/// Longer topics are not carried.
const LONGEST_TOPIC: usize = 256;
/// Whoever means more than so many means everybody: each who is told gets all the names, too.
const MOST_NAMED: usize = 128;

/// Something that one participant tells others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    pub content: Content,
    /// For whom it is; none: for everybody else in the room.
    pub to: Vec<ParticipantId>,
    pub delivery: Delivery,
}

/// What is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A key of a telephone (RFC 4733 section 3.2): 0 to 9, * and #, A to D.
    Key {
        digit: char,
        /// How long it is held down, where that is known.
        ms: Option<u32>,
    },
    Message {
        /// What it is about, for those who follow certain topics.
        topic: Option<String>,
        payload: Vec<u8>,
    },
}

/// Messages are people's own and keys may be a PIN: neither is shown where data is logged.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Key { ms, .. } => write!(f, "Key({ms:?} ms)"),
            Content::Message { topic, payload } => {
                write!(f, "Message({topic:?}, {} octets)", payload.len())
            }
        }
    }
}

/// How it is to arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// All of it, in order.
    #[default]
    Reliable,
    /// At once or never.
    Lossy,
}

impl Data {
    /// A key, told to everybody.
    pub fn key(digit: char, ms: Option<u32>) -> Data {
        Data {
            content: Content::Key { digit, ms },
            to: Vec::new(),
            delivery: Delivery::Reliable,
        }
    }

    /// The same, for one participant alone.
    pub fn to(self, one: ParticipantId) -> Data {
        Data {
            to: vec![one],
            ..self
        }
    }
}

/// Data as JSON has it: `digit`, or `text` with its `topic`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct DataForm {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lossy: bool,
}

impl std::fmt::Debug for DataForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataForm")
    }
}

impl DataForm {
    /// `None` where a message is no text: JSON has no other.
    pub(crate) fn of(data: &Data) -> Option<DataForm> {
        let mut form = DataForm {
            to: data.to.iter().map(|one| one.0.clone()).collect(),
            lossy: data.delivery == Delivery::Lossy,
            ..DataForm::default()
        };
        match &data.content {
            Content::Key { digit, ms } => {
                form.digit = Some(digit.to_string());
                form.ms = *ms;
            }
            Content::Message { topic, payload } => {
                form.topic.clone_from(topic);
                form.text = Some(String::from_utf8(payload.clone()).ok()?);
            }
        }
        Some(form)
    }

    /// An error says what is wrong, without saying what was told.
    pub(crate) fn read(self) -> Result<Data, &'static str> {
        if self.to.len() > MOST_NAMED {
            return Err("'to' names more than 128 participants");
        }
        let content = match (self.digit, self.text) {
            (Some(digit), None) => Content::Key {
                digit: key(&digit).ok_or("'digit' is no key of a telephone: 0-9 * # A-D")?,
                ms: self.ms,
            },
            (None, Some(text)) if text.len() > LONGEST_MESSAGE => {
                return Err("'text' is longer than 15 KiB");
            }
            (None, Some(text)) => Content::Message {
                topic: self.topic,
                payload: text.into_bytes(),
            },
            _ => return Err("either 'digit' or 'text' says what is told"),
        };
        if matches!(&content, Content::Message { topic: Some(topic), .. } if topic.len() > LONGEST_TOPIC)
        {
            return Err("'topic' is longer than 256 octets");
        }
        Ok(Data {
            content,
            to: self.to.into_iter().map(ParticipantId).collect(),
            delivery: match self.lossy {
                true => Delivery::Lossy,
                false => Delivery::Reliable,
            },
        })
    }
}

/// Data on its way to somebody, as JSON has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ToldForm {
    /// None: the SFU itself, or a server of its operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(flatten)]
    pub(crate) data: DataForm,
}

/// The one key that this names.
fn key(text: &str) -> Option<char> {
    let mut keys = text.chars();
    let key = keys.next()?;
    let is_key = matches!(key, '0'..='9' | '*' | '#' | 'A'..='D');
    (is_key && keys.next().is_none()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Data, &'static str> {
        serde_json::from_str::<DataForm>(text).unwrap().read()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let message = |topic: Option<&str>, delivery| Data {
            content: Content::Message {
                topic: topic.map(str::to_owned),
                payload: "grüß dich".as_bytes().to_vec(),
            },
            to: Vec::new(),
            delivery,
        };
        for data in [
            Data::key('#', Some(160)),
            Data::key('A', None).to(ParticipantId("ann".to_owned())),
            message(Some("chat"), Delivery::Reliable),
            message(None, Delivery::Lossy),
        ] {
            let form = DataForm::of(&data).unwrap();
            let text = serde_json::to_string(&form).unwrap();
            assert_eq!(read(&text), Ok(data), "{text}");
        }
        let text = serde_json::to_string(&DataForm::of(&Data::key('5', None))).unwrap();
        assert_eq!(text, r#"{"digit":"5"}"#);
    }

    #[test]
    fn what_is_no_data_is_refused() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(LONGEST_MESSAGE + 1));
        let topic = format!(r#"{{"text":"x","topic":"{}"}}"#, "x".repeat(257));
        let names = vec![r#""x""#; MOST_NAMED + 1].join(",");
        let many = format!(r#"{{"digit":"5","to":[{names}]}}"#);
        for text in [
            "{}",
            r#"{"digit":"5","text":"five"}"#,
            r#"{"digit":"55"}"#,
            r#"{"digit":""}"#,
            r#"{"digit":"x"}"#,
            &long,
            &topic,
            &many,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let bytes = Data {
            content: Content::Message {
                topic: None,
                payload: vec![0xff],
            },
            ..Data::key('1', None)
        };
        assert!(DataForm::of(&bytes).is_none());
    }

    #[test]
    fn what_is_told_is_not_shown() {
        let told = Data {
            content: Content::Message {
                topic: None,
                payload: b"canary".to_vec(),
            },
            ..Data::key('1', None)
        };
        assert!(!format!("{told:?}").contains("canary"));
        assert!(!format!("{:?}", Data::key('7', Some(100))).contains('7'));
    }
}
