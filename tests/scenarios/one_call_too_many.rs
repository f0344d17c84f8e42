// SPDX-License-Identifier: MPL-2.0
//! A call that is one too many is refused as configured: for its trunk as the trunk says, for the worker as
//! `[limits]` says.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, Scene};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 0\r\n";

/// The status of what an INVITE is answered with, and what Retry-After says.
fn call(raw: &Raw) -> Result<(String, Option<String>)> {
    let invite = raw.request("INVITE", NUMBER, SDP);
    raw.send(invite.as_bytes())?;
    let answer = raw.final_answer_to(&invite, Duration::from_secs(10))?;
    let answer = answer.context("no answer")?;
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut lines = answer.lines();
    let wait = lines.find_map(|line| line.strip_prefix("Retry-After: "));
    Ok((status, wait.map(str::to_owned)))
}

#[test]
fn one_call_too_many() -> Result<()> {
    let tables = "[limits]
max_calls = 2
overload = 480
retry_after = \"7s\"

[[trunk]]
name = \"one\"
allow = [\"127.0.0.1\"]
max_calls = 1
overload = 486
retry_after = \"0s\"

[[trunk]]
name = \"two\"
allow = [\"127.0.0.2\"]

[[route]]
to = \"*\"
room = \"{trunk}\"
answer = \"at-once\"
";
    let scene = Scene::open("one_call_too_many", tables)?;
    let one = Raw::open(scene.worker.sip())?;
    let two = Raw::open_from(Ipv4Addr::new(127, 0, 0, 2), scene.worker.sip())?;
    assert_eq!(call(&one)?, ("200".to_owned(), None));
    assert_eq!(call(&one)?, ("486".to_owned(), None));
    assert_eq!(call(&two)?, ("200".to_owned(), None));
    assert_eq!(call(&two)?, ("480".to_owned(), Some("7".to_owned())));
    let calls = scene.worker.calls()?;
    let refused = |code: u64| calls.iter().find(|call| call["code"] == code);
    let why = |code| refused(code).and_then(|call| call["why"].as_str());
    assert_eq!(
        why(486),
        Some("trunk 'one' already carries its max_calls = 1 calls")
    );
    assert_eq!(
        why(480),
        Some("this worker already carries its max_calls = 2 calls")
    );
    Ok(())
}
