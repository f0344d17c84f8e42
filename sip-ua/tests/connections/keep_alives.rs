// SPDX-License-Identifier: MPL-2.0
//! RFC 5626 §4.4.1.

use super::*;

fn pings(happened: &[(u128, Action)]) -> Vec<u128> {
    happened
        .iter()
        .filter(|(_, action)| {
            matches!(action, Action::Write { packet, .. } if &packet[..] == b"\r\n\r\n")
        })
        .map(|(millis, _)| *millis)
        .collect()
}

#[test]
fn what_we_opened_is_pinged_every_96_to_120_seconds() {
    let mut table = Table::new();
    table.known(1);
    for port in 10..30 {
        table.ours(port);
        let at = pings(&table.run(120 * SECOND));
        assert!(at.iter().all(|millis| *millis >= 1_000), "{at:?}");
    }
    let mut table = Table::new();
    table.ours(1);
    let at = pings(&table.run(500 * SECOND));
    assert!(at.len() >= 4, "{at:?}");
    let mut before = 0;
    for millis in at {
        let pause = millis - before;
        assert!((96_000..=120_000).contains(&pause), "{pause}");
        before = millis;
    }
}

#[test]
fn whoever_answered_once_and_no_longer_does_is_gone() {
    let mut table = Table::new();
    let flow = table.ours(1);
    let ping = |table: &mut Table| {
        while pings(&table.run(SECOND)).is_empty() {}
    };
    ping(&mut table);
    assert_eq!(table.hears(flow, "\r\n"), []);
    ping(&mut table);
    let happened: Vec<Action> = table.run(10 * SECOND).into_iter().map(|(_, a)| a).collect();
    let far = Hop::new(Transport::Tcp, there(1));
    assert_eq!(happened, [Action::Close { flow }, Action::Lost { far }]);
    assert!(table.flows.is_empty());
}

#[test]
fn whoever_never_answers_may_stay() {
    let mut table = Table::new();
    let flow = table.ours(1);
    for _ in 0..20 {
        table.run(100 * SECOND);
        assert!(matches!(
            table.hears(flow, OPTIONS)[..],
            [Action::Message { .. }]
        ));
    }
    assert_eq!(table.flows.len(), 1);
}

#[test]
fn who_promised_to_answer_is_pinged_as_often_as_it_wants_and_gone_without_an_answer() {
    let mut table = Table::new();
    let flow = table.ours(1);
    table.flows.keep_alive(table.now, flow, 30 * SECOND);
    let first = pings(&table.run(30 * SECOND));
    assert_eq!(first.len(), 1);
    assert!((24_000..=30_000).contains(&first[0]), "{first:?}");
    assert_eq!(table.hears(flow, "\r\n"), []);
    // What was agreed on already moves nothing.
    table.flows.keep_alive(table.now, flow, 30 * SECOND);
    let happened = table.run(40 * SECOND);
    assert_eq!(pings(&happened).len(), 1);
    let far = Hop::new(Transport::Tcp, there(1));
    let lost = happened.iter().find(|(_, a)| *a == Action::Lost { far });
    let (pinged, lost) = (pings(&happened)[0], lost.unwrap().0);
    assert_eq!(lost - pinged, 10_000);
}
