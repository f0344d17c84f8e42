// SPDX-License-Identifier: MPL-2.0
//! The `sip-worker` program: reads the command line and hands over to the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sip_worker::{check, demo, http, installed, phone, run, worker};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Puts telephone calls in any WebRTC room.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take calls until told to stop (SIGTERM); SIGHUP reads media graphs and certificates again
    Run {
        /// The configuration; without it sip-worker.toml here, else /etc/sipbridge/sip-worker.toml
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say what is wrong with configurations and media graphs; exits 2 if anything is
    Check {
        /// Configurations and media graphs; without any: the one `run` uses
        files: Vec<PathBuf>,
    },
    /// Have a running worker call a phone and put it in a room
    Dial(http::ask::DialOptions),
    /// List the calls of a running worker
    Calls(http::ask::CallsOptions),
    /// List who a running worker has banned, or let one in again
    Bans(http::ask::BansOptions),
    /// A test phone: calls, or waits to be called
    Phone(phone::PhoneOptions),
    /// A first call on this machine alone, measured and drawn
    Demo(demo::DemoOptions),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Quiet where standard error shows a live line, and where a person reads the output.
    let quiet = !matches!(cli.command, Command::Run { .. });
    log_to_stderr(if quiet { "error" } else { RUNNING });

    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Run { config } => run::run(&config.unwrap_or_else(installed::config)).await,
            Command::Check { files } => return Ok(findings(&files)),
            Command::Dial(options) => http::ask::dial(options).await,
            Command::Calls(options) => http::ask::calls(options).await,
            Command::Bans(options) => http::ask::bans(options).await,
            Command::Phone(options) => phone::run(options).await,
            Command::Demo(options) => demo::run(options).await,
        }
        .map(|()| ExitCode::SUCCESS)
    });
    // A thread that still waits for a pipeline must not keep the process.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| failed(&error))
}

/// The TURN client tells each of its steps at the level of our calls. What goes wrong is told all the same.
const RUNNING: &str = "info,turn_client_proto=warn,turn_types=warn,stun_proto=warn,stun_types=warn";

/// As `RUST_LOG` asks, else as `usual` says.
fn log_to_stderr(usual: &str) {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    // The WebSocket library logs whole frames, and those to an SFU carry its secrets; the STUN library names the key
    // of a message with the steps of signing it. Whatever was asked for, there they stay silent.
    let no_secrets = filter_fn(|event| {
        let target = event.target();
        let signs = target.starts_with("stun_types") && *event.level() == Level::TRACE;
        !target.starts_with("tungstenite") && !signs
    });
    tracing_subscriber::registry()
        .with(asked)
        .with(no_secrets)
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .init();
}

/// A sentence for each thing that is wrong.
fn findings(files: &[PathBuf]) -> ExitCode {
    if let Err(error) = worker::init_media() {
        return failed(&error.into());
    }
    let usual = [installed::config()];
    let found = check::check(if files.is_empty() { &usual } else { files });
    for finding in &found {
        eprintln!("{finding}");
    }
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("sip-worker: {error:#}");
    // A wrong configuration exits as `check` does.
    let code = if error.is::<sip_worker::config::ConfigError>() {
        2
    } else {
        1
    };
    ExitCode::from(code)
}
