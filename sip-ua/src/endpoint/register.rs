// SPDX-License-Identifier: MPL-2.0
//! REGISTER of others: what the registrar says to it (RFC 3261 §10.3, RFC 3327).

use std::collections::BTreeMap;
use std::time::Instant;

use super::Endpoint;
use super::outbound::{OPTION, PATH};
use super::reply::{allow, unsupported_method};
use crate::registrar::{Binding, Registered};
use crate::transaction::Path;
use crate::transport::Hop;
use crate::wire::{Core, HeaderName, Request};

impl Endpoint {
    /// A REGISTER that passed the screen, of `user` where that is known.
    pub(super) fn handle_register(
        &mut self,
        now: Instant,
        path: Path,
        hop: Hop,
        user: Option<&str>,
        request: &Request,
        core: &Core,
    ) {
        let Some(registrar) = &mut self.registrar else {
            let status = unsupported_method(&request.method);
            return self.answer_stateless(path, request, status, allow);
        };
        let Some(user) = user else {
            // Calls are allowed to this one by its address; bindings are users' alone.
            return self.answer_stateless(path, request, 403, |_| {});
        };
        match registrar.register(now, user, hop, request, core) {
            Registered::Bound { contacts, outbound } => {
                self.answer_within(now, path, request, core, 200, |response| {
                    for contact in &contacts {
                        response.headers.push(HeaderName::Contact, contact);
                    }
                    // RFC 3327 §5.3: the user agent may know where its calls come by.
                    if request.headers.lists(HeaderName::Supported, PATH) {
                        for proxy in request.headers.get_all(HeaderName::Path) {
                            response.headers.push(HeaderName::Path, proxy);
                        }
                    }
                    if outbound {
                        response.headers.push(HeaderName::Require, OPTION);
                    }
                });
            }
            Registered::TooBrief(seconds) => {
                self.answer_within(now, path, request, core, 423, |response| {
                    let value = seconds.to_string();
                    response.headers.push(HeaderName::MinExpires, value);
                });
            }
            Registered::Refused(status, why) => {
                self.answer_within(now, path, request, core, status, |response| {
                    response.reason = why.as_bytes().to_vec();
                });
            }
        }
    }

    /// The bindings of all users, if they have changed since this was asked last.
    pub fn changed_bindings(&mut self) -> Option<BTreeMap<String, Vec<Binding>>> {
        let registrar = self.registrar.as_mut()?;
        registrar.take_changed().then(|| registrar.bindings())
    }
}
