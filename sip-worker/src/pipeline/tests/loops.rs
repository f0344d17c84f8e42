// SPDX-License-Identifier: MPL-2.0
//! Elements that lead back to themselves, over which GStreamer's stack would overflow.

use super::super::Graph;
use super::super::loops::find;
use crate::document::Document;

fn found(text: &str) -> Option<String> {
    find(text, |factory| factory != "unknown").map(|elements| elements.join(" "))
}

#[test]
fn loops_are_found_however_they_are_written() {
    let rows = [
        ("identity name=a ! identity name=b b. ! a.", "a b"),
        ("identity name=a ! a.", "a"),
        (
            "audioconvert name=a ! audioresample ! audiomixer name=m m. ! a.",
            "a audioresample m",
        ),
        ("volume name = v ! queue ! v.sink", "v queue"),
        (
            "volume name=\"v\"! audio/x-raw,rate=8000!queue!audio/x-raw, rate=8000, channels=1 ! v.",
            "v queue",
        ),
        (
            "tee name=t t. ! fakesink t.src_1 ! queue ! funnel name=f ! t.",
            "t queue f",
        ),
        (
            "( name=inside identity name=x ! queue ) inside. ! volume ! inside.",
            "x queue volume",
        ),
        (
            "bin.( name=inside identity name=x ) volume name=v ! x. x. ! v.",
            "x v",
        ),
        (
            "audiotestsrc ! funnel name=f ! audiomixer name=m ! f.",
            "f m",
        ),
    ];
    for (text, names) in rows {
        let found = found(text).unwrap_or_default();
        let in_order = |text: &str| {
            let mut names: Vec<String> = text.split(' ').map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(in_order(&found), in_order(names), "{text}");
    }
}

#[test]
fn what_ends_somewhere_is_none() {
    for text in [
        "",
        "sipbin name=sip sip. ! queue ! audiomixer name=mix ! sip.",
        "rtcbin name=r r. ! rtpopusdepay ! opusdec ! volume ! opusenc ! rtpopuspay ! r.",
        "unknown name=u ! queue ! u.",
        "audiotestsrc ! tee name=t t. ! queue ! audiomixer name=m t. ! queue ! m. m. ! fakesink",
        "identity name=a identity name=b a. ! b. ! fakesink",
        "( name=publish funnel name=in ! fakesink appsrc ! queue name=out ) volume ! publish. publish. ! volume ! fakesink",
        "identity name=\"a ! a.\" ! fakesink",
        "identity ! nobody. ! identity",
        "! ! ( ) ) ( =  name=",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
}

#[test]
fn a_file_with_one_is_refused_by_its_line() {
    let room = include_str!("../../../../pipelines/room.toml");
    let text = room.replace(
        "\"sipmixer name=mix\"",
        "\"sipmixer name=mix volume name=round ! queue ! round.\"",
    );
    assert_ne!(text, room);
    let line = 1 + text[..text.find("name=round").unwrap()]
        .matches('\n')
        .count();
    let findings = Graph::parse(&Document::new("g.toml", &text), &[]).unwrap_err();
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with(&format!(
            "g.toml:{line}: [room]: the elements `round` to `queue` are linked in a loop"
        )),
        "{said:?}"
    );
}
