// SPDX-License-Identifier: MPL-2.0
//! WHIP (RFC 9725) and WHEP over HTTP, request by request: what is taken and what is refused, and with which
//! token. The room sees who comes and goes; no token is in the log.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sipbridge_tests::http::{Answer, ask};
use sipbridge_tests::offer::offer;
use sipbridge_tests::worker::{Settings, Worker};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};

const SCENARIO: &str = "rooms_by_whip_and_whep";
/// Nobody is there: it is told of, and not asked.
const STUN: &str = "stun:127.0.0.1:9";
const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const SDPFRAG: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");

struct Asker<'a> {
    worker: &'a Worker,
    bearer: String,
}

impl Asker<'_> {
    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        let mut all = vec![("Authorization", &*self.bearer)];
        all.extend(headers);
        ask(self.worker.http(), method, path, &all, body)
    }

    fn status(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<u16> {
        Ok(self.ask(method, path, headers, body)?.status)
    }
}

#[test]
fn rooms_by_whip_and_whep() -> Result<()> {
    let settings = Settings {
        tables: "[[sfu]]\nname = \"main\"\nkind = \"embedded\"\nrooms = [\"lobby\"]\n\
                 max_participants = 3\n"
            .to_owned(),
        http: "origins = [\"https://app.example\"]".to_owned(),
        ice: format!("stun = [\"{STUN}\"]"),
        ..Settings::default()
    };
    let ice = IpAddr::from(Ipv4Addr::LOCALHOST);
    let mut worker = Worker::start_with(SCENARIO, ice, &settings)?;
    let (status, told) = worker.ask("GET", "/v1/rooms/lobby/token", None)?;
    let room_token = told["token"].as_str().context("a room's token")?.to_owned();
    ensure!(status == 200);
    {
        let guest = Asker {
            worker: &worker,
            bearer: format!("Bearer {room_token}"),
        };
        offers_are_taken_or_refused(&guest)?;
        sessions_change_and_end(&guest)?;
        the_room_is_seen(&guest, &room_token)?;
        the_token_opens_no_more(&guest)?;
        pages_elsewhere_may_ask(&guest)?;
    }
    let log = std::fs::read_to_string(worker.process().log())?;
    ensure!(!log.contains(&room_token), "the room's token is in the log");
    ensure!(
        !log.contains("P2uYro0UCOQ4zxjKXaWCBui1"),
        "an ICE password is in the log"
    );
    Ok(())
}

fn offers_are_taken_or_refused(guest: &Asker<'_>) -> Result<()> {
    let speaks = offer("sendonly");
    let two = speaks.clone() + speaks.split_once("m=").map_or("", |(_, rest)| rest);
    let two = two.replacen("\r\naudio 9", "\r\nm=audio 9", 1);
    let cases = [
        ("/whip/lobby", vec![SDP], "no offer", 400),
        ("/whip/lobby", vec![SDP], &offer("recvonly"), 422),
        ("/whep/lobby", vec![SDP], &speaks, 422),
        (
            "/whip/lobby",
            vec![SDP],
            &speaks.replace("opus/48000/2", "speex/8000"),
            422,
        ),
        (
            "/whip/lobby",
            vec![("Content-Type", "text/plain")],
            &speaks,
            415,
        ),
        (
            "/whip/lobby",
            vec![SDP, ("Accept", "text/html")],
            &speaks,
            406,
        ),
        ("/whip/lobby?participant=0", vec![SDP], &speaks, 400),
        (
            "/whep/lobby?participant=0",
            vec![SDP],
            &offer("recvonly"),
            404,
        ),
        ("/whip/lobby?name=a%0Ab", vec![SDP], &speaks, 400),
    ];
    for (path, headers, body, status) in cases {
        let answer = guest.ask("POST", path, &headers, body)?;
        ensure!(answer.status == status, "{path} {headers:?}: {answer:?}");
    }
    ensure!(guest.status("POST", "/whip/lobby", &[SDP], &two)? != 201);
    ensure!(guest.status("GET", "/whip/lobby", &[], "")? == 405);
    let options = ask(guest.worker.http(), "OPTIONS", "/whip/lobby", &[], "")?;
    ensure!(options.status == 204 && options.header("accept-post") == Some(SDP.1));
    Ok(())
}

fn sessions_change_and_end(guest: &Asker<'_>) -> Result<()> {
    let speaker = guest.ask("POST", "/whip/lobby?name=Ann", &[SDP], &offer("sendonly"))?;
    ensure!(speaker.status == 201, "{speaker:?}");
    ensure!(speaker.header("content-type") == Some("application/sdp"));
    ensure!(speaker.body.contains("a=recvonly") && speaker.body.contains("a=candidate:"));
    ensure!(speaker.body.contains("a=rtpmap:111 opus/48000/2") && !speaker.body.contains("PCMU"));
    let session = speaker.header("location").context("Location")?;
    let etag = speaker.header("etag").context("ETag")?;
    let id = session.rsplit('/').next().context("an id")?;
    let path = format!("/whep/lobby?participant={id}");
    let listener = guest.ask("POST", &path, &[SDP], &offer("recvonly"))?;
    ensure!(
        listener.status == 201 && listener.body.contains("a=sendonly"),
        "{listener:?}"
    );
    for told in [&speaker, &listener] {
        let link = format!("<{STUN}>; rel=\"ice-server\"");
        ensure!(told.header("link") == Some(&link), "{told:?}");
    }

    let trickle = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
                   m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
                   a=candidate:1 1 udp 2122260223 127.0.0.1 61764 typ host\r\n";
    let patch = |headers: &[(&str, &str)], body: &str| guest.ask("PATCH", session, headers, body);
    ensure!(patch(&[SDPFRAG, ("If-Match", etag)], trickle)?.status == 204);
    ensure!(patch(&[SDPFRAG], trickle)?.status == 428);
    ensure!(patch(&[SDPFRAG, ("If-Match", "\"other\"")], trickle)?.status == 412);
    ensure!(patch(&[SDP, ("If-Match", etag)], trickle)?.status == 415);
    ensure!(patch(&[SDPFRAG, ("If-Match", etag)], "nonsense")?.status == 400);
    let anew = trickle.replace("EsAw", "Anew");
    let restarted = patch(&[SDPFRAG, ("If-Match", "*")], &anew)?;
    ensure!(
        restarted.status == 200 && restarted.body.contains("a=ice-ufrag:"),
        "{restarted:?}"
    );
    let new_tag = restarted.header("etag").context("a new ETag")?;
    ensure!(new_tag != etag);
    ensure!(patch(&[SDPFRAG, ("If-Match", etag)], trickle)?.status == 412);
    ensure!(patch(&[SDPFRAG, ("If-Match", new_tag)], &anew)?.status == 204);

    let elsewhere = session.replace("/whip/", "/whep/");
    ensure!(
        guest.status("DELETE", &elsewhere, &[], "")? == 404,
        "it is no listener's"
    );
    ensure!(guest.status("GET", session, &[], "")? == 405);
    ensure!(guest.status("DELETE", session, &[], "")? == 200);
    ensure!(guest.status("DELETE", session, &[], "")? == 404);
    Ok(())
}

fn the_room_is_seen(guest: &Asker<'_>, token: &str) -> Result<()> {
    let stream = guest.worker.get(Some(token), "/v1/rooms/lobby/events")?;
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut views = lines.filter_map(|line| {
        let view: Value = serde_json::from_str(line.strip_prefix("data:")?.trim()).ok()?;
        let people = view["participants"].as_array()?.iter();
        let shown = |person: &Value| format!("{} {}", person["name"], person["speaks"]);
        Some(people.map(shown).collect::<Vec<_>>())
    });
    let mut until = |wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|one| one.to_string()).collect();
        views
            .find(|seen| *seen == wanted)
            .context(format!("{wanted:?} is never seen"))
    };
    until(&[])?;
    let bob = guest.ask(
        "POST",
        "/whip/lobby?name=Bob%20B.",
        &[SDP],
        &offer("sendonly"),
    )?;
    until(&["\"Bob B.\" true"])?;
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(guest.ask("POST", "/whep/lobby", &[SDP], &offer("recvonly"))?);
    }
    until(&[
        "\"Bob B.\" true",
        "\"Listener\" false",
        "\"Listener\" false",
    ])?;
    let full = guest.ask("POST", "/whep/lobby", &[SDP], &offer("recvonly"))?;
    ensure!(
        full.status == 409 && full.body.contains("is full"),
        "{full:?}"
    );
    for session in [&bob, &listeners[0], &listeners[1]] {
        let location = session.header("location").context("Location")?;
        ensure!(guest.status("DELETE", location, &[], "")? == 200);
    }
    until(&[])?;
    Ok(())
}

fn the_token_opens_no_more(guest: &Asker<'_>) -> Result<()> {
    let speaks = offer("sendonly");
    for (method, path) in [
        ("POST", "/whip/attic"),
        ("POST", "/v1/calls"),
        ("GET", "/v1/calls"),
        ("GET", "/v1/rooms/lobby/token"),
    ] {
        let answer = guest.ask(method, path, &[SDP], &speaks)?;
        ensure!(answer.status == 401, "{method} {path}: {answer:?}");
        ensure!(answer.header("www-authenticate") == Some("Bearer"));
    }
    let nobody = ask(guest.worker.http(), "POST", "/whip/lobby", &[SDP], &speaks)?;
    ensure!(nobody.status == 401);
    // Who may do anything may not make a room that there is not.
    let admin = Asker {
        worker: guest.worker,
        bearer: format!("Bearer {}", guest.worker.token()),
    };
    ensure!(admin.status("POST", "/whip/attic", &[SDP], &speaks)? == 404);
    ensure!(admin.status("POST", "/whip/a%20room", &[SDP], &speaks)? == 400);
    Ok(())
}

fn pages_elsewhere_may_ask(guest: &Asker<'_>) -> Result<()> {
    let app = ("Origin", "https://app.example");
    let wants = ("Access-Control-Request-Method", "POST");
    let http = guest.worker.http();
    let asked = ask(http, "OPTIONS", "/whip/lobby", &[app, wants], "")?;
    ensure!(asked.status == 204, "{asked:?}");
    let headers = asked
        .header("access-control-allow-headers")
        .context("headers")?;
    ensure!(
        headers.contains("Authorization") && headers.contains("If-Match"),
        "{headers}"
    );
    let speaker = guest.ask("POST", "/whip/lobby", &[SDP, app], &offer("sendonly"))?;
    ensure!(speaker.status == 201, "{speaker:?}");
    ensure!(speaker.header("access-control-allow-origin") == Some("https://app.example"));
    let readable = speaker
        .header("access-control-expose-headers")
        .context("some")?;
    ensure!(
        readable.contains("Location") && readable.contains("ETag"),
        "{readable}"
    );
    let session = speaker.header("location").context("Location")?;
    ensure!(guest.status("DELETE", session, &[app], "")? == 200);
    // A page must be able to read why it was refused.
    let nobody = ask(http, "POST", "/whip/lobby", &[SDP, app], "")?;
    ensure!(nobody.status == 401 && nobody.header("access-control-allow-origin").is_some());

    let other = ("Origin", "https://other.example");
    let refused = ask(http, "OPTIONS", "/whip/lobby", &[other, wants], "")?;
    ensure!(refused.status == 403 && refused.header("access-control-allow-origin").is_none());
    ensure!(guest.status("POST", "/whip/lobby", &[SDP, other], &offer("sendonly"))? == 403);
    Ok(())
}
