// SPDX-License-Identifier: MPL-2.0
//! A phone calls: which trunk or user, which route, which room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use gstsipbridge::call::{Call as Leg, CallError, CallParams, Signalling};
use sip_ua::agent::IncomingCall;
use sip_ua::wire::{HeaderName, NameAddr, Origin, Request, Uri};
use tokio::sync::mpsc;

use super::identity;
use super::life::{AnswerWhen, Life, Phone, Plan};
use super::limits::Bounds;
use super::origin::{OriginInfo, shown};
use super::table::{CallInfo, Direction, State};
use super::transfer;
use crate::config::{Answer, Party, Refusal};
use crate::numbers::number_of;
use crate::route::{self, ANONYMOUS, Facts};
use crate::sfu::Participant;
use crate::worker::Worker;

/// Takes what calls come in, until the user agent is closed.
pub async fn take_all(worker: Arc<Worker>, mut incoming: mpsc::Receiver<IncomingCall>) {
    while let Some(call) = incoming.recv().await {
        take(&worker, call);
    }
}

/// Takes a call that passed the screen, or refuses it. Never waits: the 180 goes out from here.
fn take(worker: &Arc<Worker>, incoming: IncomingCall) {
    let began = Instant::now();
    let source = incoming.source;
    let Some(party) = worker.doorkeeper.party(&incoming) else {
        // The screen let it in and nobody knows it: the two disagree, so nobody gets in.
        incoming.call.handle.reject(403, None);
        return;
    };
    let origin = identity::origin(&incoming.request, &party);
    let call_id = incoming.call.handle.sip_call_id();
    let facts = facts(&incoming.request, call_id, &party, &origin);
    let with = party.label();
    let headers = identity::passed(&incoming.request, &party);
    let mut info = described(&facts, &origin, &headers);
    if !origin.malformed.is_empty() {
        let headers: Vec<String> = origin.malformed.iter().map(ToString::to_string).collect();
        tracing::warn!(call = info.id, %source, with, headers = headers.join(", "), "headers that say who calls cannot be read and are left out");
    }
    let signalling = Signalling::from(&incoming.call.handle);
    let refused = |info: CallInfo, code: u16, why: &str| {
        tracing::info!(call = info.id, %source, with, from = info.from, to = info.to, code, why, "call refused");
        let info = CallInfo {
            state: State::Ended,
            code: Some(code),
            why: Some(why.to_owned()),
            ..info
        };
        worker.calls.refused(info, Some(signalling.clone()), began);
    };
    let refuse = |code: u16, why: &str| {
        incoming.call.handle.reject(code, None);
        refused(described(&facts, &origin, &headers), code, why);
    };
    if worker.is_stopping() {
        return refuse(503, "the worker is stopping");
    }
    let too_many = |why: &str| {
        let Refusal { code, retry_after } = party.overload().refusal(worker.config.limits.overload);
        let handle = &incoming.call.handle;
        handle.reject_for(code, None, retry_after);
        refused(described(&facts, &origin, &headers), code, why);
    };
    if let Err(overload) = worker.burden.admits() {
        return too_many(&overload.to_string());
    }
    let transfers = party.accepts_transfers();
    let decision = match incoming.replaces {
        Some(replaced) => transfer::instead_of(worker, replaced, transfers, facts.shown_from()),
        None => route::decide(&worker.config.routes, &facts),
    };
    let decision = match decision {
        Ok(decision) => decision,
        Err(refusal) => return refuse(refusal.code, &refusal.why),
    };
    let Some(sfu) = worker.sfu(decision.sfu.as_deref()) else {
        return refuse(500, "its route names an SFU that is not configured");
    };
    if let Err(overload) = worker.room_admits(&*sfu, &decision.room) {
        return too_many(&overload.to_string());
    }
    let place = match worker.limits.enter(&with, Bounds::of(&party), began) {
        Ok(place) => place,
        Err(error) => return too_many(&error.to_string()),
    };

    let id = info.id.clone();
    let who = Participant {
        id: decision.participant.clone(),
        name: shown_name(&facts, &origin),
        attributes: attributes(&facts, &headers),
    };
    info.sfu = sfu.name().to_owned();
    info.room = decision.room.clone();
    info.participant = decision.participant;
    let answer = match decision.answer {
        Answer::AtOnce => AnswerWhen::AtOnce,
        Answer::OnParticipant => AnswerWhen::OnParticipant,
        Answer::OnAccept { ring, ring_for } => {
            info.rings = Some(ring);
            AnswerWhen::OnAccept(ring_for)
        }
    };
    let params = CallParams {
        name: id.clone(),
        transferable: transfers,
        media: worker.media(&party),
    };
    let leg = match Leg::incoming(incoming, params) {
        Ok(leg) => leg,
        // It has answered the phone itself: 488, 400, …
        Err(CallError::Refused { code, reason }) => return refused(info, code, &reason),
        Err(error) => return refused(info, 500, &error.to_string()),
    };
    // Before any room work: the caller hears it ring while we look for the room.
    leg.ring();
    tracing::info!(call = id, %source, with, from = facts.from, to = facts.to, room = decision.room, "call in");
    let asked = worker.calls.insert(info, began);
    worker.calls.advance(&id, State::Ringing, Instant::now());
    let plan = Plan {
        sfu,
        room: decision.room,
        who,
        answer,
        max_duration: party.max_duration(),
        dtmf: None,
    };
    Life::new(worker.clone(), id, asked, place).spawn(plan, Phone::There(leg));
}

/// A call of which nothing is decided yet.
fn described(facts: &Facts, origin: &Origin, headers: &[(HeaderName, String)]) -> CallInfo {
    let origin = OriginInfo::of(origin).map(|mut origin| {
        origin.diverted_by.clone_from(&facts.diverted_by);
        origin
    });
    CallInfo {
        from: facts.from.clone(),
        to: facts.to.clone(),
        trunk: facts.trunk.clone(),
        user: facts.user.clone(),
        sip_call_id: Some(facts.call_id.clone()),
        origin,
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        ..CallInfo::begun(Direction::In)
    }
}

fn facts(request: &Request, call_id: String, party: &Party, origin: &Origin) -> Facts {
    let from = origin.caller();
    let diverted_by = origin.diverted_by();
    Facts {
        to: called(request, party),
        from: from.map(|from| known(&from.uri, party)).unwrap_or_default(),
        private: origin.hides_caller(),
        diverter_private: diverted_by.as_ref().is_some_and(|(_, private)| *private),
        diverted_by: diverted_by.map(|(uri, _)| known(&uri, party)),
        attestation: origin.attestation(),
        trunk: party.trunk().unwrap_or_default().to_owned(),
        user: party.user().map(str::to_owned),
        call_id,
        headers: identity::headers(request, party),
    }
}

/// The number that was called. A trunk that we are registered with calls the address we registered;
/// what the caller dialled stands in To alone.
fn called(request: &Request, party: &Party) -> String {
    let ours = match party {
        Party::Trunk(trunk) => trunk.register.and(trunk.username.as_deref()),
        Party::User(_) => None,
    };
    if ours != Some(user_of(&request.uri).as_str()) {
        return known(&request.uri, party);
    }
    request
        .headers
        .get(HeaderName::To)
        .and_then(|to| NameAddr::parse(to).ok())
        .map_or_else(|| known(&request.uri, party), |to| known(&to.uri, party))
}

/// A URI's number as everybody knows it, where this far end's numbers are known; else what people know it as.
fn known(uri: &Uri, party: &Party) -> String {
    let number = party.numbers().zip(number_of(uri));
    let number = number.and_then(|(numbers, number)| numbers.e164(&number));
    number.unwrap_or_else(|| user_of(uri))
}

/// A URI's user part as people know it, or its host where there is none.
pub(super) fn user_of(uri: &Uri) -> String {
    let text = uri
        .user_decoded()
        .unwrap_or_else(|| uri.host.as_bytes().to_vec());
    shown(&text, 128)
}

/// What the room calls the caller.
fn shown_name(facts: &Facts, origin: &Origin) -> String {
    if facts.private {
        return ANONYMOUS.to_owned();
    }
    origin
        .caller()
        .and_then(|caller| caller.display.as_deref())
        .map(|display| shown(display, 64))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| facts.from.clone())
}

/// SIP facts of a participant, under the names that LiveKit's users know.
fn attributes(facts: &Facts, headers: &[(HeaderName, String)]) -> BTreeMap<String, String> {
    let own = [
        ("sip.callID", facts.call_id.clone()),
        ("sip.phoneNumber", facts.shown_from().to_owned()),
        ("sip.trunkPhoneNumber", facts.to.clone()),
        ("sip.callStatus", "ringing".to_owned()),
    ];
    let mut all: BTreeMap<_, _> = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    // Whatever SIP itself has may say who calls; two say who sent the call on.
    let told = |name: &HeaderName| match name {
        HeaderName::Other(_) => true,
        HeaderName::Diversion | HeaderName::HistoryInfo => {
            !facts.private && !facts.diverter_private
        }
        _ => !facts.private,
    };
    for (name, value) in headers {
        if told(name) {
            let name = name.to_string().to_ascii_lowercase();
            all.insert(format!("sip.h.{name}"), value.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::document::Document;
    use sip_ua::wire::Method;

    const ROUTES: &str = "[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n\
                          [[route]]\nto = \"+4930*\"\nfrom = \"+1555*\"\nroom = \"berlin-{to}-{from}\"\n\
                          [[route]]\nto = \"1000\"\nroom = \"extension\"\n\
                          [[route]]\nto = \"*\"\nheader.X-Tenant = \"acme\"\nroom = \"acme\"\n\
                          [[route]]\nto = \"*\"\nroom = \"others\"\n";

    fn config(lines: &str) -> Config {
        let text =
            format!("[[trunk]]\nname = \"t\"\nuri = \"sip:carrier.example\"\n{lines}\n{ROUTES}");
        Config::parse(&Document::new("c.toml", text)).unwrap()
    }

    fn invite(to: &str, from: &str, more: &[(&str, &str)]) -> Request {
        let mut request = Request::new(Method::Invite, to.parse().unwrap());
        request.headers.push("From", format!("<{from}>;tag=1"));
        request.headers.push("To", format!("<{to}>"));
        for (name, value) in more {
            request.headers.push(*name, *value);
        }
        request
    }

    /// What is known of a call, and its room.
    fn taken(lines: &str, request: &Request) -> (Facts, CallInfo, String) {
        let config = config(lines);
        let party = Party::Trunk(config.trunks[0].clone());
        let origin = identity::origin(request, &party);
        let facts = facts(request, "c1".to_owned(), &party, &origin);
        let info = described(&facts, &origin, &identity::passed(request, &party));
        let room = route::decide(&config.routes, &facts).unwrap().room;
        (facts, info, room)
    }

    const GERMAN: &str = "numbers = { country = \"49\", national = \"0\", international = \"00\" }";

    #[test]
    fn routes_rooms_and_the_api_know_numbers_as_everybody_does() {
        let to = "sip:030123456@192.0.2.1;user=phone";
        let diverted = [(
            "Diversion",
            "<sip:030-99-88-77@carrier.example>;reason=unconditional",
        )];
        let request = invite(to, "sip:0015550100@carrier.example;user=phone", &diverted);
        let (facts, info, room) = taken(GERMAN, &request);
        assert_eq!(room, "berlin-4930123456-15550100");
        assert_eq!((&*info.to, &*info.from), ("+4930123456", "+15550100"));
        assert_eq!(info.origin.unwrap().diverted_by.unwrap(), "+4930998877");
        let attributes = attributes(&facts, &[]);
        assert_eq!(attributes["sip.phoneNumber"], "+15550100");
        assert_eq!(attributes["sip.trunkPhoneNumber"], "+4930123456");
        // Nobody was asked to.
        assert_eq!(taken("", &request).1.to, "030123456");
        assert_eq!(taken("", &request).2, "others");

        let tel = invite("tel:+49-30-123456", "tel:+1-555-0100", &[]);
        assert_eq!(taken(GERMAN, &tel).2, "berlin-4930123456-15550100");
        let short = invite("sip:1000@192.0.2.1", "sip:alice@carrier.example", &[]);
        let (_, info, room) = taken(GERMAN, &short);
        assert_eq!((&*info.from, &*room), ("alice", "extension"));
    }

    #[test]
    fn the_number_dialled_is_in_to_where_the_trunk_calls_what_we_registered() {
        let lines = format!("register = true\nusername = \"account\"\n{GERMAN}");
        let mut request = invite(
            "sip:account@192.0.2.1",
            "sip:+15550100@carrier.example",
            &[],
        );
        request
            .headers
            .set(HeaderName::To, "<sip:030123456@carrier.example>");
        assert_eq!(taken(&lines, &request).1.to, "+4930123456");
    }

    #[test]
    fn a_trunk_says_which_headers_go_further() {
        let headers = [
            ("X-Tenant", "acme"),
            ("P-Charging-Vector", "icid-value=1"),
            ("P-Asserted-Identity", "<tel:+15550123>"),
        ];
        let request = invite("sip:bob@192.0.2.1", "sip:a@carrier.example", &headers);
        let told = |lines: &str| {
            let (facts, info, room) = taken(lines, &request);
            let known: Vec<String> = facts.headers.into_iter().map(|(name, _)| name).collect();
            let told: Vec<String> = info.headers.into_keys().collect();
            (room, known.len(), told)
        };
        let (tenant, charging) = ("X-Tenant".to_owned(), "P-Charging-Vector".to_owned());
        assert_eq!(told(""), ("acme".to_owned(), 4, vec![tenant.clone()]));
        let named = told("headers_in = [\"p-charging-vector\"]");
        assert_eq!(named, ("others".to_owned(), 1, vec![charging.clone()]));
        let asserted = "P-Asserted-Identity".to_owned();
        let believed = told("headers_in = [\"P-*\"]\ntrust_asserted_identity = true");
        assert_eq!(believed.2, [asserted, charging.clone()]);
        // Who is not trusted with it asserts nothing, whatever the pattern.
        assert_eq!(told("headers_in = [\"P-*\"]").2, [charging]);
    }

    #[test]
    fn who_wants_to_be_hidden_is_in_no_header_either() {
        let headers = [("Privacy", "id"), ("X-Tenant", "acme"), ("Subject", "me")];
        let request = invite(
            "sip:bob@192.0.2.1",
            "sip:+15550100@carrier.example",
            &headers,
        );
        let (facts, info, _) = taken("headers_in = [\"*\"]", &request);
        let names = |facts: &Facts| -> Vec<String> {
            let passed = info.headers.iter();
            let passed: Vec<_> = passed
                .map(|(name, value)| (HeaderName::from(name.as_str()), value.clone()))
                .collect();
            let attributes = attributes(facts, &passed).into_keys();
            attributes
                .filter(|name| name.starts_with("sip.h."))
                .collect()
        };
        assert!(facts.private);
        assert_eq!(names(&facts), ["sip.h.x-tenant"]);
        let shown = Facts {
            private: false,
            ..facts
        };
        assert_eq!(names(&shown).len(), 5);
    }

    #[test]
    fn who_sent_the_call_on_and_wants_to_be_hidden_is_in_no_header_either() {
        let passed = |privacy: &str| {
            let diverted = format!("<sip:+15550199@carrier.example>;privacy={privacy}");
            let headers = [("Diversion", &*diverted), ("Subject", "me")];
            let (to, from) = ("sip:bob@192.0.2.1", "sip:+15550100@carrier.example");
            let request = invite(to, from, &headers);
            let lines = "headers_in = [\"Diversion\", \"Subject\"]";
            let party = Party::Trunk(config(lines).trunks[0].clone());
            let (facts, _, _) = taken(lines, &request);
            let told = attributes(&facts, &identity::passed(&request, &party));
            let headers = told.into_keys().filter(|name| name.starts_with("sip.h."));
            headers.collect::<Vec<String>>()
        };
        assert_eq!(passed("off"), ["sip.h.diversion", "sip.h.subject"]);
        assert_eq!(passed("full"), ["sip.h.subject"]);
    }
}
