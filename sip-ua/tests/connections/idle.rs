// SPDX-License-Identifier: MPL-2.0

use super::*;

fn idle_at(happened: &[(u128, Action)]) -> Vec<u128> {
    happened
        .iter()
        .filter(|(_, action)| matches!(action, Action::Idle { .. }))
        .map(|(millis, _)| millis / 1_000)
        .collect()
}

#[test]
fn after_ten_quiet_minutes_somebody_has_to_need_it() {
    let mut table = Table::new();
    let flow = table.known(1);
    let happened = table.run(1_300 * SECOND);
    assert_eq!(idle_at(&happened), [600, 1_200]);
    table.flows.close(flow, "nobody needs it");
    assert_eq!(table.actions(), [Action::Close { flow }]);
    assert!(table.flows.is_empty());
    assert_eq!(table.flows.poll_timeout(), None);
}

#[test]
fn their_keep_alives_keep_it_and_ours_do_not() {
    let mut table = Table::new();
    let theirs = table.known(1);
    for _ in 0..60 {
        assert_eq!(idle_at(&table.run(100 * SECOND)), []);
        table.hears(theirs, "\r\n\r\n");
    }
    table.flows.closed(theirs, "gone");
    let ours = table.ours(2);
    let mut idle = Vec::new();
    for round in 0..70 {
        let happened = table.run(10 * SECOND);
        idle.extend(idle_at(&happened).iter().map(|s| s + round * 10));
        let pinged = happened
            .iter()
            .any(|(_, action)| matches!(action, Action::Write { .. }));
        if pinged {
            table.hears(ours, "\r\n");
        }
    }
    assert_eq!(idle, [600]);
}

#[test]
fn the_rest_of_a_message_must_come_within_32_seconds() {
    let mut table = Table::new();
    let flow = table.known(1);
    let (start, end) = OPTIONS.split_at(20);
    table.hears(flow, start);
    assert_eq!(table.run(31 * SECOND), []);
    assert!(matches!(
        table.hears(flow, end)[..],
        [Action::Message { .. }]
    ));
    table.hears(flow, start);
    assert_eq!(table.run(40 * SECOND), [(32_000, Action::Close { flow })]);
}
