// SPDX-License-Identifier: MPL-2.0
//! Canaries stand for every secret the worker holds. It is made to talk as much as it can, and no log, event, metric,
//! page or error shows one of them, however it is written.

use anyhow::{Context as _, Result};
use serde_json::json;
use sip_ua::agent::{Agent, AgentConfig, IncomingCall, Verdict};
use sip_ua::digest::server::{Presented, Verifier};
use sip_ua::sdp::{Codec, LocalMedia, LocalSrtp, SrtpPolicy, answer};
use sip_ua::wire::{HeaderName, Method};
use sipbridge_tests::janus::Options;
use sipbridge_tests::scene::{NUMBER, ROOM, Scene, Setup, route};
use sipbridge_tests::scripted::{Scripted, response};
use sipbridge_tests::worker::run_once;
use sipbridge_tests::{out_dir, ports};
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const SCENARIO: &str = "secrets_stay_secret";
const SOON: Duration = Duration::from_secs(5);
/// What leads to rooms of other kinds of SFU.
const BY_WHIP: &str = "2000";
const BY_RTP: &str = "3000";
/// Whom the carrier believes no password.
const REFUSED: &str = "refused";
/// Who does not want to talk.
const BUSY: &str = "busy";

#[test]
fn secrets_stay_secret() -> Result<()> {
    let folder = out_dir(SCENARIO);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("dots"))?;
    let secret = |name: &str| -> Result<(String, PathBuf)> {
        let (canary, file) = (canary(), folder.join(name));
        std::fs::write(&file, format!("{canary}\n"))?;
        Ok((canary, file))
    };
    let (outgoing, outgoing_file) = secret("outgoing-password")?;
    let (incoming, incoming_file) = secret("incoming-password")?;
    let (api_secret, api_secret_file) = secret("api-secret")?;
    let (pin, pin_file) = secret("room-pin")?;
    let (whip_token, whip_token_file) = secret("whip-token")?;
    let (rtp_token, rtp_token_file) = secret("rtp-token")?;
    let (turn_secret, turn_secret_file) = secret("turn-secret")?;
    // Servers that let nobody in, and say more of that than they should.
    let refuses = |token: &str| {
        let body = format!("{{\"error\":\"not by {token}\"}}");
        let kind = "Content-Type: application/json\r\n";
        let refusal = response("403 Forbidden", kind, &body);
        Scripted::start(move |request| {
            let greets = request.starts_with("OPTIONS");
            Some(match greets {
                true => response("204 No Content", "", ""),
                false => refusal.clone(),
            })
        })
    };
    let (by_whip, by_rtp) = (refuses(&whip_token)?, refuses(&rtp_token)?);

    let runtime = tokio::runtime::Runtime::new()?;
    let keys = Keys::default();
    let carrier = runtime.block_on(carrier(outgoing.clone(), keys.clone()))?;
    let tables = format!(
        "[[trunk]]
name = \"carrier\"
uri = \"sip:{carrier}\"
srtp = \"required\"
username = \"worker\"
password_file = \"{}\"
dial_allow = [\"*\"]

[[trunk]]
name = \"phones\"
srtp = \"required\"
auth = {{ username = \"alice\", password_file = \"{}\" }}

[[sfu]]
name = \"whip\"
kind = \"whip\"
whip = \"http://{}/whip/{{room}}/{{participant}}\"
whep = [\"http://{}/whep/{{room}}\"]
token_file = \"{}\"

[[sfu]]
name = \"rtp\"
kind = \"rtp\"
url = \"http://{}/\"
address = \"127.0.0.1\"
token_file = \"{}\"

[[route]]
to = \"{BY_WHIP}\"
sfu = \"whip\"
room = \"{ROOM}\"

[[route]]
to = \"{BY_RTP}\"
sfu = \"rtp\"
room = \"{ROOM}\"

{}",
        outgoing_file.display(),
        incoming_file.display(),
        by_whip.address,
        by_whip.address,
        whip_token_file.display(),
        by_rtp.address,
        rtp_token_file.display(),
        route("at-once")
    );
    let mut scene = Scene::open_with(
        SCENARIO,
        &tables,
        Setup {
            sfu: format!(
                "api_secret_file = \"{}\"\nroom_pin_file = \"{}\"",
                api_secret_file.display(),
                pin_file.display()
            ),
            // Nobody is there, and it is asked all the same.
            ice: format!(
                "turn = [\"turn:127.0.0.1:{}?transport=udp\"]\nturn_secret_file = \"{}\"\nturn_policy = \"all\"",
                ports::free(),
                turn_secret_file.display()
            ),
            environment: vec![
                ("RUST_LOG", "trace".to_owned()),
                ("RUST_BACKTRACE", "1".to_owned()),
                ("GST_DEBUG", "*:4,sip*:7".to_owned()),
                ("GST_DEBUG_NO_COLOR", "1".to_owned()),
                (
                    "GST_DEBUG_DUMP_DOT_DIR",
                    folder.join("dots").display().to_string(),
                ),
            ],
            janus: Options {
                api_secret: Some(api_secret.clone()),
                ..Options::default()
            },
            ..Setup::default()
        },
    )?;
    let token = scene.worker.token().to_owned();
    let mut events = scene.worker.get(Some(&token), "/v1/events")?;
    let events = std::thread::spawn(move || {
        let mut told = String::new();
        events.read_to_string(&mut told).map(|_| told)
    });
    let mut said = Vec::new();

    // Calls out: one that is taken, one refused for its password, one for another reason.
    for (to, ends) in [("bob", "active"), (REFUSED, "ended"), (BUSY, "ended")] {
        let wanted = json!({ "to": to, "trunk": "carrier", "room": ROOM });
        let id = scene.worker.call(&wanted)?;
        let call = scene.worker.until_call(ends, SOON, |call| {
            call["id"] == *id && call["state"] == ends
        })?;
        said.push(call.to_string());
        let mut ladder = String::new();
        let path = format!("/v1/calls/{id}/ladder");
        scene
            .worker
            .get(Some(&token), &path)?
            .read_to_string(&mut ladder)?;
        assert!(ladder.contains("a=crypto:1"), "its SDP is shown: {ladder}");
        said.push(ladder);
    }
    // Calls in: a good one, and one with another secret of ours for a password.
    for (password, good) in [(&incoming_file, true), (&outgoing_file, false)] {
        let output = calls(&scene.worker.uri(NUMBER), password)?;
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), good, "{printed}");
        said.push(printed + &String::from_utf8_lossy(&output.stdout));
    }
    // Calls into rooms of servers that refuse them.
    for (number, server, secret) in [
        (BY_WHIP, &by_whip, &whip_token),
        (BY_RTP, &by_rtp, &rtp_token),
    ] {
        let output = calls(&scene.worker.uri(number), &incoming_file)?;
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{number} is answered: {printed}");
        said.push(printed);
        // It was given the token.
        assert!(server.asked().concat().contains(&**secret), "{number}");
    }
    // What is asked, with the token and with a wrong one that is a secret too.
    for token in [Some(token.as_str()), Some(&api_secret), None] {
        for path in [
            "/",
            "/v1/calls",
            "/v1/calls/none",
            "/v1/rooms",
            "/metrics",
            "/readyz",
            "/nowhere",
        ] {
            let mut answer = String::new();
            scene.worker.get(token, path)?.read_to_string(&mut answer)?;
            said.push(answer);
        }
    }
    scene.worker.process().terminate()?;
    let told = events.join().ok().context("the reader of events")??;
    assert!(told.contains("\"ended\""), "events came: {told}");
    said.push(told);
    let log = scene.worker.process().printed();
    for source in ["sip_worker", "TRACE", "GST_STATES"] {
        assert!(log.contains(source), "{source} talks in the log");
    }
    std::fs::write(folder.join("said.txt"), said.join("\n"))?;

    let token_file = scene.worker.token_file().to_owned();
    for (what, canary, file) in [
        ("the API's token", token, token_file),
        ("the password of calls out", outgoing, outgoing_file),
        ("the password of calls in", incoming, incoming_file),
        ("Janus' secret", api_secret, api_secret_file),
        ("the PIN of rooms", pin, pin_file),
        ("the token for WHIP", whip_token, whip_token_file),
        ("the token for plain RTP", rtp_token, rtp_token_file),
        ("the secret of relays", turn_secret, turn_secret_file),
    ] {
        // That it is found where it belongs shows that it would be found elsewhere.
        assert_eq!(holding(canary.as_bytes(), &folder)?, [file], "{what}");
    }
    // The keys of SRTP, of both sides: in the SIP messages, and nowhere else.
    let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(keys.len() > 3, "{} keys were seen", keys.len());
    let file = folder.join("keys");
    for key in keys {
        std::fs::write(&file, &key)?;
        assert_eq!(holding(key.as_bytes(), &folder)?, [file.as_path()]);
        let bytes = gst::glib::base64_decode(&key);
        assert_eq!(holding(&bytes, &folder)?, [file.as_path()]);
    }
    Ok(())
}

/// Somebody calls, with what is in this file for a password.
fn calls(uri: &str, password: &Path) -> Result<Output> {
    run_once(&[
        "phone",
        uri,
        "--user",
        "alice",
        "--password-file",
        &password.to_string_lossy(),
        "--srtp",
        "required",
        "--seconds",
        "0.5",
    ])
}

fn canary() -> String {
    format!("canary{:032x}", rand::random::<u128>())
}

/// What stood in `a=crypto` lines, in Base64.
type Keys = Arc<Mutex<Vec<String>>>;

fn keys_in(sdp: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(sdp)
        .lines()
        .filter(|line| line.starts_with("a=crypto:"))
        .filter_map(|line| line.split_once("inline:"))
        .map(|(_, key)| key.to_owned())
        .collect()
}

/// A carrier that asks callers for `password`, and keeps the keys of their media and of its own.
async fn carrier(password: String, keys: Keys) -> Result<SocketAddr> {
    let lifetime = Duration::from_secs(60);
    let verifier = Mutex::new(Verifier::new("carrier", Instant::now(), lifetime, 100));
    let (agent, incoming) = Agent::bind(AgentConfig {
        screen: Arc::new(move |request, source| {
            if request.method != Method::Invite {
                return Verdict::Allow;
            }
            let now = Instant::now();
            let presented = Presented {
                source: source.ip(),
                method: &request.method,
                uri: &request.uri,
                body: &request.body,
            };
            let known = request.uri.user.as_deref() != Some(REFUSED.as_bytes());
            let mut verifier = verifier.lock().unwrap_or_else(PoisonError::into_inner);
            let given = request.headers.get_all(HeaderName::Authorization);
            match verifier.verify(now, presented, given, |_| known.then(|| password.clone())) {
                Ok(_) => Verdict::Allow,
                Err(denied) => {
                    Verdict::Challenge(verifier.challenges(now, source.ip(), denied.is_stale()))
                }
            }
        }),
        ..AgentConfig::default()
    })
    .await?;
    let address = agent.local_addr();
    tokio::spawn(take(agent, incoming, keys));
    Ok(address)
}

/// Takes every call but those to [`BUSY`], and says nothing in them.
async fn take(_agent: Agent, mut incoming: mpsc::Receiver<IncomingCall>, keys: Keys) {
    let mut taken = Vec::new();
    while let Some(IncomingCall { request, call, .. }) = incoming.recv().await {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let local = LocalMedia {
            srtp: LocalSrtp::new(SrtpPolicy::Required),
            ..LocalMedia::new(here, ports::free(), vec![Codec::Pcmu])
        };
        let seen = |sdp: &[u8]| {
            let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.extend(keys_in(sdp));
        };
        seen(&request.body);
        match answer(&local, &request.body) {
            Ok((sdp, _)) if request.uri.user.as_deref() != Some(BUSY.as_bytes()) => {
                seen(&sdp);
                call.handle.accept(sdp);
            }
            _ => call.handle.reject(486, None),
        }
        taken.push(call);
    }
}

/// The files under `folder` that hold `secret`.
fn holding(secret: &[u8], folder: &Path) -> Result<Vec<PathBuf>> {
    let forms = written(secret);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(holding(secret, &path)?);
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).to_lowercase();
        if forms.iter().any(|form| text.contains(form)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// How a text may end in a log, in lower case: as it is, as hexadecimal, as a list of numbers, as Base64.
fn written(secret: &[u8]) -> Vec<String> {
    let mut hexadecimal = String::new();
    let mut numbers = Vec::new();
    for byte in secret {
        // Writing into a String cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
        numbers.push(byte.to_string());
    }
    let mut forms = vec![hexadecimal, numbers.join(", ")];
    if let Ok(text) = std::str::from_utf8(secret) {
        forms.push(text.to_lowercase());
    }
    // Base64 of the secret somewhere in a longer text: from any of the three places in a group of bytes.
    for skipped in 0..3 {
        let whole = (secret.len() - skipped) / 3 * 3;
        forms.push(gst::glib::base64_encode(&secret[skipped..skipped + whole]).to_lowercase());
    }
    forms
}
