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
