// SPDX-License-Identifier: MPL-2.0
//! Which story tells which section, and how it went: a table for people, in the output and in
//! `flows.txt` beside what sipp leaves (`target/tmp`). A section is told by stories, or it says whose it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A section of one of the two.
struct Section {
    number: &'static str,
    title: &'static str,
    /// What of it is told by no story, and whose that is.
    others: &'static str,
}

const fn section(number: &'static str, title: &'static str, others: &'static str) -> Section {
    Section {
        number,
        title,
        others,
    }
}

const PROXY: &str = "the proxies'";

/// All that hold a flow.
const SECTIONS: [Section; 34] = [
    section("3665 2.1", "Successful New Registration", ""),
    section(
        "3665 2.2",
        "Update of Contact List",
        "ours binds itself alone, so never adds to a list",
    ),
    section(
        "3665 2.3",
        "Request for Current Contact List",
        "ours never asks: each answer to its REGISTER says it",
    ),
    section("3665 2.4", "Cancellation of Registration", ""),
    section("3665 2.5", "Unsuccessful Registration", ""),
    section("3665 3.1", "Successful Session Establishment", ""),
    section(
        "3665 3.2",
        "Session Establishment Through Two Proxies",
        PROXY,
    ),
    section(
        "3665 3.3",
        "Session with Multiple Proxy Authentication",
        "the callee sees nothing of it",
    ),
    section(
        "3665 3.4",
        "Successful Session with Proxy Failure",
        "the callee sees nothing of it",
    ),
    section("3665 3.5", "Session Through a SIP ALG", "the gateway's"),
    section(
        "3665 3.6",
        "Session via Redirect and Proxy Servers with SDP in ACK",
        "to send callers elsewhere is a server's",
    ),
    section("3665 3.7", "Session with re-INVITE (IP Address Change)", ""),
    section("3665 3.8", "Unsuccessful No Answer", ""),
    section("3665 3.9", "Unsuccessful Busy", ""),
    section(
        "3665 3.10",
        "Unsuccessful No Response from User Agent",
        "the callee is not there",
    ),
    section("3665 3.11", "Unsuccessful Temporarily Unavailable", ""),
    section("5359 2.1", "Call Hold", ""),
    section("5359 2.2", "Consultation Hold", ""),
    section(
        "5359 2.3",
        "Music on Hold",
        "ours holds with silence, and asks no server (REFER outside of a call)",
    ),
    section("5359 2.4", "Transfer - Unattended", ""),
    section("5359 2.5", "Transfer - Attended", ""),
    section(
        "5359 2.6",
        "Transfer - Instant Messaging",
        "ours writes no messages",
    ),
    section("5359 2.7", "Call Forwarding Unconditional", PROXY),
    section("5359 2.8", "Call Forwarding - Busy", PROXY),
    section("5359 2.9", "Call Forwarding - No Answer", PROXY),
    section(
        "5359 2.10",
        "3-Way Conference - Third Party Is Added",
        "ours does not say isfocus",
    ),
    section(
        "5359 2.11",
        "3-Way Conference - Third Party Joins",
        "ours knows no Join (RFC 3911), and joins nobody",
    ),
    section("5359 2.12", "Find-Me", PROXY),
    section(
        "5359 2.13",
        "Call Management (Incoming Call Screening)",
        PROXY,
    ),
    section(
        "5359 2.14",
        "Call Management (Outgoing Call Screening)",
        PROXY,
    ),
    section(
        "5359 2.15",
        "Call Park",
        "ours asks no server to park (REFER outside of a call)",
    ),
    section(
        "5359 2.16",
        "Call Pickup",
        "ours tells nobody of its calls (dialog package)",
    ),
    section(
        "5359 2.17",
        "Automatic Redial",
        "ours neither tells nor asks (dialog package): it tries again",
    ),
    section(
        "5359 2.18",
        "Click to Dial",
        "the page's; the worker's interface is asked instead",
    ),
];

/// A flow that sipp plays with ours.
struct Story {
    name: &'static str,
    /// What ours is in it.
    we: &'static str,
    of: &'static [&'static str],
}

/// The tests: one a story.
macro_rules! stories {
    ($($module:ident { $($name:ident: $we:literal, $of:expr;)+ })+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $name() {
                let told = super::Told::begins(concat!(stringify!($module), "::", stringify!($name)));
                crate::$module::$name().await;
                told.ends();
            })+
        })+
        const STORIES: &[Story] = &[$($(Story {
            name: concat!(stringify!($module), "::", stringify!($name)),
            we: $we,
            of: &$of,
        },)+)+];
    };
}

stories! {
    registration {
        sipp_registers_asks_and_goes: "registrar", ["3665 2.1", "3665 2.3", "3665 2.4"];
        we_register_and_go: "registers", ["3665 2.1", "3665 2.4"];
    }
    contact_list {
        sipp_registers_another_telephone: "registrar", ["3665 2.2"];
    }
    registration_refused {
        sipp_guesses: "registrar", ["3665 2.5"];
        sipp_knows_better: "registers", ["3665 2.5"];
    }
    successful_session {
        sipp_calls_and_hangs_up: "callee", ["3665 3.1"];
        sipp_is_called_and_hung_up: "caller", ["3665 3.1"];
        whoever_was_called_hangs_up: "caller", ["3665 3.1"];
    }
    two_proxies {
        sipp_calls_through_two: "callee", ["3665 3.2"];
        we_call_through_two: "caller", ["3665 3.2"];
    }
    proxy_authentication {
        sipp_is_two_proxies: "caller", ["3665 3.3"];
    }
    proxy_failure {
        one_says_nothing_and_sipp_answers: "caller", ["3665 3.4"];
    }
    gateway {
        sipp_calls_through_it: "callee", ["3665 3.5"];
        we_call_through_it: "caller", ["3665 3.5"];
    }
    redirected {
        sipp_sends_us_on: "caller", ["3665 3.6", "5359 2.7"];
        sipp_sends_us_on_and_offers: "caller", ["3665 3.6"];
        who_does_not_trust_it_stays: "caller", ["3665 3.6"];
    }
    offerless {
        sipp_asks_for_our_offer: "callee", ["3665 3.6"];
        we_ask_for_sipps_offer: "caller", ["3665 3.6"];
    }
    re_invite {
        sipp_moves: "callee", ["3665 3.7"];
        we_move: "caller", ["3665 3.7"];
    }
    cancelled {
        sipp_gives_up: "callee", ["3665 3.8", "5359 2.9", "5359 2.12"];
        we_give_up: "caller", ["3665 3.8"];
    }
    busy {
        we_are_busy: "callee", ["3665 3.9", "5359 2.8"];
        sipp_is_busy: "caller", ["3665 3.9"];
    }
    no_response {
        sipp_hears_nothing: "caller", ["3665 3.10"];
    }
    no_answer {
        we_are_not_there: "callee", ["3665 3.11"];
        sipp_is_not_there: "caller", ["3665 3.11"];
    }
    hold {
        sipp_holds_us: "held", ["5359 2.1"];
        sipp_holds_us_and_sends_nothing: "held", ["5359 2.1"];
        we_hold_sipp: "holds", ["5359 2.1"];
    }
    consultation_hold {
        sipp_asks_somebody_else: "held", ["5359 2.2"];
        we_ask_somebody_else: "holds", ["5359 2.2"];
    }
    music_on_hold {
        sipp_plays_us_music: "held", ["5359 2.3"];
    }
    blind_transfer {
        we_transfer_sipp: "transfers", ["5359 2.4"];
        sipp_transfers_us: "transferred", ["5359 2.4"];
    }
    attended_transfer {
        we_transfer_sipp_to_whom_we_speak_with: "transfers", ["5359 2.5"];
        sipp_transfers_us_to_whom_it_speaks_with: "transferred", ["5359 2.5"];
        a_call_of_sipps_takes_the_place_of_another: "target", ["5359 2.5", "5359 2.6"];
    }
    instant_message {
        sipp_writes_to_us: "refuses", ["5359 2.6"];
    }
    call_forwarding {
        sipp_forwards_us: "caller", ["5359 2.7"];
        sipp_is_busy_and_forwards_us: "caller", ["5359 2.8"];
        sipp_does_not_answer_and_forwards_us: "caller", ["5359 2.9"];
    }
    conference {
        sipp_mixes_us_with_another: "first", ["5359 2.10", "5359 2.11"];
        sipp_calls_us_into_it: "third", ["5359 2.10"];
        we_add_a_third: "mixes", ["5359 2.10"];
        sipp_wants_to_join_us: "refuses", ["5359 2.11"];
    }
    find_me {
        sipp_is_found_at_the_third_place: "caller", ["5359 2.12"];
    }
    screening {
        sipp_lets_us_not_through: "caller", ["5359 2.13", "5359 2.14"];
        we_let_sipp_not_through: "screens", ["5359 2.13"];
    }
    call_park {
        sipp_parks_us_and_fetches_us: "parked", ["5359 2.15"];
        we_are_no_place_to_park: "refuses", ["5359 2.15"];
    }
    call_pickup {
        sipp_picks_up_our_call: "caller", ["5359 2.16"];
        sipp_comes_too_late: "caller", ["5359 2.16"];
    }
    automatic_redial {
        sipp_asks_when_we_are_free_and_tries_again: "callee", ["5359 2.17"];
        we_try_again: "caller", ["5359 2.17"];
    }
    click_to_dial {
        sipp_clicks: "refuses", ["5359 2.18"];
    }
}

/// How the stories of this run went, so far.
static RESULTS: Mutex<BTreeMap<&str, bool>> = Mutex::new(BTreeMap::new());

/// A story on its way: dropped before its end it has failed.
struct Told {
    story: &'static str,
    well: bool,
}

impl Told {
    fn begins(story: &'static str) -> Told {
        Told { story, well: false }
    }

    fn ends(mut self) {
        self.well = true;
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(self.story, self.well);
        let table = table(&results);
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flows.txt");
        // The tests count, not the table: without it each still says how it went.
        let _ = std::fs::write(file, &table);
        if results.len() == STORIES.len() {
            println!("{table}");
        }
    }
}

fn stories_of(section: &Section) -> impl Iterator<Item = &'static Story> {
    let number = section.number;
    STORIES
        .iter()
        .filter(move |story| story.of.contains(&number))
}

fn table(results: &BTreeMap<&str, bool>) -> String {
    let mut table = String::new();
    let mut line = |number: &str, title: &str, we: &str, result: &str, rest: &str| {
        // Nothing goes wrong when a String is written to.
        let _ = writeln!(
            table,
            "{number:<10} {title:<55} {we:<12} {result:<7} {rest}"
        );
    };
    line("RFC", "title", "ours", "result", "story");
    for section in &SECTIONS {
        let (mut number, mut title) = (section.number, section.title);
        for story in stories_of(section) {
            let result = match results.get(story.name) {
                Some(true) => "ok",
                Some(false) => "FAILED",
                None => "not run",
            };
            line(number, title, story.we, result, story.name);
            (number, title) = ("", "");
        }
        if !section.others.is_empty() {
            line(number, title, "-", "-", section.others);
        }
    }
    table
}

#[test]
fn every_section_is_told_or_is_somebody_elses() {
    let flows = [("3665", 2, 5), ("3665", 3, 11), ("5359", 2, 18)];
    let numbers = flows.iter().flat_map(|(rfc, chapter, last)| {
        (1..=*last).map(move |number| format!("{rfc} {chapter}.{number}"))
    });
    let listed = SECTIONS.iter().map(|section| section.number);
    assert!(listed.eq(numbers), "a section is left out");
    for section in &SECTIONS {
        let told = stories_of(section).next().is_some();
        let number = section.number;
        assert!(told || !section.others.is_empty(), "nobody tells {number}");
    }
    let sections = STORIES.iter().flat_map(|story| story.of);
    for number in sections {
        let known = SECTIONS.iter().any(|section| section.number == *number);
        assert!(known, "there is no {number}");
    }
}
