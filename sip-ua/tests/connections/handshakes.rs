// SPDX-License-Identifier: MPL-2.0
//! Connections that have to prove something before a message can pass (TLS).

use super::*;

fn tls(port: u16) -> Hop {
    Hop::new(Transport::Tls, there(port))
}

fn secret(text: &str, far: Hop, flow: Option<FlowId>) -> Transmit {
    Transmit {
        transport: far.transport,
        proof: far.proof,
        ..message(text, far.addr, flow)
    }
}

impl Table {
    fn knocks(&mut self, port: u16) -> FlowId {
        let (now, kind) = (self.now, Transport::Tls);
        self.flows.accepted(now, kind, here(), there(port)).unwrap()
    }
}

#[test]
fn who_stalls_in_the_handshake_is_closed_after_five_seconds() {
    let mut table = Table::new();
    let flow = table.knocks(1);
    assert_eq!(
        table.run(60 * SECOND),
        [(5_000, Action::Close { flow })],
        "it had only so long"
    );
    assert!(table.flows.is_empty());
}

#[test]
fn a_handshake_in_time_makes_a_stranger_as_any_other() {
    let mut table = Table::new();
    let flow = table.knocks(1);
    table.run(4 * SECOND);
    table.flows.connected(table.now, flow);
    assert_eq!(table.run(31 * SECOND), []);
    let heard = table.hears(flow, OPTIONS);
    let [Action::Message { arrival, .. }] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(arrival.transport, Transport::Tls);
    assert_eq!(arrival.hop().proof, Proof::Connected);
}

#[test]
fn of_many_handshakes_the_oldest_makes_room() {
    let limits = FlowLimits {
        handshakes: 2,
        ..FlowLimits::default()
    };
    let mut table = Table::with(limits);
    let (first, second) = (table.knocks(1), table.knocks(2));
    table.flows.connected(table.now, first);
    let third = table.knocks(3);
    assert_eq!(table.actions(), [], "one of them was done");
    table.knocks(4);
    assert_eq!(table.actions(), [Action::Close { flow: second }]);
    table.knocks(5);
    assert_eq!(table.actions(), [Action::Close { flow: third }]);
    assert_eq!(table.flows.len(), 3, "whose handshake is done stays");
}

#[test]
fn nobody_there_is_told_after_connecting_and_handshake() {
    let mut table = Table::new();
    table.flows.send(table.now, secret("A", tls(1), None));
    table.actions();
    let happened = table.run(60 * SECOND);
    assert!(
        matches!(
            happened[..],
            [
                (9_000, Action::Unsent { .. }),
                (9_000, Action::Close { .. })
            ]
        ),
        "{happened:?}"
    );
}

#[test]
fn what_one_name_proved_is_not_used_for_another() {
    let mut table = Table::new();
    let named = |name| Hop {
        proof: Proof::Domain(Domain::new(name)),
        ..tls(1)
    };
    for (name, new) in [
        ("a.example", true),
        ("b.example", true),
        ("a.example", false),
    ] {
        table.flows.send(table.now, secret("A", named(name), None));
        let actions = table.actions();
        let connects = matches!(actions[..], [Action::Connect { .. }]);
        assert_eq!(connects, new, "{name}: {actions:?}");
        if let [Action::Connect { flow, far, .. }] = actions[..] {
            assert_eq!(far, named(name));
            table.flows.connected(table.now, flow);
            table.actions();
        }
    }
}

#[test]
fn a_connection_that_they_opened_stands_for_no_address() {
    let mut table = Table::new();
    let theirs = table.knocks(1);
    table.flows.connected(table.now, theirs);
    table.hears(theirs, OPTIONS);
    // Whoever holds the address on the way here has proved nothing to us.
    table.flows.send(table.now, secret("A", tls(1), None));
    assert!(matches!(table.actions()[..], [Action::Connect { .. }]));
    // As a registrar does with one that registered over it.
    let back = Hop {
        proof: Proof::Connected,
        ..tls(1)
    };
    table.flows.send(table.now, secret("B", back, None));
    let packet = b"B".as_slice().into();
    assert_eq!(
        table.actions(),
        [Action::Write {
            flow: theirs,
            packet
        }]
    );
    table.flows.closed(theirs, "gone");
    table.actions();
    table.flows.send(table.now, secret("C", back, None));
    let Action::Unsent { reason, .. } = table.only() else {
        panic!("it was sent")
    };
    assert_eq!(
        reason,
        "tls:198.51.100.1:1 cannot be reached: its connection is closed, and it has to open another"
    );
}

#[test]
fn what_a_far_end_refuses_after_our_side_was_done_never_left() {
    let mut table = Table::new();
    table.flows.send(table.now, secret("A", tls(1), None));
    let Action::Connect { flow, .. } = table.only() else {
        panic!("a connection is wanted")
    };
    table.flows.connected(table.now, flow);
    table.flows.send(table.now, secret("B", tls(1), None));
    table.actions();
    table.flows.closed(flow, "it wants a certificate");
    let unsent: Vec<Vec<u8>> = table
        .actions()
        .into_iter()
        .map(|action| match action {
            Action::Unsent { transmit, .. } => transmit.packet.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(unsent, [b"A", b"B"]);
}

#[test]
fn who_has_spoken_once_is_only_lost() {
    let mut table = Table::new();
    table.flows.send(table.now, secret("A", tls(1), None));
    let Action::Connect { flow, far, .. } = table.only() else {
        panic!("a connection is wanted")
    };
    table.flows.connected(table.now, flow);
    table.actions();
    table.hears(flow, "SIP/2.0 100 Trying\r\nl: 0\r\n\r\n");
    table.flows.closed(flow, "reset");
    assert_eq!(table.only(), Action::Lost { far });
}
