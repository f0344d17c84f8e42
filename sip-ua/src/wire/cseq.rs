// SPDX-License-Identifier: MPL-2.0
use super::method::Method;
use super::scan;

/// `CSeq: 4711 INVITE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2³¹ (RFC 3261 §8.1.1.5).
    pub number: u32,
    pub method: Method,
}

impl CSeq {
    pub fn parse(text: &[u8]) -> Result<CSeq, &'static str> {
        let text = scan::trim(text);
        let end = text
            .iter()
            .position(|o| matches!(o, b' ' | b'\t'))
            .ok_or("it has no method")?;
        let number = scan::number(&text[..end], (1 << 31) - 1)
            .ok_or("its number is not one below 2147483648")?;
        let method = Method::parse(scan::trim(&text[end..])).ok_or("its method is malformed")?;
        Ok(CSeq {
            number: number as u32,
            method,
        })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.number.to_string().into_bytes();
        out.push(b' ');
        out.extend_from_slice(self.method.as_bytes());
        out
    }
}
