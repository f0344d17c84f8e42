// SPDX-License-Identifier: MPL-2.0
use super::address::NameAddr;
use super::params::Params;
use super::privacy::Privacy;
use super::scan;
use super::uri::{Uri, header_of};

/// `History-Info: <sip:bob@b.example?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1`: one target that a
/// request had on its way here (RFC 7044; RFC 4244 without `rc`, `mp` and `np`). In the order of the
/// header the last one is where it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The target, with all parameters as they came.
    pub address: NameAddr,
    /// `1.2.1` as numbers, never empty.
    pub index: Vec<u32>,
}

impl HistoryEntry {
    /// The index must be there. The error says what is wrong.
    pub fn parse(text: &[u8]) -> Result<HistoryEntry, &'static str> {
        let address = NameAddr::read(text)?;
        let index = address.params.get("index").ok_or("it has no index")?;
        let index = dotted(index).ok_or("its index is no list of numbers")?;
        Ok(HistoryEntry { address, index })
    }

    /// The target without the headers that were put into it.
    pub fn target(&self) -> Uri {
        Uri {
            headers: None,
            ..self.address.uri.clone()
        }
    }

    /// Which earlier target was replaced by this one because its user moved or changed (`mp`).
    pub fn mapped_from(&self) -> Option<Vec<u32>> {
        dotted(self.address.params.get("mp")?)
    }

    /// Why this target was given up: the cause of the Reason in its URI.
    pub fn given_up_because(&self) -> Option<u16> {
        let reason = self.header_in_uri("Reason")?;
        let (protocol, params) = scan::split_once(&reason, b';')?;
        if !scan::trim(protocol).eq_ignore_ascii_case(b"SIP") {
            return None;
        }
        cause(&Params::parse(params)?)
    }

    /// Why the call was sent on to this target: the `cause` of its URI (RFC 4458).
    pub fn diverted_here_because(&self) -> Option<u16> {
        cause(&self.address.uri.params)
    }

    /// Whether nobody outside the network may learn of this target.
    pub fn is_private(&self) -> bool {
        let privacy = self.header_in_uri("Privacy");
        privacy
            .and_then(|value| Privacy::parse(&value))
            .is_some_and(|privacy| privacy.asks_for("history") || privacy.hides_caller())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.address.to_bytes()
    }

    fn header_in_uri(&self, wanted: &str) -> Option<Vec<u8>> {
        header_of(self.address.uri.headers.as_deref()?, wanted)
    }
}

/// The last target that sent the call on to another: what Diversion would name first (RFC 7544).
pub(super) fn last_diverting(entries: &[HistoryEntry]) -> Option<&HistoryEntry> {
    let diverted = |entry: &&HistoryEntry| entry.diverted_here_because().is_some();
    if let Some(at) = entries.iter().rposition(|entry| diverted(&entry)) {
        let entry = entries.get(at)?;
        let mapped = entry.mapped_from();
        let from = mapped.as_deref().or_else(|| {
            let parent = entry.index.get(..entry.index.len().saturating_sub(1))?;
            (!parent.is_empty()).then_some(parent)
        })?;
        return entries.iter().find(|entry| entry.index == from);
    }
    // The last one is where the call is now: nobody sent it on from there.
    let (_, earlier) = entries.split_last()?;
    earlier
        .iter()
        .rfind(|entry| entry.given_up_because().is_some())
}

fn cause(params: &Params) -> Option<u16> {
    let number = scan::number(params.get("cause")?, 699)?;
    u16::try_from(number).ok().filter(|cause| *cause >= 100)
}

fn dotted(text: &[u8]) -> Option<Vec<u32>> {
    text.split(|octet| *octet == b'.')
        .map(|part| {
            let number = scan::number(part, u64::from(u32::MAX))?;
            u32::try_from(number).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<HistoryEntry> {
        scan::split_list(text.as_bytes())
            .map(|entry| HistoryEntry::parse(entry).unwrap())
            .collect()
    }

    fn diverting(text: &str) -> Option<Vec<u8>> {
        let entries = read(text);
        last_diverting(&entries).and_then(|entry| entry.target().user_decoded())
    }

    #[test]
    fn reasons_privacy_and_indices_are_read() {
        let entries = read(
            "<sip:bob@b.example?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22&Privacy=history>;index=1,\
             \"Bob\" <sip:bob@192.0.2.4>;index=1.10.2;rc=1;mp=1",
        );
        assert_eq!(entries[0].given_up_because(), Some(302));
        assert!(entries[0].is_private());
        assert_eq!(entries[0].target().to_bytes(), b"sip:bob@b.example");
        assert_eq!(entries[1].index, [1, 10, 2]);
        assert_eq!(entries[1].mapped_from(), Some(vec![1]));
        assert_eq!(entries[1].given_up_because(), None);
        for entry in entries {
            assert_eq!(HistoryEntry::parse(&entry.to_bytes()).unwrap(), entry);
        }
    }

    #[test]
    fn who_sent_the_call_on_last() {
        // By the cause of the new target and what it was mapped from (RFC 7544).
        assert_eq!(
            diverting(
                "<sip:a@x>;index=1,<sip:b@x;cause=302>;index=1.1;mp=1,<sip:c@x;cause=480>;index=1.1.1;mp=1.1"
            ),
            Some(b"b".to_vec())
        );
        // Without `mp` it is the target one level up.
        assert_eq!(
            diverting(
                "<sip:a@x>;index=1,<sip:b@x;cause=486>;index=1.1,<sip:b@192.0.2.1>;index=1.1.1;rc=1.1"
            ),
            Some(b"a".to_vec())
        );
        // By the Reason of the target that was left.
        assert_eq!(
            diverting("<sip:a@x?Reason=SIP%3Bcause%3D480>;index=1,<sip:b@x>;index=2"),
            Some(b"a".to_vec())
        );
        // Routing alone is no diversion; nor is what the last target would say of itself.
        assert_eq!(
            diverting("<sip:a@x>;index=1,<sip:a@192.0.2.1>;index=1.1;rc=1"),
            None
        );
        assert_eq!(
            diverting("<sip:a@x?Reason=SIP%3Bcause%3D480>;index=1"),
            None
        );
        assert_eq!(diverting("<sip:a@x;cause=302>;index=1;mp=9"), None);
        assert_eq!(last_diverting(&[]), None);
    }

    #[test]
    fn an_entry_needs_an_index() {
        for text in [
            "<sip:a@x>",
            "<sip:a@x>;index=",
            "<sip:a@x>;index=1.",
            "<sip:a@x>;index=99999999999",
            "<<",
        ] {
            assert!(HistoryEntry::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
