// SPDX-License-Identifier: MPL-2.0
//! Calls that are set up and hung up, faster and faster, until one fails: what a call takes, and what it
//! leaves behind until its transactions are forgotten.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::load::AGAIN;
use super::strain::OTHERS_MAX_PERCENT;
use crate::load::{Caller, Counts, Way};
use crate::machine::Burden;
use crate::peers::Answerer;
use crate::process::Usage;

/// Calls a second that are tried in turn.
const RATES: [u32; 8] = [500, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 6_000];

/// How long a call that is up stays so.
pub(super) const STAY: Duration = Duration::from_millis(100);

/// What everybody's first calls make: buffers, tables, a connection.
const FIRST_CALLS: u64 = 200;

/// 64·T1: for so long finished transactions are remembered (RFC 3261 §17, RFC 6026).
const REMEMBERED: Duration = Duration::from_secs(32);

/// After so long nothing of them may be left.
const FORGOTTEN: Duration = Duration::from_secs(64);

/// Calls that are up and say nothing.
const IDLE: u64 = 20_000;
const IDLE_CALLS_A_SECOND: u32 = 1_000;

/// The whole measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Calls {
    pub ways: Vec<Rates>,
    pub idle: Option<Idle>,
}

/// One way for calls to come, faster and faster.
#[derive(Debug, Clone, Serialize)]
pub struct Rates {
    pub way: Way,
    /// The last of them is the first that did not do.
    pub steps: Vec<Step>,
    /// The same calls at the rate that a user agent has to carry, answered without a user agent: what the system
    /// takes for them.
    pub bare: Option<Step>,
    pub retention: Option<Retention>,
}

impl Rates {
    /// The highest rate at which no call failed.
    pub fn most(&self) -> Option<u32> {
        let clean = self.steps.iter().filter(|step| step.is_clean());
        clean.map(|step| step.calls_a_second).max()
    }
}

/// One rate.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub calls_a_second: u32,
    /// Processor time of the answerer.
    pub cpu_us_per_call: f64,
    pub cpu_percent: f64,
    pub callers: Counts,
    /// Calls that, to the answerer, were not up and hung up.
    pub failed_here: u64,
    #[serde(flatten)]
    pub around: Around,
}

impl Step {
    pub fn is_clean(&self) -> bool {
        self.callers.failed == 0 && self.failed_here == 0 && !self.callers.late
    }

    pub fn said(&self) -> String {
        let callers = &self.callers;
        format!(
            "{:.0} us and {:.0} % of a core, {} of {} failed, {} sent again; callers {:.0} %{}",
            self.cpu_us_per_call,
            self.cpu_percent,
            callers.failed.max(self.failed_here),
            callers.calls,
            callers.retransmissions,
            callers.cpu_percent,
            match callers.late {
                true => ", and they were late",
                false => "",
            }
        )
    }
}

/// What others used meanwhile, and what the hypervisor kept from us, of one core.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Around {
    pub others_percent: f64,
    pub stolen_percent: f64,
}

/// Memory under calls that come and go, with nothing of them left in the end.
#[derive(Debug, Clone, Serialize)]
pub struct Retention {
    pub calls_a_second: u32,
    pub start_kib: u64,
    /// When as many calls are remembered as the rate makes it remember.
    pub peak_kib: u64,
    pub calls_remembered: u64,
    pub bytes_per_call: f64,
    /// 64 s after the last call.
    pub end_kib: u64,
    pub transactions_left: usize,
    pub callers: Counts,
}

/// Many calls that are up, long after they were answered.
#[derive(Debug, Clone, Serialize)]
pub struct Idle {
    pub dialogs: usize,
    pub memory_kib: u64,
    pub bytes_per_dialog: f64,
}

/// All ways in turn. `only`: a part of the name of those wanted.
pub fn calls(bench: &mut Bench, measured: Duration, only: Option<&str>) -> Result<Calls> {
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut ways = Vec::new();
    for way in Way::ALL {
        if wanted(way.said()) {
            let steps = faster_and_faster(bench, way, measured)?;
            let mut rates = Rates {
                way,
                steps,
                bare: Some(bare(bench, way, measured)?),
                retention: None,
            };
            // Where rates fail it would be measured how failures are remembered.
            let most = rates.most().map(|most| most.min(to_carry(way)));
            rates.retention = most.map(|rate| retention(bench, way, rate)).transpose()?;
            ways.push(rates);
        }
    }
    let idle = wanted("idle").then(|| idle(bench)).transpose()?;
    Ok(Calls { ways, idle })
}

/// The rate that a user agent has to carry.
fn to_carry(way: Way) -> u32 {
    match way {
        Way::Udp => 3_000,
        Way::TcpOne | Way::TcpEach => 2_000,
    }
}

fn faster_and_faster(bench: &mut Bench, way: Way, measured: Duration) -> Result<Vec<Step>> {
    let mut answerer = warm(Answerer::start(&bench.stage)?, bench, way)?;
    let mut steps = Vec::new();
    for calls_a_second in RATES {
        let what = format!("{}: {calls_a_second} calls a second", way.said());
        bench.progress.step(&what, measured);
        let caller = Caller {
            way,
            to: answerer.listens(way)?,
            calls: u64::from(calls_a_second) * measured.as_secs(),
            calls_a_second,
            stay: STAY,
        };
        let pid = answerer.process.pid();
        let step = step(bench, pid, caller, || Ok(answerer.state()?.hung_up))?;
        bench.progress.note(&format!("{what}: {}", step.said()));
        let clean = step.is_clean();
        steps.push(step);
        if !clean {
            break;
        }
    }
    Ok(steps)
}

/// What the system takes for the calls, whoever answers them.
fn bare(bench: &mut Bench, way: Way, measured: Duration) -> Result<Step> {
    let mut bare = warm(Answerer::start_bare(&bench.stage)?, bench, way)?;
    let calls_a_second = to_carry(way);
    let what = format!(
        "{}: {calls_a_second} calls a second, the sockets alone",
        way.said()
    );
    bench.progress.step(&what, measured);
    let caller = Caller {
        way,
        to: bare.listens(way)?,
        calls: u64::from(calls_a_second) * measured.as_secs(),
        calls_a_second,
        stay: STAY,
    };
    let pid = bare.process.pid();
    let step = step(bench, pid, caller, || Ok(bare.state()?.hung_up))?;
    bench.progress.note(&format!("{what}: {}", step.said()));
    Ok(step)
}

/// An answerer that has answered before.
fn warm(mut answerer: Answerer, bench: &Bench, way: Way) -> Result<Answerer> {
    let caller = Caller {
        way,
        to: answerer.listens(way)?,
        calls: FIRST_CALLS,
        calls_a_second: FIRST_CALLS as u32,
        stay: STAY,
    };
    let calling = caller.start(bench.cores.generator, &bench.stage.folder)?;
    calling.finish()?;
    Ok(answerer)
}

/// `over`: tells how many calls came up and are over, for the process that answers.
pub(super) fn step(
    bench: &Bench,
    pid: u32,
    caller: Caller,
    mut over: impl FnMut() -> Result<u64>,
) -> Result<Step> {
    for _ in 0..AGAIN {
        let step = take(bench, pid, caller, &mut over)?;
        let Around {
            others_percent: others,
            stolen_percent: stolen,
        } = step.around;
        let disturbed = others.max(stolen) > OTHERS_MAX_PERCENT;
        if !disturbed || bench.despite_load {
            return Ok(step);
        }
        bench.progress.note(&format!(
            "again, for something else used {others:.0} %, and the host kept {stolen:.0} % of a core"
        ));
    }
    take(bench, pid, caller, &mut over)
}

fn take(
    bench: &Bench,
    pid: u32,
    caller: Caller,
    over: &mut impl FnMut() -> Result<u64>,
) -> Result<Step> {
    let (began, before) = (Instant::now(), Burden::now()?);
    let (cpu, over_before) = (Usage::cpu(pid)?, over()?);
    let calling = caller.start(bench.cores.generator, &bench.stage.folder)?;
    let callers = calling.finish()?;
    let over = over()? - over_before;
    let cpu = Usage::cpu(pid)?.saturating_sub(cpu);
    let seconds = began.elapsed().as_secs_f64();
    let (busy, stolen) = Burden::now()?.since(&before);
    let percent = |time: Duration| 100.0 * time.as_secs_f64() / seconds;
    let others = busy.saturating_sub(cpu).saturating_sub(callers.cpu);
    Ok(Step {
        calls_a_second: caller.calls_a_second,
        cpu_us_per_call: cpu.as_secs_f64() * 1e6 / callers.calls as f64,
        cpu_percent: percent(cpu),
        failed_here: callers.calls.saturating_sub(over),
        around: Around {
            others_percent: percent(others),
            stolen_percent: percent(stolen),
        },
        callers,
    })
}

/// As many calls as make it remember all it ever does at this rate, and then none.
fn retention(bench: &mut Bench, way: Way, calls_a_second: u32) -> Result<Retention> {
    let lasts = REMEMBERED + Duration::from_secs(8);
    let what = format!("{}: memory at {calls_a_second} calls a second", way.said());
    bench.progress.step(&what, lasts);
    let mut answerer = warm(Answerer::start(&bench.stage)?, bench, way)?;
    let pid = answerer.process.pid();
    let start_kib = Usage::of(pid)?.memory_kib;
    let caller = Caller {
        way,
        to: answerer.listens(way)?,
        calls: u64::from(calls_a_second) * lasts.as_secs(),
        calls_a_second,
        stay: STAY,
    };
    let calling = caller.start(bench.cores.generator, &bench.stage.folder)?;
    let callers = calling.finish()?;
    let peak_kib = Usage::of(pid)?.memory_kib;
    bench.progress.step(
        &format!("{}: memory after all calls", way.said()),
        FORGOTTEN,
    );
    sleep(FORGOTTEN);
    let end_kib = Usage::of(pid)?.memory_kib;
    let calls_remembered = u64::from(calls_a_second) * REMEMBERED.as_secs();
    let retention = Retention {
        calls_a_second,
        start_kib,
        peak_kib,
        calls_remembered,
        bytes_per_call: peak_kib.saturating_sub(start_kib) as f64 * 1_024.0
            / calls_remembered as f64,
        end_kib,
        transactions_left: answerer.state()?.transactions,
        callers,
    };
    bench.progress.note(&format!(
        "{what}: {:.1} KiB a call; {start_kib} KiB before, {peak_kib} with {calls_remembered} calls remembered, {end_kib} after",
        retention.bytes_per_call / 1_024.0,
    ));
    Ok(retention)
}

/// Calls that stay, until nothing is left of how they came about.
fn idle(bench: &mut Bench) -> Result<Idle> {
    let up_after = Duration::from_secs(IDLE / u64::from(IDLE_CALLS_A_SECOND));
    let patience = up_after + REMEMBERED + Duration::from_secs(6);
    let what = format!("{IDLE} idle dialogs");
    bench.progress.step(&what, patience);
    let mut answerer = warm(Answerer::start(&bench.stage)?, bench, Way::Udp)?;
    let caller = Caller {
        way: Way::Udp,
        to: answerer.listens(Way::Udp)?,
        calls: IDLE,
        calls_a_second: IDLE_CALLS_A_SECOND,
        stay: patience * 2,
    };
    let mut calling = caller.start(bench.cores.generator, &bench.stage.folder)?;
    sleep(patience);
    calling.must_run()?;
    let dialogs = answerer.state()?.dialogs;
    let memory_kib = Usage::of(answerer.process.pid())?.memory_kib;
    let idle = Idle {
        dialogs,
        memory_kib,
        bytes_per_dialog: memory_kib as f64 * 1_024.0 / dialogs.max(1) as f64,
    };
    bench.progress.note(&format!(
        "{dialogs} idle dialogs: {:.0} MiB",
        memory_kib as f64 / 1_024.0
    ));
    Ok(idle)
}
