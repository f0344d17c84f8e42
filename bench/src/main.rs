// SPDX-License-Identifier: MPL-2.0
//! Measurements beside other software: the same work, on this machine, in one run.
//!
//! `./dev bench` installs what they need and runs this.

mod answerer;
mod bare;
mod bridge;
mod legs;
mod load;
mod machine;
mod peers;
mod phones;
mod process;
mod progress;
mod report;
mod runs;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};

use report::Report;
use runs::Bench;

#[derive(Parser)]
#[command(
    name = "./dev bench",
    about = "Measurements beside other software",
    args_override_self = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Where the results go.
    #[arg(long, global = true, default_value = "target/bench")]
    out: PathBuf,
    /// How many seconds each load is measured.
    #[arg(long, global = true, default_value_t = 12)]
    seconds: u64,
    /// Measures though something else loads the machine; the results say so.
    #[arg(long, global = true)]
    despite_load: bool,
    /// Only those with this in their name.
    #[arg(long, global = true)]
    only: Option<String>,
}

#[derive(Subcommand, Clone, PartialEq, Eq)]
enum Command {
    /// All of them, but for the soak.
    All,
    /// PCMU to Opus and back, beside rtpengine and stock GStreamer.
    Transcode,
    /// Conferences, beside Janus's AudioBridge.
    Mixing,
    /// A WebRTC connection, beside webrtcbin; calls between phones and WebRTC, beside rtpengine's plain ones.
    Webrtc,
    /// Fifty phones in a room of the worker's in which twenty people talk: each voice is decoded once.
    Room,
    /// Bridges: G.711 that passes as it is, and PCMU to Opus, beside rtpengine in user space.
    Bridge,
    /// What more calls cost: 1, 10, 50, 100, 200.
    Growth,
    /// How speech sounds over good and bad networks (PESQ), beside rtpengine, stock GStreamer and AudioBridge.
    Quality,
    /// Calls that come and go for half an hour, over a bridge and then into rooms of the worker: memory must stay
    /// flat.
    Soak {
        #[arg(long, default_value_t = 30)]
        minutes: u64,
    },
    /// Calls set up and hung up, faster and faster: what one costs, and what it leaves behind.
    Calls,
    /// Calls through the worker, each answered with media in a room of its own, faster and faster.
    Worker,
    /// The process that answers calls, when we are measured ourselves.
    #[command(hide = true)]
    Answerer,
    /// The one that does nothing else: what the system takes for a call.
    #[command(hide = true)]
    Bare,
    /// The process that bridges, when we are measured ourselves.
    #[command(hide = true)]
    Bridging,
    /// The process of WebRTC connections on this element, when they are measured.
    #[command(hide = true)]
    Legs { element: String },
    /// The process of telephones that call the worker.
    #[command(hide = true)]
    Phones,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::All) {
        Command::Answerer => answerer::run(),
        Command::Bare => bare::run(),
        Command::Bridging => bridge::run(),
        Command::Legs { element } => legs::run(&element),
        Command::Phones => phones::run(),
        command => bench(command, &cli.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n./dev bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(command: Command, options: &Options) -> Result<()> {
    gst::init().context("GStreamer does not start")?;
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make {}", options.out.display()))?;
    let mut report = Report::new();
    match machine::must_be_quiet() {
        Err(error) if !options.despite_load => return Err(error),
        quiet => report.despite_load = quiet.err().map(|error| error.to_string()),
    }
    let mut bench = Bench::new(options.out.clone(), options.despite_load)?;
    let measured = Duration::from_secs(options.seconds.max(2));
    let wanted = |one: Command| command == one || command == Command::All;
    if wanted(Command::Transcode) {
        let only = options.only.as_deref();
        report.transcoding = Some(runs::transcode::transcode(&mut bench, measured, only)?);
    }
    if wanted(Command::Mixing) {
        let only = options.only.as_deref();
        report.mixing = Some(runs::mixing::mixing(&mut bench, measured, only)?);
    }
    if wanted(Command::Quality) {
        let only = options.only.as_deref();
        report.quality = Some(runs::quality::quality(&mut bench, only)?);
    }
    if wanted(Command::Webrtc) {
        let only = options.only.as_deref();
        report.webrtc = Some(runs::webrtc::webrtc(&mut bench, measured, only)?);
    }
    if wanted(Command::Room) {
        report.room = Some(runs::room::room(&mut bench, measured)?);
    }
    if wanted(Command::Bridge) {
        report.bridges = Some(runs::bridge::bridges(&mut bench, measured)?);
    }
    if wanted(Command::Growth) {
        report.growth = Some(runs::growth::growth(&mut bench, measured)?);
    }
    if wanted(Command::Calls) {
        let only = options.only.as_deref();
        report.calls = Some(runs::calls::calls(&mut bench, measured, only)?);
    }
    if wanted(Command::Worker) {
        let only = options.only.as_deref();
        report.worker = Some(runs::worker::worker(&mut bench, measured, only)?);
    }
    if let Command::Soak { minutes } = command {
        let length = Duration::from_secs(minutes * 60);
        let only = options.only.as_deref();
        report.soaks = runs::soak::soak(&mut bench, length, only)?;
    }
    bench.progress.step("done", Duration::ZERO);
    eprintln!();
    println!("{}", report.text());
    for path in report.write(&options.out)? {
        println!("{}", path.display());
    }
    if let Some(soak) = report.soaks.iter().find(|soak| !soak.flat) {
        bail!(
            "memory of the {} is not flat: {:.1} KiB a minute",
            soak.what,
            soak.kib_a_minute
        );
    }
    Ok(())
}
