// SPDX-License-Identifier: MPL-2.0
//! Contexts: threads, timers, panics, ends.

use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);

/// Ticks, and says so; panics when told to.
struct Ticking {
    said: Sender<(u32, Instant)>,
    number: u32,
    due: Option<Instant>,
    doomed: bool,
    dropped: Option<Sender<()>>,
}

impl Task for Ticking {
    fn start(&mut self, cx: &mut Cx<'_>) {
        let first = cx.now() + Duration::from_micros(u64::from(cx.phase_us()));
        self.due = Some(first);
        cx.set_timer(first);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        assert!(!self.doomed, "doomed to fail");
        let due = self.due.unwrap();
        let _ = self.said.send((self.number, due));
        self.due = Some(due + TICK);
        cx.set_timer(due + TICK);
    }

    fn notified(&mut self, _cx: &mut Cx<'_>) {
        self.doomed = true;
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.take() {
            let _ = dropped.send(());
        }
    }
}

fn ticking(number: u32, said: &Sender<(u32, Instant)>) -> Box<Ticking> {
    Box::new(Ticking {
        said: said.clone(),
        number,
        due: None,
        doomed: false,
        dropped: None,
    })
}

/// Threads of this process with this name.
fn threads_named(name: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("comm")).ok())
        .filter(|comm| comm.trim_end() == name)
        .count()
}

/// Waits until nothing of the thread is left: it ends after its last handle, on its own time.
fn await_no_thread(name: &str) {
    let deadline = Instant::now() + PATIENCE;
    while threads_named(name) > 0 {
        assert!(Instant::now() < deadline, "{name} still runs");
        std::thread::yield_now();
    }
}

fn next_of(said: &Receiver<(u32, Instant)>, number: u32) {
    while said.recv_timeout(PATIENCE).unwrap().0 != number {}
}

/// Returns when all that was asked of the context before is done.
fn settled(context: &Context) {
    context.add(Box::new(Remover(None, channel().0))).remove();
}

#[test]
fn many_tasks_are_one_thread_and_it_ends_with_the_last_handle() {
    let context = Context::acquire("ctx-many", MAX_WAIT).unwrap();
    let same = Context::acquire("ctx-many", MAX_WAIT).unwrap();
    let (say, said) = channel();
    let handles: Vec<_> = (0..200)
        .map(|number| same.add(ticking(number, &say)))
        .collect();
    for number in [0, 100, 199] {
        next_of(&said, number);
    }
    assert_eq!(threads_named("ctx-many"), 1);
    assert_eq!(context.stats().tasks, 200);
    drop((context, same));
    // Tasks keep their context.
    next_of(&said, 7);
    drop(handles);
    await_no_thread("ctx-many");
}

#[test]
fn those_that_run_are_found_by_name() {
    let names = || -> Vec<String> {
        let all = Context::all();
        let names = all.iter().map(|context| context.name().to_owned());
        names.filter(|name| name.starts_with("ctx-all-")).collect()
    };
    let second = Context::acquire("ctx-all-2", MAX_WAIT).unwrap();
    let first = Context::acquire("ctx-all-1", MAX_WAIT).unwrap();
    assert_eq!(names(), ["ctx-all-1", "ctx-all-2"]);
    drop(second);
    assert_eq!(names(), ["ctx-all-1"]);
    drop(first);
    assert!(names().is_empty());
}

#[test]
fn ticks_are_spread_over_the_period() {
    let clock = ManualClock::new();
    let context = Context::with_clock("ctx-spread", MAX_WAIT, Arc::new(clock.clone())).unwrap();
    let (say, said) = channel();
    let begin = clock.now();
    let _handles: Vec<_> = (0..40)
        .map(|number| context.add(ticking(number, &say)))
        .collect();
    settled(&context);
    clock.advance(TICK * 2);
    let mut per_quarter = [0; 4];
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 40 {
        let (number, due) = said.recv_timeout(PATIENCE).unwrap();
        if number < 40 && seen.insert(number) {
            let into = due.duration_since(begin).as_millis() as usize % 20;
            per_quarter[into / 5] += 1;
        }
    }
    assert_eq!(per_quarter, [10; 4]);
}

#[test]
fn a_clock_that_stands_still_fires_nothing() {
    let clock = ManualClock::new();
    let context = Context::with_clock("ctx-still", MAX_WAIT, Arc::new(clock.clone())).unwrap();
    let (say, said) = channel();
    let _handle = context.add(ticking(1, &say));
    settled(&context);
    // The phase of the first task is 0: its first tick is at once.
    clock.advance(Duration::from_millis(1));
    let (_, first) = said.recv_timeout(PATIENCE).unwrap();
    assert_eq!(said.try_recv().ok(), None);
    clock.advance(TICK);
    let (_, second) = said.recv_timeout(PATIENCE).unwrap();
    assert_eq!(second, first + TICK);
}

#[test]
fn a_task_that_panics_goes_alone_and_its_owner_is_told() {
    let context = Context::acquire("ctx-panic", MAX_WAIT).unwrap();
    let (say, said) = channel();
    let (told, hears) = channel();
    let innocent = context.add(ticking(1, &say));
    let guilty = context.add_task(
        |_| ticking(2, &say),
        Some(Box::new(move |said: &str| {
            let _ = told.send(said.to_owned());
        })),
    );
    next_of(&said, 2);
    guilty.notify();
    assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), "doomed to fail");
    assert!(!guilty.is_running());
    for _ in 0..10 {
        next_of(&said, 1);
    }
    assert!(innocent.is_running());
    let stats = context.stats();
    assert_eq!((stats.panics, stats.tasks), (1, 1));
    // Nothing is left to wait for.
    guilty.remove();
}

#[test]
fn removing_waits_until_the_task_is_dropped() {
    let context = Context::acquire("ctx-remove", MAX_WAIT).unwrap();
    let (say, _said) = channel();
    for _ in 0..50 {
        let (dropped, is_dropped) = channel();
        let mut task = ticking(1, &say);
        task.dropped = Some(dropped);
        context.add(task).remove();
        is_dropped.try_recv().unwrap();
    }
    assert_eq!(context.stats().tasks, 0);
}

/// Removes another task from within the context.
struct Remover(Option<TaskHandle>, Sender<bool>);

impl Task for Remover {
    fn start(&mut self, _cx: &mut Cx<'_>) {
        assert!(on_context_thread());
        if let Some(handle) = self.0.take() {
            assert!(handle.context().is_current_thread());
            handle.remove();
        }
        let _ = self.1.send(true);
    }
}

#[test]
fn removing_from_within_does_not_wait_for_itself() {
    let context = Context::acquire("ctx-within", MAX_WAIT).unwrap();
    let (say, _said) = channel();
    let (done, is_done) = channel();
    let (dropped, is_dropped) = channel();
    let mut task = ticking(1, &say);
    task.dropped = Some(dropped);
    let victim = context.add(task);
    let _remover = context.add(Box::new(Remover(Some(victim), done)));
    is_done.recv_timeout(PATIENCE).unwrap();
    is_dropped.recv_timeout(PATIENCE).unwrap();
    assert!(!on_context_thread());
}

/// Counts how often it was notified.
struct Counting(Arc<AtomicU32>, Sender<()>);

impl Task for Counting {
    fn start(&mut self, _cx: &mut Cx<'_>) {}

    fn notified(&mut self, _cx: &mut Cx<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let _ = self.1.send(());
    }
}

#[test]
fn notifications_from_many_threads_are_never_lost() {
    let context = Context::acquire("ctx-notify", MAX_WAIT).unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let (told, hears) = channel();
    let handle = context.add(Box::new(Counting(count.clone(), told)));
    for _ in 0..200 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let notifier = handle.notifier();
                scope.spawn(move || notifier.notify());
            }
        });
        hears.recv_timeout(PATIENCE).unwrap();
        while hears.try_recv().is_ok() {}
    }
    assert!(count.load(Ordering::Relaxed) >= 200);
    let notifier = handle.notifier();
    handle.remove();
    // Harmless after the end.
    notifier.notify();
}

/// Reads a socket, tells where it ran and what it read.
struct Reading {
    socket: mio::net::UdpSocket,
    read: Sender<(String, u32)>,
}

impl Task for Reading {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.arrive(cx);
    }

    fn arrive(&mut self, cx: &mut Cx<'_>) {
        cx.register(&mut self.socket, 0).unwrap();
    }

    fn leave(&mut self, cx: &mut Cx<'_>) {
        cx.deregister(&mut self.socket).unwrap();
    }

    fn readable(&mut self, _cx: &mut Cx<'_>, _token: usize) {
        let mut packet = [0; 4];
        while self.socket.recv(&mut packet).is_ok() {
            let here = std::thread::current().name().unwrap().to_owned();
            let _ = self.read.send((here, u32::from_be_bytes(packet)));
        }
    }
}

#[test]
fn a_task_moves_with_its_socket_and_loses_nothing() {
    let contexts = ["ctx-from", "ctx-to"].map(|name| Context::acquire(name, MAX_WAIT).unwrap());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let (say, said) = channel();
    let handle = contexts[0].add(Box::new(Reading {
        socket: mio::net::UdpSocket::from_std(socket),
        read: say,
    }));
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut seen_on = std::collections::BTreeSet::new();
    for number in 0..400_u32 {
        if number % 7 == 0 {
            handle.move_to(&contexts[number as usize / 7 % 2]);
        }
        sender.send_to(&number.to_be_bytes(), address).unwrap();
        let (here, read) = said.recv_timeout(PATIENCE).unwrap();
        assert_eq!(read, number);
        seen_on.insert(here);
    }
    assert_eq!(seen_on.len(), 2, "{seen_on:?}");
    handle.move_to(&contexts[1]);
    assert_eq!(handle.context().name(), "ctx-to");
    handle.remove();
    settled(&contexts[0]);
    assert_eq!(contexts.each_ref().map(|c| c.stats().tasks), [0, 0]);
}

#[test]
fn a_timer_moves_along() {
    let clock = ManualClock::new();
    let [from, to] = ["ctx-timer-a", "ctx-timer-b"]
        .map(|name| Context::with_clock(name, MAX_WAIT, Arc::new(clock.clone())).unwrap());
    let (say, said) = channel();
    let handle = from.add(ticking(1, &say));
    settled(&from);
    clock.advance(Duration::from_millis(1));
    let (_, first) = said.recv_timeout(PATIENCE).unwrap();
    handle.move_to(&to);
    settled(&from);
    settled(&to);
    clock.advance(TICK);
    let (_, second) = said.recv_timeout(PATIENCE).unwrap();
    assert_eq!(second, first + TICK);
    assert_eq!(from.stats().ticks, 1);
    assert_eq!(to.stats().ticks, 1);
}

#[test]
fn notifications_follow_a_task_that_moves() {
    let contexts =
        ["ctx-n-0", "ctx-n-1", "ctx-n-2"].map(|name| Context::acquire(name, MAX_WAIT).unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let (told, hears) = channel();
    let handle = contexts[0].add(Box::new(Counting(count.clone(), told)));
    for round in 0..300 {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let notifier = handle.notifier();
                scope.spawn(move || notifier.notify());
            }
            handle.move_to(&contexts[round % 3]);
            handle.move_to(&contexts[(round + 1) % 3]);
        });
        hears.recv_timeout(PATIENCE).unwrap();
        while hears.try_recv().is_ok() {}
    }
    handle.remove();
    assert_eq!(contexts.each_ref().map(|c| c.stats().tasks), [0; 3]);
}

#[test]
fn a_context_that_all_left_ends_and_one_that_ends_gives_back_who_comes() {
    let to = Context::acquire("ctx-new-home", MAX_WAIT).unwrap();
    let (say, said) = channel();
    let handle = Context::acquire("ctx-left", MAX_WAIT)
        .unwrap()
        .add(ticking(1, &say));
    next_of(&said, 1);
    handle.move_to(&to);
    await_no_thread("ctx-left");
    next_of(&said, 1);
    // The move and the end of everything, all at once.
    let away = Context::acquire("ctx-away", MAX_WAIT).unwrap();
    let (dropped, is_dropped) = channel();
    let mut task = ticking(2, &say);
    task.dropped = Some(dropped);
    let second = to.add(task);
    second.move_to(&away);
    drop((second, away));
    is_dropped.recv_timeout(PATIENCE).unwrap();
    await_no_thread("ctx-away");
    drop((handle, to));
    await_no_thread("ctx-new-home");
}

#[test]
fn lateness_is_counted_by_class() {
    let counters = Counters::default();
    for late_us in [0, 1_000, 1_001, 4_999, 20_000, 20_001, 500_000] {
        counters.fired(Duration::from_micros(late_us));
    }
    let stats = counters.snapshot();
    assert_eq!(stats.lateness, [2, 1, 1, 0, 1, 2]);
    assert_eq!((stats.ticks, stats.overruns), (7, 2));
    assert_eq!(stats.late_max_us, 500_000);
}

#[test]
fn new_calls_go_to_the_context_with_fewest() {
    set_default_contexts(2);
    let first = Context::default_for_new_call().unwrap();
    let (say, _said) = channel();
    let _a = first.add(ticking(1, &say));
    let second = Context::default_for_new_call().unwrap();
    assert_ne!(first.name(), second.name());
    let _b = second.add(ticking(2, &say));
    let _c = second.add(ticking(3, &say));
    let third = Context::default_for_new_call().unwrap();
    assert_eq!(third.name(), first.name());
    set_default_contexts(0);
}

/// The nice value of the thread that calls this.
fn nice() -> i32 {
    // SAFETY: plain numbers in and out; 0 is the calling thread.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Says how nice its thread is.
struct Nice(Sender<i32>);

impl Task for Nice {
    fn start(&mut self, _cx: &mut Cx<'_>) {
        let _ = self.0.send(nice());
    }
}

#[test]
fn media_threads_go_first_where_that_is_allowed() {
    let allowed = std::thread::spawn(|| {
        // SAFETY: as above.
        let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
        nice()
    });
    let context = Context::acquire("ctx-first", MAX_WAIT).unwrap();
    let (say, said) = channel();
    let _handle = context.add(Box::new(Nice(say)));
    assert_eq!(
        said.recv_timeout(PATIENCE).unwrap(),
        allowed.join().unwrap()
    );
}
