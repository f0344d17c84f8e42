// SPDX-License-Identifier: MPL-2.0
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::scan;

/// `Identity: eyJ…;info=<https://…>;alg=ES256;ppt=shaken`: what somebody on the way signed about who
/// calls (RFC 8224, STIR; SHAKEN's attestation by RFC 8588).
///
/// **Nothing here is verified.** The claims are what the sender wrote there, as good as any other
/// header of theirs, until somebody has checked the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The whole value as it came, for whoever verifies it.
    pub text: Vec<u8>,
    /// Where the certificate is said to be.
    pub info: Option<Vec<u8>>,
    /// `shaken`, `div`, …
    pub ppt: Option<Vec<u8>>,
    /// What the token claims; `None` in the compact form, which leaves that to the other headers.
    pub claims: Option<Claims>,
}

/// What a PASSporT claims (RFC 8225 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// How much the signer says to know of the caller.
    pub attestation: Option<Attestation>,
    /// The caller: a number or a URI.
    pub orig: Option<String>,
    /// Whom they called.
    pub dest: Vec<String>,
    /// Who sent the call on to `dest` (RFC 8946).
    pub div: Option<String>,
    /// When it was signed, in seconds since 1970.
    pub issued_at: Option<u64>,
    /// The signer's own name for where the call came from.
    pub origid: Option<String>,
}

/// SHAKEN's levels (RFC 8588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attestation {
    /// A: the signer knows the caller and their right to the number.
    Full,
    /// B: the signer knows the caller alone.
    Partial,
    /// C: the call came in from somewhere.
    Gateway,
}

impl Attestation {
    /// `A`, `B` or `C`.
    pub fn as_str(self) -> &'static str {
        match self {
            Attestation::Full => "A",
            Attestation::Partial => "B",
            Attestation::Gateway => "C",
        }
    }

    /// `None` for any other text.
    pub fn parse(text: &str) -> Option<Attestation> {
        [
            Attestation::Full,
            Attestation::Partial,
            Attestation::Gateway,
        ]
        .into_iter()
        .find(|level| level.as_str() == text)
    }
}

impl Identity {
    /// The error says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Identity, &'static str> {
        let text = scan::trim(text);
        let mut parts = scan::split_outside(text, b';');
        let token = parts.next().unwrap_or_default();
        let params: Vec<(&[u8], &[u8])> = parts
            .filter_map(|part| scan::split_once(part, b'='))
            .map(|(name, value)| (scan::trim(name), scan::trim(value)))
            .collect();
        let param = |wanted: &str| {
            params
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
                .map(|(_, value)| bare(value))
        };
        Ok(Identity {
            text: text.to_vec(),
            info: param("info"),
            ppt: param("ppt"),
            claims: claims(token)?,
        })
    }
}

/// Without the quotes or angle brackets around it.
fn bare(value: &[u8]) -> Vec<u8> {
    let bracketed = value
        .strip_prefix(b"<")
        .and_then(|rest| rest.split(|octet| *octet == b'>').next());
    match bracketed {
        Some(inside) => inside.to_vec(),
        None => scan::unquote(value).unwrap_or_else(|| value.to_vec()),
    }
}

fn claims(token: &[u8]) -> Result<Option<Claims>, &'static str> {
    let parts: Vec<&[u8]> = token.split(|octet| *octet == b'.').collect();
    let [_, payload, signature] = parts[..] else {
        return Err("its token has not three parts");
    };
    if signature.is_empty() {
        return Err("its token is not signed");
    }
    if payload.is_empty() {
        return Ok(None);
    }
    let json = BASE64URL_NOPAD
        .decode(payload)
        .map_err(|_| "its claims are no base64url")?;
    let json: Value = serde_json::from_slice(&json).map_err(|_| "its claims are no JSON")?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let party = |name: &str| json.get(name).map(parties).unwrap_or_default();
    Ok(Some(Claims {
        attestation: json
            .get("attest")
            .and_then(Value::as_str)
            .and_then(Attestation::parse),
        orig: party("orig").into_iter().next(),
        dest: party("dest"),
        div: party("div").into_iter().next(),
        issued_at: json.get("iat").and_then(Value::as_u64),
        origid: text("origid"),
    }))
}

/// `{"tn":"12155551212"}`, `{"tn":["12155551212"],"uri":["sip:bob@b.example"]}`
fn parties(claim: &Value) -> Vec<String> {
    ["tn", "uri"]
        .into_iter()
        .filter_map(|kind| claim.get(kind))
        .flat_map(|value| match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        })
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let header =
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://c.example/c"}"#;
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    fn read(text: &str) -> Result<Identity, &'static str> {
        Identity::parse(text.as_bytes())
    }

    #[test]
    fn the_claims_of_shaken_are_read_and_the_text_is_kept() {
        let token = token(
            r#"{"attest":"A","dest":{"tn":["12155551213"],"uri":["sip:b@b.example"]},"iat":1443208345,
                "orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#,
        );
        let text = format!("{token} ;info=<https://c.example/a;b.cer>;alg=ES256;ppt=\"shaken\"");
        let identity = read(&text).unwrap();
        assert_eq!(identity.text, text.as_bytes());
        assert_eq!(
            identity.info.as_deref(),
            Some(&b"https://c.example/a;b.cer"[..])
        );
        assert_eq!(identity.ppt.as_deref(), Some(&b"shaken"[..]));
        let claims = identity.claims.unwrap();
        assert_eq!(claims.attestation.map(Attestation::as_str), Some("A"));
        assert_eq!(claims.orig.as_deref(), Some("12155551212"));
        assert_eq!(claims.dest, ["12155551213", "sip:b@b.example"]);
        assert_eq!(claims.issued_at, Some(1_443_208_345));
        assert!(claims.origid.unwrap().starts_with("123e4567"));
    }

    #[test]
    fn other_spellings_are_read() {
        // A number in a list; a parameter that follows the bracket without a semicolon.
        let other = token(r#"{"attest":"D","orig":{"tn":["1"]},"div":{"tn":"2"},"iat":-1}"#);
        let identity = read(&format!(
            "{other};info=<https://c.example/c>alg=ES256;ppt=div"
        ))
        .unwrap();
        assert_eq!(identity.info.as_deref(), Some(&b"https://c.example/c"[..]));
        let claims = identity.claims.unwrap();
        assert_eq!((claims.attestation, claims.issued_at), (None, None));
        assert_eq!(claims.orig.as_deref(), Some("1"));
        assert_eq!(claims.div.as_deref(), Some("2"));
        // The compact form (RFC 8224 §4).
        let compact = read("..c2ln;info=<https://c.example/c>;ppt=shaken").unwrap();
        assert_eq!(compact.claims, None);
    }

    #[test]
    fn what_is_no_token_is_told() {
        for text in [
            "", "x", "a.b", "a.b.c.d", "a.!.c", "a.eyJ.c", "a.eyJ9.", "..", "<.eyJ9.c",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(read(&token(&deep)).is_err());
        // Claims of the wrong kinds are none.
        for claims in [
            "[]",
            "1",
            r#"{"attest":1,"orig":[],"dest":{"tn":[1,{}]},"origid":{}}"#,
        ] {
            assert_eq!(
                read(&token(claims)).unwrap().claims,
                Some(Claims::default())
            );
        }
    }
}
