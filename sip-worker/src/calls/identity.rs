// SPDX-License-Identifier: MPL-2.0
//! Who calls: what we say of ourselves, and whom we believe.

use axum::http::StatusCode;
use sip_ua::wire::{HeaderName, NameAddr, Origin, Request, Uri};

use crate::config::{Party, Trunk};
use crate::problem::Problem;

/// The From of calls out through this trunk.
pub(crate) fn caller(trunk: &Trunk) -> Result<NameAddr, Problem> {
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
fn trusts(party: &Party) -> bool {
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

/// Who calls us. What the network asserts counts where the trunk is trusted with it.
pub(super) fn origin(request: &Request, party: &Party) -> Origin {
    Origin::read(&request.headers, trusts(party))
}

/// The headers of a request that routes see: those that its trunk passes on, and who is not trusted with it
/// asserts nothing (RFC 3325 section 5).
pub(super) fn headers(request: &Request, party: &Party) -> Vec<(String, String)> {
    let (trusted, passing) = (trusts(party), party.passing());
    request
        .headers
        .iter()
        .filter(|(name, _)| trusted || **name != HeaderName::PAssertedIdentity)
        .filter(|(name, _)| passing.to_routes(name))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value).into_owned();
            (name.to_string(), value)
        })
        .collect()
}

/// Those that rooms and events see.
pub(super) fn passed(request: &Request, party: &Party) -> Vec<(HeaderName, String)> {
    let mut passed = party.passing().headers(request);
    passed.retain(|(name, _)| *name != HeaderName::PAssertedIdentity || trusts(party));
    passed
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

    #[test]
    fn who_is_not_trusted_asserts_nothing() {
        let mut request = Request::new(Method::Invite, "sip:1000@192.0.2.1".parse().unwrap());
        request
            .headers
            .push("From", "<sip:anybody@x.example>;tag=1");
        request
            .headers
            .push("p-asserted-identity", "<tel:+15550123>");
        request.headers.push("X-Tenant", "acme");
        let seen = |lines: &str| {
            let party = Party::Trunk(std::sync::Arc::new(trunk(lines)));
            let caller = origin(&request, &party).caller().cloned().unwrap();
            let names = headers(&request, &party).into_iter();
            let names: Vec<String> = names.map(|(name, _)| name).collect();
            (super::super::dialin::user_of(&caller.uri), names)
        };
        let (caller, names) = seen("");
        assert_eq!(caller, "anybody");
        assert_eq!(names, ["From", "X-Tenant"]);
        let (caller, names) = seen("trust_asserted_identity = true\n");
        assert_eq!(caller, "+15550123");
        assert_eq!(names, ["From", "P-Asserted-Identity", "X-Tenant"]);
    }
}
