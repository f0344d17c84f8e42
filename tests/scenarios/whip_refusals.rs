// SPDX-License-Identifier: MPL-2.0
//! What a server of WHIP refuses, gets wrong or leaves unsaid has its meaning, in one clear sentence without
//! the token; nothing is left at the server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sip_worker::sfu::whip::{Whip, WhipConfig};
use sip_worker::sfu::{Joined, Sfu, SfuError};
use sipbridge_tests::offer::offer;
use sipbridge_tests::room::called;
use sipbridge_tests::scripted::{Scripted, response};

const TOKEN: &str = "open-sesame-4711";
const SOON: Duration = Duration::from_secs(5);

fn whip(server: &Scripted) -> Result<Whip> {
    let url = format!("http://{}/whip/{{room}}/{{participant}}", server.address);
    let template = url
        .parse()
        .map_err(|error: String| anyhow::anyhow!(error))?;
    Ok(Whip::new(WhipConfig {
        token: Some(TOKEN.to_owned().into()),
        patience: Duration::from_millis(300),
        ..WhipConfig::new("main", template, Vec::new())
    }))
}

fn made() -> String {
    let headers = "Content-Type: application/sdp\r\nLocation: /session/7\r\n";
    response("201 Created", headers, "v=0\r\n")
}

/// To POST as said, to everything else with success.
fn to_post(answer: Option<String>) -> impl Fn(&str) -> Option<String> + Send + Sync {
    move |head| match head.starts_with("POST") {
        true => answer.clone(),
        false => Some(response("200 OK", "", "")),
    }
}

async fn refusal(server: &Scripted) -> Result<SfuError> {
    let Joined { session, .. } = whip(server)?.join("lobby", called("ann")).await?;
    let offer = offer("sendonly");
    let published = session.publish(&offer).await;
    session.leave().await;
    let error = published.err().context("it is let in")?;
    ensure!(!error.to_string().contains(TOKEN), "{error}");
    Ok(error)
}

#[tokio::test]
async fn each_answer_has_its_meaning() -> Result<()> {
    let said = |status: &str| {
        let body = format!("{{\"error\":\"no, {TOKEN}\"}}");
        Some(response(
            status,
            "Content-Type: application/json\r\n",
            &body,
        ))
    };
    let nonsense = |text: &str| Some(text.to_owned());
    for (answer, code, label) in [
        (said("401 Unauthorized"), 403, "forbidden"),
        (said("403 Forbidden"), 403, "forbidden"),
        (said("404 Not Found"), 404, "no_such_room"),
        (said("409 Conflict"), 486, "full"),
        (said("429 Too Many Requests"), 486, "full"),
        (said("500 Internal Server Error"), 503, "refused"),
        (said("503 Service Unavailable"), 503, "refused"),
        (said("201 Created"), 503, "nonsense"),
        (nonsense("SSH-2.0-OpenSSH_9.2\r\n\r\n"), 503, "nonsense"),
        (
            nonsense("HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n"),
            503,
            "nonsense",
        ),
        (None, 503, "timeout"),
    ] {
        let server = Scripted::start(to_post(answer.clone()))?;
        let error = refusal(&server).await?;
        println!("{}: {error}", error.sip_code());
        ensure!(
            (error.sip_code(), error.label()) == (code, label),
            "{answer:?} is {error:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn names_stay_in_their_place_and_redirections_are_followed() -> Result<()> {
    let there = Scripted::start(to_post(Some(made())))?;
    let onward = format!("Location: http://{}/elsewhere\r\n", there.address);
    let moved = response("307 Temporary Redirect", &onward, "");
    let here = Scripted::start(to_post(Some(moved)))?;
    let ann = called("../../admin?x=1#y\r\nX-Evil: 1");
    let joined = whip(&here)?.join("lobby", ann).await?;
    let offer = offer("sendonly");
    joined.session.publish(&offer).await?;
    let posted = here
        .asked()
        .into_iter()
        .find(|asked| asked.starts_with("POST"));
    let posted = posted.context("a POST")?;
    let place = "POST /whip/lobby/..%2F..%2Fadmin%3Fx%3D1%23y%0D%0AX-Evil%3A%201 HTTP/1.1\r\n";
    ensure!(posted.starts_with(place), "{posted}");
    ensure!(posted.contains(TOKEN));
    there.is_asked("POST /elsewhere ", SOON)?;
    joined.session.leave().await;
    there.is_asked("DELETE /session/7 ", SOON)?;
    // Nothing but the operator's word says that it may know the token, and anybody could read it on the way.
    ensure!(!there.asked().concat().contains(TOKEN));
    let dots = whip(&here)?.join("lobby", called("..")).await;
    ensure!(matches!(dots, Err(SfuError::NoSuchRoom { .. })));
    Ok(())
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_ended() -> Result<()> {
    let (asked, wait) = std::sync::mpsc::channel();
    let slow = move |head: &str| {
        if head.starts_with("POST") {
            let _ = asked.send(());
            // As long as a session takes to be made.
            std::thread::sleep(Duration::from_millis(100));
            return Some(made());
        }
        Some(response("200 OK", "", ""))
    };
    let server = Scripted::start(slow)?;
    let Joined { session, .. } = whip(&server)?.join("lobby", called("ann")).await?;
    let publishing = tokio::spawn(async move {
        let offer = offer("sendonly");
        session.publish(&offer).await.map(drop)
    });
    tokio::task::spawn_blocking(move || wait.recv()).await??;
    publishing.abort();
    tokio::task::spawn_blocking(move || server.is_asked("DELETE /session/7 ", SOON)).await?
}

#[tokio::test]
async fn a_dropped_stay_ends_its_session_and_makes_place() -> Result<()> {
    let server = Scripted::start(to_post(Some(made())))?;
    let sfu = whip(&server)?;
    let Joined { session, .. } = sfu.join("lobby", called("ann")).await?;
    let offer = offer("sendonly");
    session.publish(&offer).await?;
    let again = sfu.join("lobby", called("ann")).await;
    ensure!(
        matches!(again, Err(SfuError::Taken { .. })),
        "two of one name"
    );
    drop(session);
    ensure!(sfu.join("lobby", called("ann")).await.is_ok());
    tokio::task::spawn_blocking(move || server.is_asked("DELETE /session/7 ", SOON)).await?
}
