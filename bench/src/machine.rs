// SPDX-License-Identifier: MPL-2.0
//! The machine: what it is, whether it is quiet, and which of its cores does what.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

/// Of one core; more than this by others, and figures would be theirs too.
const BUSY_MAX_PERCENT: f64 = 8.0;
/// How long to look whether the machine is quiet.
const LOOK: Duration = Duration::from_secs(3);

/// What a figure depends on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub system: String,
}

impl Machine {
    pub fn here() -> Machine {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str, between: char| {
            let mut lines = text.lines().filter_map(|line| line.split_once(between));
            lines
                .find(|(name, _)| name.trim() == key)
                .map_or_else(String::new, |(_, value)| {
                    value.trim().trim_matches('"').to_owned()
                })
        };
        Machine {
            cpu: value(&text("/proc/cpuinfo"), "model name", ':'),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: value(&text("/etc/os-release"), "PRETTY_NAME", '='),
        }
    }
}

/// Which cores the generator and what is measured run on: never the same one.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    pub generator: usize,
    pub measured: usize,
}

impl Cores {
    pub fn choose() -> Result<Cores> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if cores < 2 {
            bail!("there must be two cores: one for what is measured, one for the load");
        }
        Ok(Cores {
            generator: 0,
            measured: cores - 1,
        })
    }
}

/// Has the calling thread, and what it starts from now on, run on this core only.
pub fn pin(core: usize) -> std::io::Result<()> {
    // SAFETY: a set of zeros is a valid one, and the macro keeps within it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Processor time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    // SAFETY: the place for the time is ours.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time
    };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Processor time used by everybody, as the kernel counts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Burden {
    busy_ticks: u64,
    stolen_ticks: u64,
}

impl Burden {
    pub fn now() -> Result<Burden> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let at = |index: usize| ticks.get(index).copied().unwrap_or(0);
        Ok(Burden {
            busy_ticks: at(0) + at(1) + at(2) + at(5) + at(6),
            stolen_ticks: at(7),
        })
    }

    /// What everybody used since then, and what the hypervisor kept from us.
    pub fn since(&self, before: &Burden) -> (Duration, Duration) {
        let time = |now: u64, before: u64| {
            Duration::from_secs_f64(now.saturating_sub(before) as f64 / ticks_per_second())
        };
        (
            time(self.busy_ticks, before.busy_ticks),
            time(self.stolen_ticks, before.stolen_ticks),
        )
    }
}

pub fn ticks_per_second() -> f64 {
    // SAFETY: asks for a constant.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// Fails, naming who is at work, unless nobody is.
pub fn must_be_quiet() -> Result<()> {
    must_be_quiet_for(LOOK)
}

/// Waits, for so long at most, until nobody else is at work.
pub fn wait_until_quiet(patience: Duration) {
    let over = Instant::now() + patience;
    while must_be_quiet().is_err() && Instant::now() < over {}
}

fn must_be_quiet_for(look: Duration) -> Result<()> {
    let (before, used_before) = (Burden::now()?, everybody());
    std::thread::sleep(look);
    let (busy, _) = Burden::now()?.since(&before);
    let percent = 100.0 * busy.as_secs_f64() / look.as_secs_f64();
    if percent <= BUSY_MAX_PERCENT {
        return Ok(());
    }
    let mut guilty: Vec<(u64, String)> = everybody()
        .into_iter()
        .map(|(pid, (name, ticks))| {
            let before = used_before.get(&pid).map_or(0, |(_, ticks)| *ticks);
            (ticks.saturating_sub(before), format!("{name} ({pid})"))
        })
        .filter(|(ticks, _)| *ticks > 0)
        .collect();
    guilty.sort_by(|a, b| b.cmp(a));
    let names: Vec<String> = guilty.into_iter().take(4).map(|(_, name)| name).collect();
    bail!(
        "something else loads this machine ({percent:.0} % of a core{}{}): figures would be wrong. Try again when it is quiet",
        if names.is_empty() { "" } else { ": " },
        names.join(", ")
    )
}

/// Name and processor time of every process.
fn everybody() -> HashMap<u32, (String, u64)> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    folder
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (before, _) = stat.rsplit_once(')')?;
            let name = before.split_once('(')?.1.to_owned();
            Some((pid, (name, crate::process::ticks_in(&stat)?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn work_is_counted() {
        let (burden, mine) = (Burden::now().unwrap(), thread_cpu_time());
        while thread_cpu_time() - mine < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        let (busy, _) = Burden::now().unwrap().since(&burden);
        assert!(busy >= Duration::from_millis(20), "{busy:?}");
        assert!(everybody().contains_key(&std::process::id()));
    }

    #[test]
    fn a_busy_machine_is_refused_by_name() {
        let over = AtomicBool::new(false);
        let refused = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let refused = must_be_quiet_for(Duration::from_millis(500));
            over.store(true, Ordering::Relaxed);
            refused
        });
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("something else loads this machine"), "{said}");
        assert!(
            said.contains(&format!("({})", std::process::id())),
            "{said}"
        );
    }

    #[test]
    fn the_machine_is_described() {
        let machine = Machine::here();
        assert!(machine.cores > 0 && !machine.kernel.is_empty());
    }
}
