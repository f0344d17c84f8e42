// SPDX-License-Identifier: MPL-2.0
//! sipp makes a thousand calls at fifty a second over UDP, and at the same time as many over TCP:
//! all on one connection, or each on its own. Each is answered with negotiated media, none
//! fails, and afterwards nothing is left: no dialog, no transaction, no port, no descriptor, no
//! thread, and no memory beyond what a hundred calls had already taken.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const WARM_UP: u64 = 100;
const CALLS: u64 = 1_000;
const CALLS_A_SECOND: u64 = 50;

#[test]
fn a_thousand_calls_leave_nothing_behind() {
    let mut answerer = Answerer::start();

    sipp_by_all_ways(&answerer.address, WARM_UP);
    let before = answerer.ask("settled");
    sipp_by_all_ways(&answerer.address, CALLS);
    let after = answerer.ask("settled");
    println!("after {WARM_UP} calls:  {before:?}\nafter {CALLS} more: {after:?}");

    assert_eq!(after["taken"], 2 * (WARM_UP + CALLS));
    assert_eq!(
        after["hung_up"],
        2 * (WARM_UP + CALLS),
        "every call ended by the caller's BYE"
    );
    assert_eq!(after["failed"], 0);
    assert_eq!(after["descriptors"], before["descriptors"]);
    assert_eq!(after["threads"], before["threads"]);
    let grown_kib = after["resident_kib"].saturating_sub(before["resident_kib"]);
    assert!(grown_kib <= 5 * 1024, "memory grew by {grown_kib} KiB");
}

/// So many calls over UDP, half as many on one TCP connection, half as many on one each.
fn sipp_by_all_ways(target: &str, calls: u64) {
    // All look for a free port from the same one on: at one address they would race for it.
    let ways = [
        ("u1", 1, "127.0.0.1"),
        ("t1", 2, "127.0.0.2"),
        ("tn", 2, "127.0.0.3"),
    ];
    std::thread::scope(|scope| {
        for (transport, share, from) in ways {
            let (calls, rate) = (calls / share, CALLS_A_SECOND / share);
            scope.spawn(move || sipp(target, transport, from, calls, rate));
        }
    });
}

/// Fails unless every call succeeded.
fn sipp(target: &str, transport: &str, from: &str, calls: u64, calls_a_second: u64) {
    let output = Command::new("sipp")
        .args(["-sn", "uac", target, "-i", from, "-mi", from])
        .args(["-t", transport, "-max_socket", "1000"])
        .args(["-m", &calls.to_string(), "-r", &calls_a_second.to_string()])
        .args(["-d", "200", "-nostdin", "-timeout", "120", "-timeout_error"])
        .stdin(Stdio::null())
        .output()
        .expect("sipp runs: it is in Debian's package sip-tester");
    assert!(
        output.status.success(),
        "sipp -t {transport}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The example of that name, in a process of its own.
struct Answerer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Answerer {
    fn start() -> Answerer {
        // Cargo builds the examples of a package before it runs the package's tests.
        let mut path = std::env::current_exe().expect("a test has a path");
        path.pop();
        path.pop();
        let mut child = Command::new(path.join("examples/answerer"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built with the tests: run `cargo test -p sip-ua`");
        let input = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("an address")
            .to_owned();
        Answerer {
            child,
            input,
            output,
            address,
        }
    }

    fn ask(&mut self, what: &str) -> HashMap<String, u64> {
        writeln!(self.input, "{what}").expect("it listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line.trim()
            .trim_matches(['{', '}'])
            .split(',')
            .map(|pair| {
                let (name, value) = pair.split_once(':').expect("a pair");
                (
                    name.trim_matches('"').to_owned(),
                    value.parse().expect("a number"),
                )
            })
            .collect()
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
