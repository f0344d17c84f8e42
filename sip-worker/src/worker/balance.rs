// SPDX-License-Identifier: MPL-2.0
//! The burden of the media threads: no call is taken that they could not carry, and calls, rooms and connections
//! move where one of them has much more to do than another.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use gst::prelude::*;
use gstsipbridge::call::Call as Leg;
use gstsipbridge::context::{Context, ContextStats};
use gstsipbridge::rtcbin::RtcBin;
use gstsipbridge::sipmixer::SipMixer;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::calls::room::Rooms;

/// The load is that of the last second; what was moved shows in the next.
const EVERY: Duration = Duration::from_secs(2);

/// Below this load, in thousandths of a core, nothing is late that could be earlier elsewhere.
const BUSY_PERMILLE: u32 = 500;

/// A smaller difference in load is none.
const UNEVEN_PERMILLE: u32 = 200;

/// A wrong guess about what a call costs stays a small one.
const MOVED_AT_ONCE: usize = 8;

/// Media threads that have as much to do as they should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// All of them.
    #[error(
        "the media threads carry no further call: the least busy one works {load_percent} % of the time, \
         and [media] max_load is {max_percent} %"
    )]
    Everywhere {
        /// Of the least busy one.
        load_percent: u32,
        /// The bound.
        max_percent: u32,
    },
    /// The one that what a room's calls share is on.
    #[error(
        "the room carries no further call: its media thread {thread} works {load_percent} % of the time, \
         and [media] max_load is {max_percent} %"
    )]
    Room {
        /// Its name.
        thread: String,
        /// Its load.
        load_percent: u32,
        /// The bound.
        max_percent: u32,
    },
}

/// What can go on on another media thread.
pub trait Movable: Send + Sync {
    /// Where it runs, once it does.
    fn context(&self) -> Option<Context>;

    /// Goes on there.
    fn move_to(&self, context: &Context);

    /// What it takes of that thread's time, in thousandths, where it knows.
    fn load_permille(&self) -> Option<u32> {
        None
    }
}

impl Movable for Leg {
    fn context(&self) -> Option<Context> {
        Leg::context(self)
    }

    fn move_to(&self, context: &Context) {
        Leg::move_to(self, context);
    }
}

impl Movable for SipMixer {
    fn context(&self) -> Option<Context> {
        SipMixer::context(self).filter(|_| !is_bound(self.upcast_ref()))
    }

    fn move_to(&self, context: &Context) {
        SipMixer::move_to(self, context);
    }

    fn load_permille(&self) -> Option<u32> {
        Some((self.load() * 1000.0) as u32)
    }
}

impl Movable for RtcBin {
    fn context(&self) -> Option<Context> {
        RtcBin::context(self).filter(|_| !is_bound(self.upcast_ref()))
    }

    fn move_to(&self, context: &Context) {
        RtcBin::move_to(self, context);
    }
}

/// Whether the graph says on which thread it is to be.
fn is_bound(element: &gst::Element) -> bool {
    element.property::<Option<String>>("context").is_some()
}

/// The mixers and the connections of a room's pipeline.
fn movables(pipeline: &gst::Pipeline) -> Vec<Arc<dyn Movable>> {
    let mut found: Vec<Arc<dyn Movable>> = Vec::new();
    // Who changes the pipeline meanwhile ends it: what was found by then will do.
    for element in pipeline.iterate_recurse().into_iter().map_while(Result::ok) {
        match element.downcast::<SipMixer>() {
            Ok(mixer) => found.push(Arc::new(mixer)),
            Err(element) => {
                if let Ok(connection) = element.downcast::<RtcBin>() {
                    found.push(Arc::new(connection));
                }
            }
        }
    }
    found
}

/// The media threads and what is on them.
pub struct Burden {
    /// Kept from the start, so that no call waits for a thread.
    contexts: Vec<Context>,
    max_load_permille: u32,
    legs: Mutex<Vec<Weak<dyn Movable>>>,
    rooms: Arc<Rooms>,
}

impl Burden {
    /// `max_load` is a share of a core.
    pub(crate) fn new(contexts: Vec<Context>, max_load: f64, rooms: Arc<Rooms>) -> Burden {
        Burden {
            contexts,
            max_load_permille: (max_load * 1000.0) as u32,
            legs: Mutex::default(),
            rooms,
        }
    }

    /// Whether there is a thread for one more call.
    pub fn admits(&self) -> Result<(), Overload> {
        let loads = self.contexts.iter().map(|c| c.stats().load_permille);
        admits(loads.min().unwrap_or(0), self.max_load_permille)
    }

    /// Whether this thread, which a room is on, has time for one more call there. What is on it beside the room
    /// leaves it when another thread has less to do, and then there is.
    pub fn carries(&self, room: &Context) -> Result<(), Overload> {
        let max = self.max_load_permille;
        match room.stats().load_permille {
            load if load < max => Ok(()),
            load => Err(Overload::Room {
                thread: room.name().to_owned(),
                load_percent: load / 10,
                max_percent: max / 10,
            }),
        }
    }

    /// This call may be moved from now on.
    pub fn watch<M: Movable + 'static>(&self, leg: &Arc<M>) {
        let leg = Arc::downgrade(leg);
        self.legs().push(leg);
    }

    fn legs(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Movable>>> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `stats` are those of the media threads, in their order. Looks through pipelines where there is something to
    /// even, which may wait for who changes them.
    fn even_out(&self, stats: &[ContextStats]) {
        let Some(plan) = plan(stats) else { return };
        let (Some(from), Some(to), Some(burden)) = (
            self.contexts.get(plan.from),
            self.contexts.get(plan.to),
            stats.get(plan.from),
        ) else {
            return;
        };
        let mut all: Vec<Arc<dyn Movable>> = self.legs().iter().filter_map(Weak::upgrade).collect();
        for pipeline in self.rooms.all_pipelines() {
            all.extend(movables(&pipeline));
        }
        all.retain(|part| part.context().is_some_and(|c| c.name() == from.name()));
        let loads: Vec<_> = all.iter().map(|part| part.load_permille()).collect();
        let chosen = choose(plan.gap, burden, &loads);
        for part in chosen.iter().filter_map(|place| all.get(*place)) {
            part.move_to(to);
        }
        if !chosen.is_empty() {
            let moved = chosen.len();
            tracing::info!(
                from = from.name(),
                to = to.name(),
                moved,
                "loads evened out"
            );
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
                burden.legs().retain(|leg| leg.strong_count() > 0);
                // Most of the time nothing is uneven, and no thread is kept for it.
                if plan(&stats).is_none() {
                    continue;
                }
                let evened = spawn_blocking(move || burden.even_out(&stats)).await;
                if let Err(error) = evened {
                    tracing::error!(%error, "loads were not evened out");
                }
            }
            None => return,
        }
    }
}

fn admits(least_permille: u32, max_permille: u32) -> Result<(), Overload> {
    match least_permille < max_permille {
        true => Ok(()),
        false => Err(Overload::Everywhere {
            load_percent: least_permille / 10,
            max_percent: max_permille / 10,
        }),
    }
}

/// Something should go from one thread to another, by their places.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    from: usize,
    to: usize,
    /// The difference of their loads, in thousandths of a core.
    gap: u32,
}

/// Whether the burdens are to be evened out.
fn plan(stats: &[ContextStats]) -> Option<Plan> {
    let load = |&(_, stats): &(usize, &ContextStats)| stats.load_permille;
    let (from, busiest) = stats.iter().enumerate().max_by_key(load)?;
    let (to, idlest) = stats.iter().enumerate().min_by_key(load)?;
    let gap = busiest.load_permille - idlest.load_permille;
    let uneven = busiest.load_permille >= BUSY_PERMILLE && gap >= UNEVEN_PERMILLE;
    uneven.then_some(Plan { from, to, gap })
}

/// What of a thread should move, where another has so much less to do: the places of those whose `loads` these are.
/// Those that do not know theirs are taken to cost the same.
fn choose(gap: u32, burden: &ContextStats, loads: &[Option<u32>]) -> Vec<usize> {
    let known: Vec<u32> = loads.iter().copied().flatten().collect();
    let others = burden.tasks.saturating_sub(known.len() as u32).max(1);
    let rest = burden.load_permille.saturating_sub(known.iter().sum());
    let cost = |load: &Option<u32>| load.unwrap_or(rest / others).max(1);
    let mut costs: Vec<(usize, u32)> = loads.iter().map(cost).enumerate().collect();
    // A room does more than many a call.
    costs.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    // What moves is missing here and comes there.
    let mut wanted = gap / 2;
    let mut chosen = Vec::new();
    for (place, cost) in &costs {
        if *cost <= wanted && chosen.len() < MOVED_AT_ONCE {
            wanted -= cost;
            chosen.push(*place);
        }
    }
    if chosen.is_empty() {
        // Too much for half, but less of a difference all the same; and nothing that would come back.
        let larger = costs.iter().rfind(|(_, cost)| *cost <= gap * 3 / 4);
        chosen.extend(larger.map(|(place, _)| *place));
    }
    chosen
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

    /// How many of a thread's calls move, which all cost the same.
    fn moves(stats: &[ContextStats]) -> Option<(usize, usize, u32)> {
        let plan = plan(stats)?;
        let burden = &stats[plan.from];
        let chosen = choose(plan.gap, burden, &vec![None; burden.tasks as usize]);
        (!chosen.is_empty()).then_some((plan.from, plan.to, chosen.len() as u32))
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
        let burden = Burden::new(contexts.clone(), 0.9, Arc::default());
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
        assert_eq!(moves(&at(&[(100, 10), (800, 80)])), Some((1, 0, 8)));
        assert_eq!(moves(&at(&[(900, 9), (300, 3), (400, 4)])), Some((0, 1, 3)));
    }

    #[test]
    fn rooms_move_by_what_they_cost() {
        let chosen = |gap, burden: (u32, u32), loads: &[Option<u32>]| {
            let mut chosen = choose(gap, &at(&[burden])[0], loads);
            chosen.sort_unstable();
            chosen
        };
        // Two rooms on one thread, and nothing on the other.
        assert_eq!(chosen(900, (900, 2), &[Some(440), Some(430)]), [0]);
        // The two are a little more than half each.
        assert_eq!(chosen(900, (960, 2), &[Some(480), Some(470)]), [1]);
        // A room too large to move stays, and its calls leave it its thread.
        assert_eq!(
            chosen(800, (900, 5), &[None, Some(700), None, None]),
            [0, 2, 3]
        );
        // Nothing else is there.
        assert_eq!(chosen(800, (900, 1), &[Some(890)]), [0; 0]);
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
            assert_eq!(moves(&at(loads)), None, "{loads:?}");
        }
    }

    #[test]
    fn evening_out_comes_to_rest() {
        let mut tasks = [60_u32, 0];
        for _ in 0..20 {
            let stats = at(&tasks.map(|tasks| (tasks * 15, tasks)));
            let Some((from, to, calls)) = moves(&stats) else {
                break;
            };
            tasks[from] -= calls;
            tasks[to] += calls;
        }
        let stats = at(&tasks.map(|tasks| (tasks * 15, tasks)));
        assert_eq!(moves(&stats), None);
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
