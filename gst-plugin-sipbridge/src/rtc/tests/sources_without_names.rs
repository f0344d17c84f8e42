// SPDX-License-Identifier: MPL-2.0
//! Some name no source in their description, and some write no header extension into packets.

use super::*;

fn without(description: &str, prefixes: &[&str]) -> String {
    description
        .lines()
        .filter(|line| !prefixes.iter().any(|prefix| line.starts_with(prefix)))
        .map(|line| format!("{line}\r\n"))
        .collect()
}

#[test]
fn the_payload_type_tells_whose_a_source_is() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let bare = without(&offer, &["a=ssrc", "a=extmap"]);
    let answer = session.b.answer(session.now, &bare);
    session
        .a
        .accept(session.now, &without(&answer, &["a=ssrc"]));
    session.run(std::time::Duration::from_secs(1));
    session.talk(20, &[0]);
    assert_eq!((session.a.packets.len(), session.b.packets.len()), (20, 20));
}

#[test]
fn the_header_extension_tells_where_several_lines_share_a_payload_type() {
    let mut session = Session::speaking();
    session.a.speaks(12);
    session.b.speaks(23);
    let offer = session.a.offer(session.now);
    let answer = session.b.answer(session.now, &without(&offer, &["a=ssrc"]));
    session
        .a
        .accept(session.now, &without(&answer, &["a=ssrc"]));
    session.run(std::time::Duration::from_secs(1));
    session.talk(20, &[0, 1]);
    for peer in [&session.a, &session.b] {
        assert_eq!(peer.packets.len(), 40);
        for packet in &peer.packets {
            assert_eq!(usize::from(packet.payload[1]), packet.line);
        }
    }
}

#[test]
fn an_answer_without_bundle_and_mid_will_do() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let answer = session
        .b
        .answer(session.now, &without(&offer, &["a=mid", "a=group"]));
    assert!(!answer.contains("a=mid") && !answer.contains("BUNDLE"));
    session.a.accept(session.now, &answer);
    session.run(std::time::Duration::from_secs(1));
    session.talk(20, &[0]);
    assert_eq!((session.a.packets.len(), session.b.packets.len()), (20, 20));
}
