// SPDX-License-Identifier: MPL-2.0
//! Bencoding, which rtpengine's NG protocol is written in: as much of it as a client needs.

use std::collections::BTreeMap;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Integer(i64),
    Text(String),
    List(Vec<Value>),
    Dictionary(BTreeMap<String, Value>),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    pub fn texts(texts: &[&str]) -> Value {
        Value::List(texts.iter().map(|text| Value::text(*text)).collect())
    }

    pub fn dictionary<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
        let entries = entries.into_iter();
        Value::Dictionary(
            entries
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    /// What a dictionary has under a key, if it is text.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        match self {
            Value::Dictionary(entries) => match entries.get(key)? {
                Value::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn encode(&self, out: &mut String) {
        match self {
            Value::Integer(number) => out.push_str(&format!("i{number}e")),
            Value::Text(text) => out.push_str(&format!("{}:{text}", text.len())),
            Value::List(values) => {
                out.push('l');
                values.iter().for_each(|value| value.encode(out));
                out.push('e');
            }
            Value::Dictionary(entries) => {
                out.push('d');
                for (key, value) in entries {
                    out.push_str(&format!("{}:{key}", key.len()));
                    value.encode(out);
                }
                out.push('e');
            }
        }
    }

    /// The value at the beginning of `text`, and what is behind it.
    pub fn decode(text: &str) -> Option<(Value, &str)> {
        match text.chars().next()? {
            'i' => {
                let (number, rest) = text.get(1..)?.split_once('e')?;
                Some((Value::Integer(number.parse().ok()?), rest))
            }
            'l' => {
                let (mut values, mut rest) = (Vec::new(), text.get(1..)?);
                while !rest.starts_with('e') {
                    let (value, behind) = Value::decode(rest)?;
                    values.push(value);
                    rest = behind;
                }
                Some((Value::List(values), rest.get(1..)?))
            }
            'd' => {
                let (mut entries, mut rest) = (BTreeMap::new(), text.get(1..)?);
                while !rest.starts_with('e') {
                    let (Value::Text(key), behind) = Value::decode(rest)? else {
                        return None;
                    };
                    let (value, behind) = Value::decode(behind)?;
                    entries.insert(key, value);
                    rest = behind;
                }
                Some((Value::Dictionary(entries), rest.get(1..)?))
            }
            _ => {
                let (length, rest) = text.split_once(':')?;
                let length = length.parse().ok()?;
                let value = Value::text(rest.get(..length)?);
                Some((value, rest.get(length..)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let value = Value::dictionary([
            ("sdp", Value::text("v=0\r\n")),
            ("list", Value::texts(&["a", "bc"])),
            ("n", Value::Integer(-5)),
        ]);
        let mut text = String::new();
        value.encode(&mut text);
        assert_eq!(text, "d4:listl1:a2:bce1:ni-5e3:sdp5:v=0\r\ne");
        assert_eq!(Value::decode(&text), Some((value, "")));
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        for text in ["", "d", "d1:ae", "5:abc", "i5", "li1e", "di1ei2ee"] {
            assert_eq!(Value::decode(text), None, "{text}");
        }
    }
}
