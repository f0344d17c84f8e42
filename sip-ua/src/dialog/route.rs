// SPDX-License-Identifier: MPL-2.0
//! The route set of a dialog, and how it shapes a request: RFC 3261 §12.2.1.1.

use crate::wire::{NameAddr, Uri};

/// The proxies between the two, nearest first, each as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteSet {
    hops: Vec<Hop>,
}

#[derive(Debug, Clone, PartialEq)]
struct Hop {
    written: Vec<u8>,
    uri: Uri,
}

impl RouteSet {
    /// Of Record-Route elements, nearest first. The reader has judged them; one that is no address
    /// nevertheless is left out.
    pub fn new<'a>(elements: impl Iterator<Item = &'a [u8]>) -> RouteSet {
        let hops = elements
            .filter_map(|written| {
                let uri = NameAddr::parse(written).ok()?.uri;
                Some(Hop {
                    written: written.to_vec(),
                    uri,
                })
            })
            .collect();
        RouteSet { hops }
    }

    pub fn first(&self) -> Option<&Uri> {
        self.hops.first().map(|hop| &hop.uri)
    }

    /// The Request-URI and the Route values of a request to `target`.
    pub fn apply(&self, target: &Uri) -> (Uri, Vec<Vec<u8>>) {
        let written = |hops: &[Hop]| hops.iter().map(|hop| hop.written.clone()).collect();
        match self.hops.split_first() {
            None => (target.clone(), Vec::new()),
            Some((first, _)) if first.uri.params.contains("lr") => {
                (target.clone(), written(&self.hops))
            }
            // A strict router (RFC 2543) wants itself in the Request-URI and the target last.
            Some((first, rest)) => {
                let mut routes: Vec<Vec<u8>> = written(rest);
                routes.push(NameAddr::from(target.clone()).to_bytes());
                (first.uri.as_request_uri(), routes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(elements: &[&str]) -> RouteSet {
        RouteSet::new(elements.iter().map(|element| element.as_bytes()))
    }

    fn target() -> Uri {
        "sip:bob@192.0.2.4:5070".parse().unwrap()
    }

    #[test]
    fn without_routes_the_target_stands_alone() {
        let (uri, routes) = set(&[]).apply(&target());
        assert_eq!(uri.to_string(), "sip:bob@192.0.2.4:5070");
        assert!(routes.is_empty());
    }

    #[test]
    fn a_loose_router_leaves_the_target_in_the_request_uri() {
        let set = set(&["<sip:p1.example;lr>;x=y", "\"P, 2\" <sip:p2.example;lr>"]);
        let (uri, routes) = set.apply(&target());
        assert_eq!(uri.to_string(), "sip:bob@192.0.2.4:5070");
        assert_eq!(
            routes,
            [
                b"<sip:p1.example;lr>;x=y".to_vec(),
                b"\"P, 2\" <sip:p2.example;lr>".to_vec()
            ]
        );
    }

    #[test]
    fn a_strict_router_takes_the_request_uri_and_the_target_goes_last() {
        let set = set(&["<sip:p1.example?x=1>", "<sip:p2.example;lr>"]);
        let (uri, routes) = set.apply(&target());
        assert_eq!(uri.to_string(), "sip:p1.example");
        assert_eq!(
            routes,
            [
                b"<sip:p2.example;lr>".to_vec(),
                b"<sip:bob@192.0.2.4:5070>".to_vec()
            ]
        );
    }
}
