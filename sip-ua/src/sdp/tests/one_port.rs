// SPDX-License-Identifier: MPL-2.0
//! RTP and RTCP on one port (RFC 5761): offered, agreed to, refused.

use super::*;

fn plain() -> LocalMedia {
    LocalMedia {
        rtcp_mux: false,
        ..local()
    }
}

#[test]
fn an_offer_of_one_port_is_taken_unless_we_are_told_not_to() {
    // what the offer adds; whether we can; one port; the port of RTCP.
    let rows = [
        (&[][..], true, false, 4_001),
        (&["a=rtcp-mux"][..], true, true, 4_000),
        (&["a=rtcp-mux"][..], false, false, 4_001),
        (&["a=rtcp-mux", "a=rtcp:4009"][..], true, true, 4_000),
        (&["a=rtcp-mux", "a=rtcp:4009"][..], false, false, 4_009),
        // RFC 8858: whoever can do nothing else.
        (&["a=rtcp-mux-only"][..], true, true, 4_000),
    ];
    for (more, able, muxed, rtcp_port) in rows {
        let mut media = vec!["m=audio 4000 RTP/AVP 0"];
        media.extend_from_slice(more);
        let ours = if able { local() } else { plain() };
        let (body, agreed) = answer(&ours, &with_media(&media)).unwrap();
        assert_eq!(agreed.rtcp_mux, muxed, "{more:?}");
        assert_eq!(agreed.remote_rtcp.port(), rtcp_port, "{more:?}");
        assert_eq!(text(&body).contains("a=rtcp-mux\r\n"), muxed, "{more:?}");
    }
    let only = with_media(&["m=audio 4000 RTP/AVP 0", "a=rtcp-mux-only"]);
    assert!(matches!(answer(&plain(), &only), Err(SdpError::Profile(_))));
}

#[test]
fn both_sides_must_say_it() {
    let offers = [(local(), true), (plain(), false)];
    let answers = [("a=rtcp-mux", true), ("a=sendrecv", false)];
    for (ours, we_say) in &offers {
        for (line, they_say) in answers {
            let answer = with_media(&["m=audio 4000 RTP/AVP 0", line]);
            let agreed = accept_answer(ours, &offer(ours), &answer).unwrap();
            let muxed = *we_say && they_say;
            assert_eq!(agreed.rtcp_mux, muxed);
            let port = if muxed { 4_000 } else { 4_001 };
            assert_eq!(agreed.remote_rtcp.port(), port);
        }
    }
}
