// SPDX-License-Identifier: MPL-2.0
//! `sip-worker check`: one sentence with file and line for each mistake, and exit status 2.

use anyhow::Result;
use sipbridge_tests::out_dir;
use sipbridge_tests::worker::run_once;

/// Checks `text` as a file; its one finding must stand at `line` and contain all of `words`.
#[track_caller]
fn finds(name: &str, text: &str, line: usize, words: &[&str]) -> Result<()> {
    let folder = out_dir("check_says_what_is_wrong");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    let path = path.to_string_lossy();
    let output = run_once(&["check", &path])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name}: {said}");
    let place = format!("{path}:{line}:");
    let finding = said.lines().find(|found| found.contains(&place));
    let finding = finding.unwrap_or_else(|| panic!("{name}: no finding at line {line}: {said}"));
    for word in words {
        assert!(
            finding.contains(word),
            "{name}: {word:?} is missing from {finding:?}"
        );
    }
    Ok(())
}

const GRAPH: &str = include_str!("../../pipelines/room-stock.toml");

/// The shipped graph with `old` replaced, and the line on which that was.
#[track_caller]
fn damaged(old: &str, new: &str) -> (String, usize) {
    let at = GRAPH
        .find(old)
        .unwrap_or_else(|| panic!("the shipped graph has no {old:?}"));
    (
        GRAPH.replacen(old, new, 1),
        GRAPH[..at].matches('\n').count() + 1,
    )
}

#[test]
fn a_misspelt_key() -> Result<()> {
    finds(
        "misspelt.toml",
        "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\nadvertize = \"192.0.2.1\"\n",
        3,
        &["advertize", "advertise"],
    )
}

#[test]
fn a_bad_port_range() -> Result<()> {
    let text = "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\n\n[media]\nports = \"20000-10000\"\n";
    finds("ports.toml", text, 5, &["ports"])
}

#[test]
fn a_file_that_is_not_toml() -> Result<()> {
    finds(
        "not.toml",
        "[sip]\nlisten = [\"udp:127.0.0.1:5060\"\n\n[media\n",
        4,
        &[],
    )
}

#[test]
fn the_shipped_graph_is_fine() -> Result<()> {
    let path = out_dir("check_says_what_is_wrong").join("room-stock.toml");
    std::fs::create_dir_all(path.parent().unwrap())?;
    std::fs::write(&path, GRAPH)?;
    let output = run_once(&["check", &path.to_string_lossy()])?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn an_unknown_element() -> Result<()> {
    let (text, line) = damaged("! opusenc name", "! opusencc name");
    finds("unknown-element.toml", &text, line, &["opusencc"])
}

#[test]
fn a_forbidden_element() -> Result<()> {
    let (text, line) = damaged(
        "sipbin name=sip",
        "sipbin name=sip filesrc location=/etc/passwd ! fakesink",
    );
    finds("forbidden-element.toml", &text, line, &["filesrc"])
}

#[test]
fn a_missing_port_name() -> Result<()> {
    let (text, line) = damaged("subscribe = \"subscribe\", ", "");
    finds("missing-port.toml", &text, line, &["subscribe"])
}
