// SPDX-License-Identifier: MPL-2.0

use super::*;

#[test]
fn whoever_gets_no_answer_is_closed_after_32_seconds() {
    let mut table = Table::new();
    let flow = table.accept(1);
    assert_eq!(table.run(31 * SECOND), []);
    assert_eq!(table.run(SECOND), [(1_000, Action::Close { flow })]);
    assert!(table.flows.is_empty());
    assert_eq!(table.flows.poll_timeout(), None);
}

#[test]
fn a_ping_gets_no_pong() {
    let mut table = Table::new();
    let flow = table.accept(1);
    assert_eq!(table.hears(flow, "\r\n\r\n\r\n\r\n"), []);
    let known = table.known(2);
    let pong = Action::Write {
        flow: known,
        packet: b"\r\n".as_slice().into(),
    };
    assert_eq!(table.hears(known, "\r\n\r\n"), [pong]);
}

#[test]
fn many_of_them_push_out_each_other_and_nobody_else() {
    let limits = FlowLimits {
        flows: 10,
        strangers: 5,
        ..FlowLimits::default()
    };
    let mut table = Table::with(limits);
    let known: Vec<FlowId> = (0..4).map(|port| table.known(port)).collect();
    let ours = table.ours(100);
    let mut strangers: Vec<FlowId> = (200..205)
        .map(|port| {
            table.now += SECOND;
            table.accept(port)
        })
        .collect();
    for port in 300..400 {
        let flow = table.accept(port);
        strangers.push(flow);
        let oldest = strangers.remove(0);
        assert_eq!(table.actions(), [Action::Close { flow: oldest }]);
        assert_eq!(table.flows.len(), 10);
        table.now += SECOND / 10;
    }
    // The known ones are still there: what is sent to them takes their connections.
    for (port, flow) in known.into_iter().enumerate() {
        let port = u16::try_from(port).unwrap();
        table.flows.send(table.now, message("B", there(port), None));
        let packet = b"B".as_slice().into();
        assert_eq!(table.actions(), [Action::Write { flow, packet }]);
    }
    table.flows.send(table.now, message("B", there(100), None));
    let packet = b"B".as_slice().into();
    assert_eq!(table.actions(), [Action::Write { flow: ours, packet }]);
}

#[test]
fn whoever_connects_the_most_pushes_out_their_own() {
    let limits = FlowLimits {
        strangers: 100,
        ..FlowLimits::default()
    };
    let mut table = Table::with(limits);
    let connects = |table: &mut Table, from: [u8; 4], port: u16| {
        let (now, kind) = (table.now, Transport::Tcp);
        let far = SocketAddr::from((from, port));
        table.flows.accepted(now, kind, here(), far).unwrap()
    };
    // Phones that will speak in a moment, the first ones before all others.
    let phones: Vec<FlowId> = (1..=30)
        .map(|host| connects(&mut table, [203, 0, 113, host], 5060))
        .collect();
    for port in 0..10_000 {
        connects(&mut table, [198, 51, 100, 1], port);
    }
    let closed = table.actions();
    assert_eq!(closed.len(), 10_000 - 70);
    assert_eq!(table.flows.len(), 100);
    for flow in phones {
        assert!(!closed.contains(&Action::Close { flow }));
        assert!(matches!(
            table.hears(flow, OPTIONS)[..],
            [Action::Message { .. }]
        ));
    }
}

#[test]
fn two_thousand_who_connect_at_once_and_speak_a_second_later_are_all_heard() {
    let mut table = Table::new();
    let flows: Vec<FlowId> = (0..2_000).map(|port| table.accept(port)).collect();
    table.now += SECOND;
    for flow in flows {
        assert!(matches!(
            table.hears(flow, OPTIONS)[..],
            [Action::Message { .. }]
        ));
    }
}

#[test]
fn few_descriptors_make_few_connections() {
    let limits = FlowLimits::within(1024);
    assert_eq!((limits.flows, limits.strangers), (768, 512));
    assert_eq!(FlowLimits::within(usize::MAX), FlowLimits::default());
}

#[test]
fn a_table_full_of_known_ones_takes_no_more() {
    let limits = FlowLimits {
        flows: 3,
        ..FlowLimits::default()
    };
    let mut table = Table::with(limits);
    for port in 0..3 {
        table.known(port);
    }
    let (now, kind) = (table.now, Transport::Tcp);
    assert_eq!(table.flows.accepted(now, kind, here(), there(9)), None);
    table.flows.send(table.now, message("A", there(9), None));
    let Action::Unsent { reason, .. } = table.only() else {
        panic!("it was sent")
    };
    assert_eq!(
        reason,
        "tcp:198.51.100.1:9 cannot be reached: this side has too many connections"
    );
}
