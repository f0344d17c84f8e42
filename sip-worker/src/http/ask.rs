// SPDX-License-Identifier: MPL-2.0
//! `sip-worker dial`, `calls` and `bans`: asking a running worker from the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrecy::SecretString;
use sip_ua::agent::{Tls, TlsFiles};
use sip_ua::guard::Source;

use super::bans::BanInfo;
use super::client::Client;
use crate::calls::{CallInfo, DialRequest};
use crate::config::{Config, Http};
use crate::installed;

/// Where the worker is.
#[derive(Debug, Clone, clap::Args)]
pub struct Whom {
    /// The worker's API, such as http://127.0.0.1:8080
    #[arg(long)]
    url: Option<String>,
    /// The file with its token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The configuration it runs with, for what is not given otherwise; found as `run` finds it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What `sip-worker dial` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct DialOptions {
    /// A number, or a sip: URI at the trunk's host
    to: String,
    /// The room to put the phone in
    #[arg(long)]
    room: String,
    /// The trunk; without it the first that may reach the number
    #[arg(long)]
    trunk: Option<String>,
    /// The SFU; without it the first
    #[arg(long)]
    sfu: Option<String>,
    /// The name the room sees
    #[arg(long)]
    name: Option<String>,
    /// Digits to send once answered
    #[arg(long)]
    dtmf: Option<String>,
    /// X- headers of the INVITE, as "Name: value"
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    #[command(flatten)]
    whom: Whom,
}

/// What `sip-worker calls` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct CallsOptions {
    /// Print the SIP messages of a call as a ladder
    #[arg(long, value_name = "ID")]
    ladder: Option<String>,
    /// With --ladder: each message whole
    #[arg(long, requires = "ladder")]
    messages: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    act: Act,
    #[command(flatten)]
    whom: Whom,
}

/// What `sip-worker bans` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct BansOptions {
    /// Lift the ban of an address, or of an IPv6 network as it is listed
    #[arg(long, value_name = "SOURCE")]
    lift: Option<Source>,
    /// Print JSON
    #[arg(long, conflicts_with = "lift")]
    json: bool,
    #[command(flatten)]
    whom: Whom,
}

/// What can be done to one call instead of listing all.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(multiple = false)]
struct Act {
    /// Hang up
    #[arg(long, value_name = "ID")]
    hangup: Option<String>,
    /// Put the phone on hold
    #[arg(long, value_name = "ID")]
    hold: Option<String>,
    /// Take it back
    #[arg(long, value_name = "ID")]
    unhold: Option<String>,
    /// Withhold what the phone says from the room
    #[arg(long, value_name = "ID")]
    mute: Option<String>,
    /// Let the room hear it again
    #[arg(long, value_name = "ID")]
    unmute: Option<String>,
    /// Ask the phone to call somebody else: a number, or the id of another call
    #[arg(long, num_args = 2, value_names = ["ID", "TO"])]
    transfer: Option<Vec<String>>,
    /// Send digits to the phone
    #[arg(long, num_args = 2, value_names = ["ID", "DIGITS"])]
    dtmf: Option<Vec<String>>,
}

impl Act {
    /// Method, path and body of what was asked for.
    fn request(&self) -> Option<(&'static str, String, Option<serde_json::Value>)> {
        let post = |id: &String, what: &str| ("POST", format!("/v1/calls/{id}/{what}"), None);
        let dtmf = || match self.dtmf.as_deref() {
            Some([id, digits]) => Some((
                "POST",
                format!("/v1/calls/{id}/dtmf"),
                Some(serde_json::json!({ "digits": digits })),
            )),
            _ => None,
        };
        let transfer = || match self.transfer.as_deref() {
            Some([id, to]) => {
                let what = if is_id(to) { "call" } else { "to" };
                Some((
                    "POST",
                    format!("/v1/calls/{id}/transfer"),
                    Some(serde_json::json!({ what: to })),
                ))
            }
            _ => None,
        };
        let hangup = || {
            let id = self.hangup.as_ref()?;
            Some(("DELETE", format!("/v1/calls/{id}"), None))
        };
        let asked = [
            (&self.hold, "hold"),
            (&self.unhold, "unhold"),
            (&self.mute, "mute"),
            (&self.unmute, "unmute"),
        ];
        let asked = asked.into_iter().find_map(|(id, what)| {
            let id = id.as_ref()?;
            Some(post(id, what))
        });
        asked.or_else(dtmf).or_else(transfer).or_else(hangup)
    }
}

/// Whether it looks like the id of a call, which no number does: sixteen hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `sip-worker dial`: prints the id of the call.
pub async fn dial(options: DialOptions) -> anyhow::Result<()> {
    let mut headers = BTreeMap::new();
    for line in &options.header {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("--header {line:?} is not of the form NAME: VALUE"))?;
        headers.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    let wanted = DialRequest {
        to: options.to,
        room: options.room,
        trunk: options.trunk,
        sfu: options.sfu,
        participant: None,
        name: options.name,
        headers,
        dtmf: options.dtmf,
    };
    let answer = client(&options.whom)?
        .ask("POST", "/v1/calls", Some(&serde_json::to_value(&wanted)?))
        .await?;
    let call: CallInfo = serde_json::from_value(answer)?;
    println!("{}", call.id);
    Ok(())
}

/// `sip-worker calls`: prints a line a call, or acts on one.
pub async fn calls(options: CallsOptions) -> anyhow::Result<()> {
    if let Some(id) = &options.ladder {
        return ladder(id, &options).await;
    }
    if let Some((method, path, body)) = options.act.request() {
        client(&options.whom)?
            .ask(method, &path, body.as_ref())
            .await?;
        return Ok(());
    }
    let answer = client(&options.whom)?.ask("GET", "/v1/calls", None).await?;
    if options.json {
        println!("{answer:#}");
        return Ok(());
    }
    let list = answer
        .get("calls")
        .cloned()
        .context("what answered is no sip-worker")?;
    let calls: Vec<CallInfo> = serde_json::from_value(list)?;
    if calls.is_empty() {
        println!("no calls");
    }
    for call in calls {
        println!("{}", line(&call));
    }
    Ok(())
}

/// `sip-worker bans`: prints a line a ban, or lifts one.
pub async fn bans(options: BansOptions) -> anyhow::Result<()> {
    let client = client(&options.whom)?;
    if let Some(source) = &options.lift {
        let path = format!("/v1/bans/{}", source.to_string().replace('/', "%2F"));
        client.ask("DELETE", &path, None).await?;
        return Ok(());
    }
    let answer = client.ask("GET", "/v1/bans", None).await?;
    if options.json {
        println!("{answer:#}");
        return Ok(());
    }
    let list = answer.get("bans").cloned();
    let bans: Vec<BanInfo> =
        serde_json::from_value(list.context("what answered is no sip-worker")?)?;
    if bans.is_empty() {
        println!("no bans");
    }
    for ban in bans {
        println!(
            "{}  ban {}, {} s left",
            ban.source, ban.nth, ban.seconds_left
        );
    }
    Ok(())
}

async fn ladder(id: &str, options: &CallsOptions) -> anyhow::Result<()> {
    // It becomes a part of a path.
    anyhow::ensure!(
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id:?} is no id of a call: sip-worker calls prints them"
    );
    let path = format!("/v1/calls/{id}/ladder?messages={}", options.messages);
    let answer = client(&options.whom)?.ask("GET", &path, None).await?;
    if options.json {
        println!("{answer:#}");
        return Ok(());
    }
    let text = answer.get("text").and_then(|text| text.as_str());
    print!("{}", text.context("what answered is no sip-worker")?);
    Ok(())
}

fn line(call: &CallInfo) -> String {
    let seconds = call
        .seconds
        .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0} s"));
    format!(
        "{}  {:<9} {:>7}  {} -> {}  room {}{}{}",
        call.id,
        call.state.as_str(),
        seconds,
        call.from,
        call.to,
        call.room,
        match (call.held, call.held_by_phone) {
            (false, false) => "",
            (true, _) => "  on hold",
            (false, true) => "  held by the phone",
        },
        call.why
            .as_ref()
            .map_or_else(String::new, |why| format!("  ({why})")),
    )
}

fn client(whom: &Whom) -> anyhow::Result<Client> {
    let (mut url, mut file) = (whom.url.clone(), whom.token_file.clone());
    let mut tls = Tls::default();
    if url.is_none() || file.is_none() {
        let path = whom.config.clone().unwrap_or_else(installed::config);
        let config = Config::load(&path).context("--url and --token-file are not both given")?;
        let http = config
            .http
            .with_context(|| format!("{} has no [http]", path.display()))?;
        url.get_or_insert_with(|| of(&http));
        // What the worker shows is believed, whoever signed it: the file is ours.
        tls = Tls::load(TlsFiles {
            ca_file: http.tls.and_then(|files| files.cert_file),
            ..TlsFiles::default()
        })?;
        file.get_or_insert(http.token_file);
    }
    let (url, file) = (url.unwrap_or_default(), file.unwrap_or_default());
    Ok(Client::new(&url, token(&file)?, tls))
}

/// Where a worker is that is configured in this way: by a name that its certificate may have.
fn of(http: &Http) -> String {
    match (&http.tls, http.hosts.first()) {
        (None, _) => format!("http://{}", http.listen),
        (Some(_), Some(name)) => format!("https://{name}:{}", http.listen.port()),
        (Some(_), None) => format!("https://{}", http.listen),
    }
}

fn token(file: &Path) -> anyhow::Result<SecretString> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("token file {}", file.display()))?;
    Ok(SecretString::from(text.trim().to_owned()))
}
