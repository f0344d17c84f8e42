// SPDX-License-Identifier: MPL-2.0
//! The example programs bridge two phones of which they know no more than the descriptions.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use gstsipbridge::rtc::leading_out;
use sip_ua::sdp::{Codec, LocalSrtp, SrtpPolicy};
use sipbridge_measure::steady::asserted_steadily;

use crate::phone::{Phone, hear_each_other};

/// What `cargo build --lib --examples` made.
fn built(path: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().unwrap().parent().unwrap().join(path);
    assert!(
        built.is_file(),
        "{} is missing: ./dev test builds it",
        built.display()
    );
    built
}

/// A description, up to the empty line after it.
fn described(output: &mut BufReader<ChildStdout>) -> String {
    let lines = output.lines().map(Result::unwrap);
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(!lines.is_empty(), "the program says why on standard error");
    lines.join("\r\n") + "\r\n"
}

fn bridges(mut program: Command, folder: &Path) {
    // Where the programs are: nobody may ask them for media to loopback.
    let here = leading_out().first().copied();
    let here = here.unwrap_or([127, 0, 0, 1].into());
    let [mut alice, mut bob] = [(); 2].map(|()| Phone::at(here, &[Codec::Pcma]));
    bob.local.srtp = LocalSrtp::new(SrtpPolicy::Required);
    let of_alice = folder.join("alice.sdp");
    std::fs::write(&of_alice, alice.offer()).unwrap();
    // What Bob will say he knows before he is asked: who offers the same suites numbers them alike.
    let of_bob = folder.join("bob.sdp");
    std::fs::write(&of_bob, bob.offer()).unwrap();
    let mut app = program
        .args([
            "rtp_to_srtp".as_ref(),
            of_alice.as_os_str(),
            of_bob.as_os_str(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(app.stdout.take().unwrap());
    let for_bob = described(&mut output);
    let for_alice = described(&mut output);
    bob.accept(&for_bob);
    alice.accept(&for_alice);
    hear_each_other(&mut alice, &mut bob);
    writeln!(app.stdin.take().unwrap()).unwrap();
    let mut stats = String::new();
    output.read_line(&mut stats).unwrap();
    assert!(stats.contains("srtp-suite"), "{stats}");
    assert!(app.wait().unwrap().success());
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn in_rust() {
    asserted_steadily(|| {
        let program = Command::new(built("examples/sdp_bridge"));
        bridges(program, &folder("sdp-bridge-rust"));
    });
}

#[test]
fn in_python() {
    asserted_steadily(|| {
        let folder = folder("sdp-bridge-python");
        let plugin = folder.join("plugin");
        std::fs::create_dir_all(&plugin).unwrap();
        let file = "libgstsipbridge.so";
        std::fs::copy(built(file), plugin.join(file)).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sdp_bridge.py");
        let mut program = Command::new(example);
        program
            .env("GST_PLUGIN_PATH", &plugin)
            .env("GST_REGISTRY", plugin.join("registry.bin"));
        bridges(program, &folder);
    });
}
