// SPDX-License-Identifier: MPL-2.0
//! What is used while something is measured, by whom, and whether that is a disturbance.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::load::{Fitness, Outcome};
use crate::machine::Burden;
use crate::process::Usage;

/// A load that is itself late more often than this, in thousandths of its ticks, measures nothing.
const LATE_MAX_PERMILLE: f64 = 50.0;

/// Others may use this much of a core while we measure.
pub(super) const OTHERS_MAX_PERCENT: f64 = 10.0;

/// What the measured and everybody else used, and how the load itself fared.
#[derive(Debug, Clone, Serialize)]
pub struct Strain {
    /// The measured, of one core.
    #[serde(skip)]
    pub cpu_percent: f64,
    pub generator: Fitness,
    /// What the far ends used that are processes of their own, of one core.
    pub far_percent: f64,
    /// What others used meanwhile, of one core.
    pub others_percent: f64,
    /// What the hypervisor kept from this machine, of one core.
    pub stolen_percent: f64,
}

impl Strain {
    /// With a load of the generator's.
    pub(super) fn of(outcome: &Outcome, used: &Used) -> Strain {
        Strain::with(outcome.generator, used)
    }

    /// With no load but what the measured and their far ends make themselves.
    pub(super) fn unloaded(used: &Used) -> Strain {
        Strain::with(Fitness::default(), used)
    }

    fn with(generator: Fitness, used: &Used) -> Strain {
        let seconds = used.time.as_secs_f64().max(0.001);
        let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / seconds;
        let (cpu_percent, far_percent) = (percent(used.cpu), percent(used.far));
        let known = cpu_percent + far_percent + generator.cpu_percent;
        Strain {
            cpu_percent,
            generator,
            far_percent,
            others_percent: (percent(used.everybody) - known).max(0.0),
            stolen_percent: percent(used.stolen),
        }
    }

    /// Why nothing that was measured meanwhile counts, if it does not.
    pub(super) fn disturbance(&self) -> Option<String> {
        let others_percent = self.others_percent;
        if others_percent > OTHERS_MAX_PERCENT {
            return Some(format!(
                "something else used {others_percent:.0} % of a core during this measurement"
            ));
        }
        let Fitness {
            late_permille,
            late_max_us,
            refused,
            ..
        } = self.generator;
        (late_permille > LATE_MAX_PERMILLE || refused > 0).then(|| {
            format!(
                "the load itself was late ({late_permille:.0} of a thousand times by more than 2 ms, {} ms at most) or not taken ({refused} packets)",
                late_max_us / 1_000
            )
        })
    }
}

/// What was used until some moment.
pub(super) struct Moment {
    at: Instant,
    cpu: Duration,
    far: Duration,
    burden: Burden,
}

impl Moment {
    /// `far`: processes that are part of the measurement, and no disturbance.
    pub(super) fn now(measured: u32, far: &[u32]) -> Result<Moment> {
        let far = far.iter().map(|pid| Usage::cpu(*pid));
        Ok(Moment {
            at: Instant::now(),
            cpu: Usage::cpu(measured)?,
            far: far.sum::<Result<Duration>>()?,
            burden: Burden::now()?,
        })
    }
}

/// What was used while it counted.
pub(super) struct Used {
    pub(super) cpu: Duration,
    /// By far ends that are processes of their own.
    far: Duration,
    everybody: Duration,
    stolen: Duration,
    pub(super) time: Duration,
    pub(super) last: Usage,
}

impl Used {
    /// `last`: what the measured holds at the end.
    pub(super) fn between(from: &Moment, to: &Moment, last: Usage) -> Used {
        let (everybody, stolen) = to.burden.since(&from.burden);
        Used {
            cpu: to.cpu.saturating_sub(from.cpu),
            far: to.far.saturating_sub(from.far),
            everybody,
            stolen,
            time: to.at - from.at,
            last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two seconds: so many were used by the measured, by far ends and by everybody together.
    fn used(cpu: f64, far: f64, everybody: f64) -> Used {
        Used {
            cpu: Duration::from_secs_f64(cpu),
            far: Duration::from_secs_f64(far),
            everybody: Duration::from_secs_f64(everybody),
            stolen: Duration::ZERO,
            time: Duration::from_secs(2),
            last: Usage::default(),
        }
    }

    #[test]
    fn far_ends_are_no_disturbance_and_others_are() {
        let strain = Strain::unloaded(&used(1.0, 0.5, 1.6));
        assert_eq!((strain.cpu_percent, strain.far_percent), (50.0, 25.0));
        assert!((strain.others_percent - 5.0).abs() < 1e-6, "{strain:?}");
        assert_eq!(strain.disturbance(), None);
        let told = Strain::unloaded(&used(1.0, 0.0, 1.6)).disturbance();
        assert!(told.is_some_and(|told| told.contains("something else used 30 % of a core")));
    }

    #[test]
    fn a_load_that_is_late_or_not_taken_measures_nothing() {
        let with = |late_permille, refused| {
            let generator = Fitness {
                late_permille,
                refused,
                ..Fitness::default()
            };
            Strain::with(generator, &used(1.0, 0.0, 1.0)).disturbance()
        };
        assert_eq!(with(LATE_MAX_PERMILLE, 0), None);
        assert!(with(LATE_MAX_PERMILLE + 1.0, 0).is_some());
        assert!(with(0.0, 1).is_some());
    }
}
