// SPDX-License-Identifier: MPL-2.0
//! Nobody can make us keep more than a certain amount.

use super::*;

#[test]
fn whoever_does_not_read_is_given_up() {
    let mut table = Table::new();
    let flow = table.known(1);
    let long = "x".repeat(10_000);
    for round in 0..300 {
        table
            .flows
            .send(table.now, message(&long, there(1), Some(flow)));
        // A slow reader is no dead one.
        table.flows.written(flow, 9_999);
        assert!(
            matches!(table.actions()[..], [Action::Write { .. }]),
            "{round}"
        );
    }
    for _ in 0..200 {
        table
            .flows
            .send(table.now, message(&long, there(1), Some(flow)));
        if table.actions().contains(&Action::Close { flow }) {
            return;
        }
    }
    panic!("it was never closed");
}

#[test]
fn all_unfinished_messages_together_are_bounded() {
    let limits = FlowLimits {
        buffered: 100_000,
        ..FlowLimits::default()
    };
    let mut table = Table::with(limits);
    let start = format!(
        "INVITE sip:bob@192.0.2.1 SIP/2.0\r\nSubject: {}",
        "x".repeat(8_000)
    );
    let mut open = 0;
    for port in 0..100 {
        let flow = table.accept(port);
        match table.hears(flow, &start)[..] {
            [] => open += 1,
            [Action::Close { .. }] => {}
            ref other => panic!("{other:?}"),
        }
    }
    assert_eq!(open, 12);
    // Whoever finishes makes room.
    let known = table.known(500);
    assert!(matches!(
        table.hears(known, OPTIONS)[..],
        [Action::Message { .. }]
    ));
}

#[test]
fn sixteen_messages_in_a_row_that_cannot_be_read_are_enough() {
    let mut table = Table::new();
    let flow = table.known(1);
    for _ in 0..3 {
        for _ in 0..15 {
            table.flows.judged(flow, false);
        }
        table.flows.judged(flow, true);
        assert_eq!(table.actions(), []);
    }
    for _ in 0..16 {
        table.flows.judged(flow, false);
    }
    assert_eq!(table.actions(), [Action::Close { flow }]);
}

#[test]
fn what_has_no_end_is_closed_once_it_was_answered() {
    let mut table = Table::new();
    let flow = table.known(1);
    let endless = "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\nl: much\r\n\r\n";
    assert!(matches!(
        table.hears(flow, endless)[..],
        [Action::Message { .. }]
    ));
    let answer = message("SIP/2.0 400 Bad\r\n\r\n", there(1), Some(flow));
    table.flows.send(table.now, answer);
    assert!(matches!(table.actions()[..], [Action::Write { .. }]));
    assert_eq!(table.hears(flow, OPTIONS), []);
    assert_eq!(table.run(SECOND), [(0, Action::Close { flow })]);
}
