// SPDX-License-Identifier: MPL-2.0
use super::address::NameAddr;
use super::diversion::Diversion;
use super::header_name::HeaderName;
use super::headers::Headers;
use super::history::{self, HistoryEntry};
use super::privacy::Privacy;
use super::stir::{Attestation, Identity};
use super::uri::Uri;

/// All that a request says about who calls, and how the call came here.
///
/// No header in it can make a request unusable: what cannot be read is left out and named in
/// `malformed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// What the caller calls themselves.
    pub from: Option<NameAddr>,
    /// What the network asserts (RFC 3325 §9.1); empty where whoever sent it is not trusted.
    pub asserted: Vec<NameAddr>,
    /// What the caller would like the network to assert (RFC 3325 §9.2).
    pub preferred: Vec<NameAddr>,
    /// What they want to be kept from the far end.
    pub privacy: Privacy,
    /// Who sent the call on, the latest first.
    pub diversions: Vec<Diversion>,
    /// The targets it had, the last one where it is now.
    pub history: Vec<HistoryEntry>,
    /// What somebody on the way signed of it. Not verified.
    pub identities: Vec<Identity>,
    /// The headers that could not be read, or not whole; each once.
    pub malformed: Vec<HeaderName>,
}

impl Origin {
    /// `trusted`: whoever sent it is of our Trust Domain. Anybody else's P-Asserted-Identity does not
    /// exist (RFC 3325 §5).
    pub fn read(headers: &Headers, trusted: bool) -> Origin {
        let mut reader = Reader {
            headers,
            malformed: Vec::new(),
        };
        let asserted = match trusted {
            true => reader.list(HeaderName::PAssertedIdentity, |text| {
                NameAddr::parse(text).ok()
            }),
            false => Vec::new(),
        };
        let mut origin = Origin {
            from: headers
                .get(HeaderName::From)
                .and_then(|from| NameAddr::parse(from).ok()),
            asserted,
            preferred: reader.list(HeaderName::PPreferredIdentity, |text| {
                NameAddr::parse(text).ok()
            }),
            privacy: Privacy::default(),
            diversions: reader.list(HeaderName::Diversion, |text| Diversion::parse(text).ok()),
            history: reader.list(HeaderName::HistoryInfo, |text| {
                HistoryEntry::parse(text).ok()
            }),
            identities: reader.list(HeaderName::Identity, |text| Identity::parse(text).ok()),
            malformed: Vec::new(),
        };
        // One by one: a caller who wants to be hidden is, whatever stands beside that.
        let wishes = headers
            .get_all(HeaderName::Privacy)
            .flat_map(|value| value.split(|octet| matches!(octet, b';' | b',')));
        for wish in wishes {
            match Privacy::parse(wish) {
                Some(privacy) => origin.privacy.extend(privacy),
                None => reader.is_malformed(HeaderName::Privacy),
            }
        }
        origin.malformed = reader.malformed;
        origin
    }

    /// Who calls, as far as we believe it: what a trusted network asserts, else what From says.
    pub fn caller(&self) -> Option<&NameAddr> {
        self.asserted.first().or(self.from.as_ref())
    }

    /// Whether people outside the network must not learn who calls.
    pub fn hides_caller(&self) -> bool {
        self.privacy.hides_caller()
    }

    /// Who sent the call on last, by Diversion, else by History-Info; and whether people outside the
    /// network must not learn that.
    pub fn diverted_by(&self) -> Option<(Uri, bool)> {
        if let Some(diversion) = self.diversions.first() {
            return Some((diversion.address.uri.clone(), diversion.hides_address()));
        }
        let entry = history::last_diverting(&self.history)?;
        let private = entry.is_private() || self.privacy.asks_for("history");
        Some((entry.target(), private))
    }

    /// The first attestation that an Identity header claims. Not verified.
    pub fn attestation(&self) -> Option<Attestation> {
        let mut claims = self
            .identities
            .iter()
            .filter_map(|identity| identity.claims.as_ref());
        claims.find_map(|claims| claims.attestation)
    }
}

struct Reader<'a> {
    headers: &'a Headers,
    malformed: Vec<HeaderName>,
}

impl Reader<'_> {
    /// The elements of a header that can be read.
    fn list<T>(&mut self, name: HeaderName, read: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        let mut whole = true;
        for element in self.headers.list(name.clone()) {
            match read(element) {
                Some(element) => found.push(element),
                None => whole = false,
            }
        }
        if !whole {
            self.is_malformed(name);
        }
        found
    }

    fn is_malformed(&mut self, name: HeaderName) {
        if !self.malformed.contains(&name) {
            self.malformed.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(lines: &[(&str, &str)], trusted: bool) -> Origin {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value);
        }
        Origin::read(&headers, trusted)
    }

    fn user(address: Option<&NameAddr>) -> String {
        let user = address.and_then(|address| address.uri.user_decoded());
        String::from_utf8(user.unwrap_or_default()).unwrap()
    }

    const FROM: (&str, &str) = ("From", "\"Anybody\" <sip:anybody@x.example>;tag=1");

    #[test]
    fn what_the_network_asserts_counts_where_it_is_trusted() {
        let asserted = (
            "P-Asserted-Identity",
            "\"Bob, B.\" <sip:+15550123@carrier.example>, <tel:+15550124>",
        );
        let trusted = origin(&[FROM, asserted], true);
        assert_eq!(user(trusted.caller()), "+15550123");
        assert_eq!(trusted.asserted.len(), 2);
        let stranger = origin(&[FROM, asserted], false);
        assert_eq!(user(stranger.caller()), "anybody");
        assert!(stranger.asserted.is_empty() && stranger.malformed.is_empty());
        // What somebody would like to be called makes nobody that.
        let wish = origin(&[FROM, ("P-Preferred-Identity", "<tel:+15550125>")], true);
        assert_eq!(user(wish.caller()), "anybody");
        assert_eq!(user(wish.preferred.first()), "+15550125");
    }

    #[test]
    fn what_cannot_be_read_is_named_once_and_the_rest_counts() {
        let read = origin(
            &[
                FROM,
                ("P-Asserted-Identity", "nobody, <tel:+15550124>"),
                ("P-Asserted-Identity", ">"),
                ("Privacy", "id;;"),
                ("Privacy", "session"),
                ("Diversion", "nobody"),
                ("History-Info", "<sip:a@x>"),
                ("Identity", "x;info=<y>"),
            ],
            true,
        );
        let names: Vec<String> = read.malformed.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "P-Asserted-Identity",
                "Diversion",
                "History-Info",
                "Identity",
                "Privacy"
            ]
        );
        assert_eq!(user(read.caller()), "+15550124");
        assert!(read.hides_caller());
        assert_eq!((read.diverted_by(), read.attestation()), (None, None));
    }

    #[test]
    fn who_sent_it_on_last_is_found_in_either_header() {
        let who = |lines: &[(&str, &str)]| {
            let (uri, private) = origin(lines, false).diverted_by().unwrap();
            (String::from_utf8(uri.to_bytes()).unwrap(), private)
        };
        let history = (
            "History-Info",
            "<sip:first@x>;index=1, <sip:second@x;cause=302>;index=1.1;mp=1",
        );
        let diversions = ("Diversion", "<sip:later@x>;privacy=full, <sip:first@x>");
        assert_eq!(who(&[history]), ("sip:first@x".to_owned(), false));
        assert_eq!(
            who(&[history, ("Privacy", "history")]),
            ("sip:first@x".to_owned(), true)
        );
        assert_eq!(
            who(&[history, diversions]),
            ("sip:later@x".to_owned(), true)
        );
    }
}
