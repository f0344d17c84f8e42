// SPDX-License-Identifier: MPL-2.0

use super::*;

#[test]
fn what_is_sent_meanwhile_waits_and_keeps_its_order() {
    let mut table = Table::new();
    for text in ["A", "B", "C"] {
        table.flows.send(table.now, message(text, there(1), None));
    }
    let Action::Connect { flow, local, far } = table.only() else {
        panic!("one connection is wanted")
    };
    assert_eq!((local, far.addr), (here(), there(1)));
    table.flows.connected(table.now, flow);
    let written: Vec<Vec<u8>> = table
        .actions()
        .into_iter()
        .map(|action| match action {
            Action::Write { packet, .. } => packet.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(written, [b"A", b"B", b"C"]);
}

#[test]
fn nobody_there_within_four_seconds_is_told_of_each_message() {
    let mut table = Table::new();
    for text in ["A", "B"] {
        table.flows.send(table.now, message(text, there(1), None));
    }
    let Action::Connect { flow, .. } = table.only() else {
        panic!("one connection is wanted")
    };
    let happened = table.run(10 * SECOND);
    let [
        (4_000, Action::Unsent { transmit, reason }),
        (4_000, Action::Unsent { .. }),
        (4_000, Action::Close { flow: closed }),
    ] = &happened[..]
    else {
        panic!("{happened:?}")
    };
    assert_eq!((&transmit.packet[..], *closed), (&b"A"[..], flow));
    assert_eq!(
        reason,
        "tcp:198.51.100.1:1 cannot be reached: no connection came about within 4 s"
    );
    // The next one tries again.
    table.flows.send(table.now, message("C", there(1), None));
    assert!(matches!(table.actions()[..], [Action::Connect { .. }]));
}

#[test]
fn a_named_connection_that_is_gone_is_replaced_by_the_far_ends_address() {
    let mut table = Table::new();
    let flow = table.known(1);
    table.flows.closed(flow, "the far end closed it");
    table.actions();
    // The Via of the caller says port 5060.
    let answer = message("SIP/2.0 200 OK\r\n\r\n", there(5060), Some(flow));
    table.flows.send(table.now, answer);
    let Action::Connect { far, .. } = table.only() else {
        panic!("a connection is wanted")
    };
    assert_eq!(far.addr, there(5060));
}
