// SPDX-License-Identifier: MPL-2.0
//! The burden of the media threads: no call is taken that they could not carry, and a call moves
//! where one of them has much more to do than another.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use gstsipbridge::call::Call as Leg;
use gstsipbridge::context::{Context, ContextStats};
use tokio::time::{MissedTickBehavior, interval};

/// The load is that of the last second; what was moved shows in the next.
const EVERY: Duration = Duration::from_secs(2);

/// Below this load, in thousandths of a core, nothing is late that could be earlier elsewhere.
const BUSY_PERMILLE: u32 = 500;

/// A smaller difference in load is none.
const UNEVEN_PERMILLE: u32 = 200;

/// A wrong guess about what a call costs stays a small one.
const MOVED_AT_ONCE: u32 = 8;

/// All media threads have as much to do as they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the media threads carry no further call: the least busy one works {load_percent} % of the time, \
     and [media] max_load is {max_percent} %"
)]
pub struct Overload {
    load_percent: u32,
    max_percent: u32,
}

/// What can go on on another media thread.
pub trait Movable: Send + Sync {
    /// Where it runs, once it does.
    fn context(&self) -> Option<Context>;

    /// Goes on there.
    fn move_to(&self, context: &Context);
}

impl Movable for Leg {
    fn context(&self) -> Option<Context> {
        Leg::context(self)
    }

    fn move_to(&self, context: &Context) {
        Leg::move_to(self, context);
    }
}

/// The media threads and the calls on them.
pub struct Burden {
    /// Kept from the start, so that no call waits for a thread.
    contexts: Vec<Context>,
    max_load_permille: u32,
    legs: Mutex<Vec<Weak<dyn Movable>>>,
}

impl Burden {
    /// `max_load` is a share of a core.
    pub fn new(contexts: Vec<Context>, max_load: f64) -> Burden {
        Burden {
            contexts,
            max_load_permille: (max_load * 1000.0) as u32,
            legs: Mutex::default(),
        }
    }

    /// Whether there is a thread for one more call.
    pub fn admits(&self) -> Result<(), Overload> {
        let loads = self.contexts.iter().map(|c| c.stats().load_permille);
        admits(loads.min().unwrap_or(0), self.max_load_permille)
    }

    /// This call may be moved from now on.
    pub fn watch<M: Movable + 'static>(&self, leg: &Arc<M>) {
        let leg = Arc::downgrade(leg);
        self.legs().push(leg);
    }

    fn legs(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Movable>>> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `stats` are those of the media threads, in their order.
    fn even_out(&self, stats: &[ContextStats]) {
        self.legs().retain(|leg| leg.strong_count() > 0);
        let Some(plan) = plan(stats) else { return };
        let (Some(from), Some(to)) = (self.contexts.get(plan.from), self.contexts.get(plan.to))
        else {
            return;
        };
        let on_it: Vec<Arc<dyn Movable>> = self
            .legs()
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|leg| leg.context().is_some_and(|c| c.name() == from.name()))
            .take(plan.calls as usize)
            .collect();
        for leg in &on_it {
            leg.move_to(to);
        }
        if !on_it.is_empty() {
            let calls = on_it.len();
            tracing::info!(from = from.name(), to = to.name(), calls, "calls moved");
        }
    }
}

/// Evens out for as long as there is something to even.
pub async fn keep_even(burden: Weak<Burden>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        match burden.upgrade() {
            Some(burden) => {
                let stats: Vec<ContextStats> = burden.contexts.iter().map(Context::stats).collect();
                burden.even_out(&stats);
            }
            None => return,
        }
    }
}

fn admits(least_permille: u32, max_permille: u32) -> Result<(), Overload> {
    match least_permille < max_permille {
        true => Ok(()),
        false => Err(Overload {
            load_percent: least_permille / 10,
            max_percent: max_permille / 10,
        }),
    }
}

/// So many calls should go from one thread to another, by their places.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    from: usize,
    to: usize,
    calls: u32,
}

/// What would even the burdens out, if anything would. All calls of a thread are taken to cost the
/// same.
fn plan(stats: &[ContextStats]) -> Option<Plan> {
    let load = |&(_, stats): &(usize, &ContextStats)| stats.load_permille;
    let (from, busiest) = stats.iter().enumerate().max_by_key(load)?;
    let (to, idlest) = stats.iter().enumerate().min_by_key(load)?;
    let gap = busiest.load_permille - idlest.load_permille;
    if busiest.load_permille < BUSY_PERMILLE || gap < UNEVEN_PERMILLE {
        return None;
    }
    // Moving n calls of cost c changes the gap by 2nc.
    let cost = (busiest.load_permille / busiest.tasks.max(1)).max(1);
    let calls = (gap / (2 * cost)).min(MOVED_AT_ONCE);
    (calls > 0).then_some(Plan { from, to, calls })
}

#[cfg(test)]
mod tests {
    use gstsipbridge::context::MAX_WAIT;

    use super::*;

    /// A call as far as its place goes.
    struct Seat(Mutex<Option<Context>>);

    impl Seat {
        fn on(context: Option<&Context>) -> Arc<Seat> {
            Arc::new(Seat(Mutex::new(context.cloned())))
        }
    }

    impl Movable for Seat {
        fn context(&self) -> Option<Context> {
            self.0.lock().unwrap().clone()
        }

        fn move_to(&self, context: &Context) {
            *self.0.lock().unwrap() = Some(context.clone());
        }
    }

    #[test]
    fn as_many_calls_move_as_are_too_many_and_no_others() {
        let contexts: Vec<Context> = ["even-a", "even-b", "even-c"]
            .into_iter()
            .map(|name| Context::acquire(name, MAX_WAIT).unwrap())
            .collect();
        let burden = Burden::new(contexts.clone(), 0.9);
        let seats: Vec<Arc<Seat>> = (0..30)
            .map(|number| Seat::on(contexts.get(number / 10)))
            .collect();
        // One has no media yet, and one has hung up.
        let waiting = Seat::on(None);
        let gone = Seat::on(contexts.get(1));
        burden.watch(&waiting);
        burden.watch(&gone);
        seats.iter().for_each(|seat| burden.watch(seat));
        drop(gone);
        let seated = || {
            let on = |name: &str| {
                let seats = seats.iter().filter_map(|seat| seat.context());
                seats.filter(|context| context.name() == name).count()
            };
            ["even-a", "even-b", "even-c"].map(on)
        };
        // 80 thousandths a call: four of them make 240 and 960 even enough.
        burden.even_out(&at(&[(500, 10), (960, 12), (240, 10)]));
        assert_eq!(seated(), [10, 6, 14]);
        assert!(waiting.context().is_none());
        burden.even_out(&at(&[(500, 10), (640, 8), (560, 14)]));
        assert_eq!(seated(), [10, 6, 14], "nothing is gained any more");
    }

    fn at(loads: &[(u32, u32)]) -> Vec<ContextStats> {
        loads
            .iter()
            .map(|&(load_permille, tasks)| ContextStats {
                load_permille,
                tasks,
                ..ContextStats::default()
            })
            .collect()
    }

    #[test]
    fn calls_leave_a_busy_thread_for_an_idle_one() {
        let moved = |from, to, calls| Some(Plan { from, to, calls });
        assert_eq!(plan(&at(&[(100, 10), (800, 80)])), moved(1, 0, 8));
        assert_eq!(plan(&at(&[(900, 9), (300, 3), (400, 4)])), moved(0, 1, 3));
    }

    #[test]
    fn nothing_moves_where_that_would_not_help() {
        for loads in [
            &[][..],
            &[(990, 50)],
            // Not busy.
            &[(10, 1), (400, 40)],
            // Even enough.
            &[(700, 70), (850, 85)],
            // One call that costs so much would only make the other thread the busy one.
            &[(0, 0), (900, 1)],
        ] {
            assert_eq!(plan(&at(loads)), None, "{loads:?}");
        }
    }

    #[test]
    fn evening_out_comes_to_rest() {
        let mut tasks = [60_u32, 0];
        for _ in 0..20 {
            let stats = at(&tasks.map(|tasks| (tasks * 15, tasks)));
            let Some(plan) = plan(&stats) else { break };
            tasks[plan.from] -= plan.calls;
            tasks[plan.to] += plan.calls;
        }
        let stats = at(&tasks.map(|tasks| (tasks * 15, tasks)));
        assert_eq!(plan(&stats), None);
        assert!(tasks[0] >= tasks[1] && tasks[0] <= 40, "{tasks:?}");
    }

    #[test]
    fn a_call_too_many_is_refused_with_a_sentence() {
        assert_eq!(admits(899, 900), Ok(()));
        let refusal = admits(934, 900).unwrap_err().to_string();
        assert!(
            refusal.contains("works 93 % of the time, and [media] max_load is 90 %"),
            "{refusal}"
        );
    }
}
