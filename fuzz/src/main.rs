// SPDX-License-Identifier: MPL-2.0
//! `./dev fuzz`: spoiled input for as long as one likes.

mod last;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use last::Last;
use sipbridge_fuzz::{Campaign, Finding, TARGETS, Target, target};
use watch::Watched;

#[derive(Parser)]
#[command(
    name = "./dev fuzz",
    about = "Spoiled input for everything that reads what others send"
)]
struct Cli {
    /// Only this one: see --list. All of them, one after the other, without it.
    target: Option<String>,
    /// How long each.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// What the run draws its numbers from. Default: another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Which targets there are.
    #[arg(long)]
    list: bool,
    /// Tries this one input.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Where inputs are put that a target cannot bear.
    #[arg(long, default_value = "target/fuzz")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        TARGETS
            .iter()
            .for_each(|target| println!("{:<12} {}", target.name, target.about));
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&'static Target> = match cli.target.as_deref() {
        None => TARGETS.iter().collect(),
        Some(name) => match target(name) {
            Some(target) => vec![target],
            None => {
                let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                eprintln!(
                    "there is no target {name:?}; there are {}",
                    known.join(", ")
                );
                return ExitCode::from(2);
            }
        },
    };
    let seed = cli.seed.unwrap_or_else(rand::random);
    let clean = chosen.into_iter().map(|target| match &cli.input {
        Some(path) => once(target, path),
        None => fuzz(target, seed, cli.minutes, &cli.out),
    });
    // All of them, whatever the first one finds.
    match clean.filter(|clean| !clean).count() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn once(target: &'static Target, path: &Path) -> bool {
    let input = match std::fs::read(path) {
        Ok(input) => input,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return false;
        }
    };
    println!("{}: {} octets", target.name, input.len());
    // Its panic, if it has one, is shown as any other.
    (target.run)(&input, &mut sipbridge_fuzz::Traits::default());
    true
}

/// False if something was found.
fn fuzz(target: &'static Target, seed: u64, minutes: f64, out: &Path) -> bool {
    println!("{}: --seed {seed}", target.name);
    let watched = Watched::by_this_thread();
    let folder = out.to_owned();
    watched.ends_the_process(move |most, input| {
        eprintln!("{}: it takes longer than {most:?}", target.name);
        write(target, input, &folder);
    });
    let last = match Last::begin(&out.join(target.name)) {
        Ok(last) => last,
        Err(error) => {
            eprintln!("{}: {error}", out.display());
            return false;
        }
    };
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(minutes.max(0.0) * 60.0);
    let mut told = started;
    let mut campaign = match Campaign::begin(target, seed) {
        Ok(campaign) => campaign,
        Err(finding) => return keep(target, finding, out),
    };
    loop {
        let now = Instant::now();
        if now >= end || now.duration_since(told) >= Duration::from_secs(60) {
            told = now;
            let (tried, kept, seen) = campaign.counts();
            let minutes = started.elapsed().as_secs_f64() / 60.0;
            println!(
                "{}: {minutes:.1} min, {tried} inputs, {kept} kept, {seen} traits",
                target.name
            );
        }
        if now >= end {
            return true;
        }
        let input = campaign.spoil();
        last.is(&input);
        watched.tries(input.clone());
        let result = campaign.attempt(input);
        watched.is_done();
        if let Err(finding) = result {
            return keep(target, finding, out);
        }
    }
}

fn keep(target: &'static Target, finding: Finding, out: &Path) -> bool {
    let Finding { input, why } = finding.shrunk(target);
    eprintln!("{}: {why}", target.name);
    write(target, &input, out);
    false
}

/// Puts an input where it can be tried again.
fn write(target: &Target, input: &[u8], out: &Path) {
    let folder = out.join(target.name);
    let path = folder.join(format!("{:08x}", rand::random::<u32>()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    match written {
        Ok(()) => eprintln!(
            "its input ({} octets) is {path}; try it with ./dev fuzz {} --input {path}",
            input.len(),
            target.name,
            path = path.display()
        ),
        Err(error) => eprintln!("{}: {error}: {}", path.display(), input.escape_ascii()),
    }
}
