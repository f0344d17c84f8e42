// SPDX-License-Identifier: MPL-2.0
//! Flows in which the worker has a part of its own, with sipp as a strict phone at the other end: held by it
//! in both manners, called without an offer, cancelled too late, refreshed by its session timer, early media,
//! another call in the place of one, and an attended transfer by the phone. sipp fails at any message that is
//! not the next one, and waits wherever the API is looked at.

use crate::script;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sipbridge_tests::scene::{NUMBER, ROOM, trunk_to};
use sipbridge_tests::sipp::Flow;
use sipbridge_tests::worker::{Settings, Worker};
use std::net::Ipv4Addr;
use std::time::Duration;

const SCENARIO: &str = "sipp_tells_its_flows";
const SOON: Duration = Duration::from_secs(10);
/// `;to-tag=theirs;from-tag=ours`, as it stands in a Refer-To.
const SPOKEN_WITH: &str = "Replaces=spoken%40example.org%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dours";

/// To a worker.
struct Told {
    worker: Worker,
}

#[test]
fn sipp_tells_its_flows() -> Result<()> {
    let early = waits(
        "early",
        "< INVITE m=audio
         > 183 sdp
         waits
         > 200 sdp INVITE
         < ACK
         is hung up",
    )?;
    let carol = waits(
        "carol",
        "< INVITE Replaces:.spoken@example.org;to-tag=theirs;from-tag=ours Referred-By:
         > 200 sdp
         < ACK
         is hung up",
    )?;
    let phones = trunk_to(&format!("sip:{}", carol.address()));
    let phones = phones.replace("dial_allow", "accept_transfers = true\ndial_allow");
    let tables = format!(
        "[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n\n{phones}\n[[trunk]]\nname = \"early\"\n\
         uri = \"sip:{}\"\nfrom = \"+15550100\"\ndial_allow = [\"*\"]\n",
        early.address()
    );
    let settings = Settings {
        tables,
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, Ipv4Addr::LOCALHOST.into(), &settings)?;
    let told = Told { worker };
    told.holds().context("held by its phone")?;
    told.without_an_offer().context("without an offer")?;
    told.cancelled_too_late().context("cancelled too late")?;
    told.refreshed().context("refreshed")?;
    told.in_the_place_of_another()
        .context("in the place of another")?;
    told.early_media(early).context("early media")?;
    told.transferred(carol).context("transferred by its phone")
}

fn waits(name: &str, flow: &str) -> Result<Flow> {
    Flow::waits(SCENARIO, name, &script::xml(flow))
}

impl Told {
    fn calls(&self, name: &str, flow: &str) -> Result<Flow> {
        Flow::calls(
            SCENARIO,
            name,
            &script::xml(flow),
            self.worker.sip(),
            NUMBER,
        )
    }

    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.worker
            .until_call(what, SOON, |call| call["state"] != "ended" && wanted(call))
    }

    /// Once the call is up, which is returned.
    fn goes_on(&self, phone: &mut Flow) -> Result<Value> {
        let up = self.until("is up", |call| call["state"] == "active")?;
        phone.goes_on(&up, SOON)?;
        Ok(up)
    }

    /// sipp is content, and the worker without a call.
    fn over(&self, flow: Flow) -> Result<()> {
        flow.finish(SOON)?;
        let ended = |calls: &[Value]| calls.iter().all(|call| call["state"] == "ended");
        self.worker.until_calls("are over", SOON, ended).map(drop)
    }

    /// By `sendonly`, as most phones do, and by `inactive`; each time it takes back.
    fn holds(&self) -> Result<()> {
        let mut phone = self.calls(
            "holds",
            "calls
             waits
             holds
             waits
             takes back
             waits
             > INVITE inactive
             < 100 ?
             < 200 a=inactive
             > ACK
             waits
             takes back
             waits
             hangs up",
        )?;
        self.until("is up", |call| call["state"] == "active")?;
        for held in [false, true, false, true, false] {
            let call = self.until("is as its phone has it", |call| {
                call["held_by_phone"] == held
            })?;
            ensure!(call["held"] == false, "{call}");
            phone.goes_on(&call, SOON)?;
        }
        self.over(phone)
    }

    /// The offer is the worker's, in the 200 of an INVITE and of one within the call.
    fn without_an_offer(&self) -> Result<()> {
        let mut phone = self.calls(
            "without-an-offer",
            "> INVITE
             < 100 ?
             < 180
             < 200 m=audio
             > ACK sdp
             waits
             > INVITE
             < 100 ?
             < 200 m=audio
             > ACK sdp
             waits
             hangs up",
        )?;
        for _ in ["it began without", "and goes on without"] {
            let call = self.until("has media", |call| {
                call["state"] == "active" && call["codec"].is_string()
            })?;
            ensure!(call["codec"] == "PCMU", "{call}");
            phone.goes_on(&call, SOON)?;
        }
        self.over(phone)
    }

    /// The CANCEL meets the 200: the call is up, and its phone hangs up as it would have.
    fn cancelled_too_late(&self) -> Result<()> {
        let mut phone = self.calls(
            "cancelled-too-late",
            "> INVITE sdp
             < 100 ?
             < 180
             < 200 m=audio
             > ACK
             > CANCEL
             < 200
             waits
             hangs up",
        )?;
        self.goes_on(&mut phone)?;
        self.over(phone)
    }

    /// By UPDATE and by re-INVITE; neither is a hold, nor an end.
    fn refreshed(&self) -> Result<()> {
        let timer = "Supported: timer | Session-Expires: 90;refresher=uac";
        let mut phone = self.calls(
            "refreshed",
            &format!(
                "> INVITE sdp | {timer}
                 < 100 ?
                 < 180
                 < 200 Session-Expires:.90;refresher=uac
                 > ACK
                 > UPDATE | {timer}
                 < 200 Session-Expires:.90;refresher=uac
                 > INVITE sdp | {timer}
                 < 100 ?
                 < 200 Session-Expires:.90;refresher=uac
                 > ACK
                 waits
                 hangs up"
            ),
        )?;
        self.goes_on(&mut phone)?;
        self.over(phone)
    }

    /// sipp's second call takes the place of its first one: in the same room, and the first ends.
    fn in_the_place_of_another(&self) -> Result<()> {
        let mut phone = self.calls(
            "in-the-place-of-another",
            "calls
             waits
             > INVITE @2 sdp | Require: replaces | Replaces: [call_id];to-tag=[$remote_tag];from-tag=[call_number]s
             < 100 ?
             < 180
             < 200 m=audio
             > ACK
             is hung up
             is hung up",
        )?;
        let first = self.goes_on(&mut phone)?;
        let second = self.until("is another", |call| {
            call["state"] == "active" && call["id"] != first["id"]
        })?;
        ensure!(second["room"] == first["room"], "{second}");
        self.worker.until_call("has given way", SOON, |call| {
            call["id"] == first["id"] && call["state"] == "ended"
        })?;
        let id = second["id"].as_str().context("an id")?;
        self.worker.hang_up(id)?;
        self.over(phone)
    }

    /// Who is called is heard before they answer.
    fn early_media(&self, mut phone: Flow) -> Result<()> {
        let wanted = json!({ "to": "bob", "trunk": "early", "room": ROOM });
        let id = self.worker.call(&wanted)?;
        let rings = self.until("has early media", |call| call["codec"].is_string())?;
        ensure!(rings["state"] != "active", "{rings}");
        phone.goes_on(&rings, SOON)?;
        self.until("is up", |call| call["state"] == "active")?;
        self.worker.hang_up(&id)?;
        self.over(phone)
    }

    /// To whom it has spoken with.
    fn transferred(&self, carol: Flow) -> Result<()> {
        let mut transfers = self.calls(
            "transfers",
            &format!(
                "calls
                 waits
                 > REFER | Refer-To: <sip:carol@example.org?{SPOKEN_WITH}> | Referred-By: <sip:sipp@example.org>
                 < 202
                 < NOTIFY 100
                 > 200
                 < NOTIFY 200 terminated
                 > 200
                 hangs up"
            ),
        )?;
        self.goes_on(&mut transfers)?;
        let goes_on = self.until("goes to carol", |call| {
            call["to"] == "carol" && call["state"] == "active"
        })?;
        ensure!(goes_on["room"] == ROOM, "{goes_on}");
        transfers.finish(SOON).context("who transfers")?;
        let id = goes_on["id"].as_str().context("an id")?;
        self.worker.hang_up(id)?;
        carol.finish(SOON).context("carol")
    }
}
