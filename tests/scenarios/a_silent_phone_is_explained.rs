// SPDX-License-Identifier: MPL-2.0
//! A phone behind a NAT sends no audio: the end of its call says so, and where its SDP said it was.
//! The ladder of the call shows no secret that the phone sent.

use anyhow::{Context as _, Result};
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use std::time::Duration;

const SCENARIO: &str = "a_silent_phone_is_explained";
const SOON: Duration = Duration::from_secs(10);
const CANARY: &str = "canary7f3a";

#[test]
fn a_silent_phone_is_explained() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let raw = Raw::open(scene.worker.sip())?;
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\na=ice-pwd:canary7f3a\r\n";
    let invite = raw.request("INVITE", NUMBER, sdp).replace(
        "Max-Forwards",
        &format!(
            "Authorization: Digest username=\"raw\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", \
             response=\"{CANARY}\"\r\nMax-Forwards"
        ),
    );
    raw.send(invite.as_bytes())?;
    let answer = raw.final_answer(SOON)?.context("an answer")?;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let header = |name: &str| answer.lines().find(|line| line.starts_with(name));
    let to = header("To:").context("To")?;
    let within = |method: &str, number: u32| {
        let (head, _) = invite.split_once("\r\n\r\n").unwrap_or((&invite, ""));
        let lines = head.lines().filter_map(|line| {
            Some(match line.split(':').next()? {
                "Via" => line.replace("z9hG4bKraw", &format!("z9hG4bK{method}")),
                "To" => to.to_owned(),
                "CSeq" => format!("CSeq: {number} {method}"),
                "Content-Length" => "Content-Length: 0".to_owned(),
                "Content-Type" => return None,
                _ => line.replace("INVITE sip:", &format!("{method} sip:")),
            })
        });
        let lines: Vec<String> = lines.collect();
        lines.join("\r\n") + "\r\n\r\n"
    };
    raw.send(within("ACK", 1).as_bytes())?;
    let call = scene.worker.until_call("lasted 3 s", SOON, |call| {
        call["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 3.0)
    })?;
    assert_eq!(call["media"]["phone"]["described"], "10.0.0.5:4000");
    raw.send(within("BYE", 2).as_bytes())?;
    let bye = raw.final_answer(SOON)?.context("an answer to the BYE")?;
    assert!(bye.starts_with("SIP/2.0 200"), "{bye}");

    let ended = scene
        .worker
        .until_call("is over", SOON, |call| call["state"] == "ended")?;
    let why = ended["why"].as_str().context("it says why")?;
    assert!(
        why.starts_with("the far end hung up; no RTP from phones in 3.")
            && why.ends_with(" s; last SDP said 10.0.0.5: private address"),
        "{why}"
    );

    let id = ended["id"].as_str().context("its id")?;
    let path = format!("/v1/calls/{id}/ladder?messages=true");
    let (status, ladder) = scene.worker.ask("GET", &path, None)?;
    assert_eq!(status, 200, "{ladder}");
    let whole = ladder.to_string();
    assert!(whole.contains("response=***"), "{whole}");
    assert!(whole.contains("c=IN IP4 10.0.0.5"), "{whole}");
    assert!(!whole.contains(CANARY), "{whole}");
    Ok(())
}
