// SPDX-License-Identifier: MPL-2.0
//! Who calls: what we say of ourselves, and whom we believe.

use axum::http::StatusCode;
use sip_ua::wire::{HeaderName, NameAddr, Request, Uri};

use crate::config::{Party, Trunk};
use crate::problem::Problem;

/// The From of calls out through this trunk.
pub(super) fn caller(trunk: &Trunk) -> Result<NameAddr, Problem> {
    let user = trunk
        .from
        .as_deref()
        .or(trunk.username.as_deref())
        .unwrap_or("anonymous");
    let uri = at_our_domain(trunk, user);
    let mut from: NameAddr = format!("<{uri}>").parse().map_err(|error| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("trunk '{}' has no usable from: {error}", trunk.name),
            "mend its from and from_domain",
        )
    })?;
    from.display = trunk
        .from_name
        .as_ref()
        .map(|name| name.clone().into_bytes());
    Ok(from)
}

/// The P-Asserted-Identity of calls out (RFC 3325), where the trunk is configured to send one.
pub(super) fn asserted(trunk: &Trunk) -> Option<(String, Vec<u8>)> {
    let identity = trunk.asserted_identity.as_deref()?;
    let uri = match Uri::parse(identity.as_bytes()) {
        Ok(_) => identity.to_owned(),
        Err(_) => at_our_domain(trunk, identity),
    };
    let value = format!("<{uri}>").into_bytes();
    Some((HeaderName::PAssertedIdentity.to_string(), value))
}

/// Whether this far end's word counts for who calls.
pub(super) fn trusts(party: &Party) -> bool {
    party
        .trunk_config()
        .is_some_and(|trunk| trunk.trust_asserted_identity)
}

fn at_our_domain(trunk: &Trunk, user: &str) -> String {
    let host = match (&trunk.from_domain, &trunk.uri) {
        (Some(domain), _) => domain.clone(),
        (None, Some(uri)) => String::from_utf8_lossy(uri.host.as_bytes()).into_owned(),
        (None, None) => "anonymous.invalid".to_owned(),
    };
    format!("sip:{user}@{host}")
}

/// Who calls us. From says what the caller likes; what the network asserts counts where the trunk is
/// trusted with it, unless it asks not to pass it on (RFC 3325 section 9.3): a room is outside.
pub(super) fn caller_of(request: &Request, trust_asserted: bool) -> Option<NameAddr> {
    let address = |name: HeaderName| {
        request
            .headers
            .list(name)
            .find_map(|value| NameAddr::parse(value).ok())
    };
    let private = request
        .headers
        .get_all(HeaderName::Privacy)
        .flat_map(|value| value.split(|octet| *octet == b';'))
        .any(|value| value.trim_ascii().eq_ignore_ascii_case(b"id"));
    let asserted = (trust_asserted && !private)
        .then(|| address(HeaderName::PAssertedIdentity))
        .flatten();
    asserted.or_else(|| {
        let from = request.headers.get(HeaderName::From)?;
        NameAddr::parse(from).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::document::Document;
    use sip_ua::wire::Method;

    fn trunk(lines: &str) -> Trunk {
        let text = format!("[[trunk]]\nname = \"t\"\nuri = \"sip:carrier.example\"\n{lines}");
        let config = Config::parse(&Document::new("c.toml", text)).unwrap();
        (*config.trunks[0]).clone()
    }

    #[test]
    fn we_say_what_the_trunk_is_configured_to_say() {
        let plain = trunk("username = \"account\"\n");
        assert_eq!(
            caller(&plain).unwrap().to_bytes(),
            b"<sip:account@carrier.example>"
        );
        assert_eq!(asserted(&plain), None);
        let named = trunk(
            "from = \"+15550100\"\nfrom_name = \"The \\\"Lab\\\"\"\nfrom_domain = \"lab.example\"\n\
             asserted_identity = \"+15550199\"\n",
        );
        assert_eq!(
            caller(&named).unwrap().to_bytes(),
            br#""The \"Lab\"" <sip:+15550100@lab.example>"#
        );
        let (name, value) = asserted(&named).unwrap();
        assert_eq!(name, "P-Asserted-Identity");
        assert_eq!(value, b"<sip:+15550199@lab.example>");
        let tel = trunk("asserted_identity = \"tel:+15550199\"\n");
        assert_eq!(asserted(&tel).unwrap().1, b"<tel:+15550199>");
    }

    fn request(lines: &[(&str, &str)]) -> Request {
        let uri = "sip:1000@192.0.2.1".parse().unwrap();
        let mut request = Request::new(Method::Invite, uri);
        for (name, value) in lines {
            request.headers.push(*name, *value);
        }
        request
    }

    fn user(request: &Request, trust: bool) -> String {
        super::super::dialin::user_of(&caller_of(request, trust).unwrap().uri)
    }

    #[test]
    fn an_asserted_identity_counts_only_where_it_is_trusted_and_not_private() {
        let from = ("From", "\"Anybody\" <sip:anybody@x.example>;tag=1");
        let asserted = (
            "P-Asserted-Identity",
            "\"Bob\" <sip:+15550123@carrier.example>, <tel:+15550123>",
        );
        let both = request(&[from, asserted]);
        assert_eq!(user(&both, false), "anybody");
        assert_eq!(user(&both, true), "+15550123");
        let private = request(&[from, asserted, ("Privacy", "user; id")]);
        assert_eq!(user(&private, true), "anybody");
        let tel = request(&[from, ("P-Asserted-Identity", "tel:+15550124")]);
        assert_eq!(user(&tel, true), "+15550124");
        let broken = request(&[from, ("P-Asserted-Identity", "<<")]);
        assert_eq!(user(&broken, true), "anybody");
    }
}
