// SPDX-License-Identifier: MPL-2.0
//! What is wrong with a pipeline file, and the line it is on.

use gst::prelude::*;

use super::super::*;
use crate::document::Document;

const GOOD: &str = r#"schema = 1
description = "test"
requires = ["audioconvert"]
[ports]
call = { sip = "sip", publish = "publish", slots = ["slot_0"] }
track = { subscribe = "subscribe", in = "depay", out = "out" }
[params]
loudness = { bind = "loud.volume", type = "float", min = 0, max = 4, default = 1 }
[call]
text = """
sipbin name=sip
sip. ! queue leaky=downstream ! audioconvert ! volume name=loud ! opusenc ! rtpopuspay pt=111 ! webrtcbin name=publish
audiomixer name=mix ! audioconvert ! sip.
funnel name=slot_0 ! mix.
"""
[track]
text = """
webrtcbin name=subscribe
rtpopusdepay name=depay ! opusdec ! capsfilter name=out
"""
"#;

fn findings(text: &str, allow: &[&str]) -> Vec<String> {
    let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
    match Graph::parse(&Document::new("g.toml", text), &allow) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_good_file_makes_its_parts() {
    let graph = Graph::parse(&Document::new("pipelines/g.toml", GOOD), &[]).unwrap();
    assert_eq!(graph.name, "g");
    let call = graph.call.instantiate().unwrap();
    assert_eq!(call.slots().len(), 1);
    assert_eq!(
        call.element("sip").unwrap().factory().unwrap().name(),
        "sipbin"
    );
    assert!(matches!(call.element("nothing"), Err(PartError::Port(_))));
    let track = graph.track.unwrap().instantiate().unwrap();
    assert!(track.pad("out").is_ok() && track.sink_pad("in").is_ok());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    // what is changed into what; the finding.
    let rows = [
        (
            "schema = 1",
            "schema = 2",
            "g.toml: schema = 2 is of a later version",
        ),
        ("schema = 1\n", "", "g.toml: schema = 1 is missing"),
        (
            "description",
            "desciption",
            "g.toml:2: unknown key `desciption` in this file; did you mean `description`?",
        ),
        (
            "requires = [\"audioconvert\"]",
            "requires = [\"nosuchthing\"]",
            "g.toml:3: `requires`: there is no element `nosuchthing`",
        ),
        (
            "publish = \"publish\", ",
            "",
            "g.toml:5: [ports] call: the port `publish` is missing",
        ),
        (
            "publish = \"publish\"",
            "publish = \"pub\"",
            "g.toml:5: the port `publish` names `pub`, and [call] has no element",
        ),
        (
            "publish = \"publish\"",
            "publish = \"loud\"",
            "which is a volume and not a webrtcbin",
        ),
        (
            "slots = [\"slot_0\"]",
            "slots = [\"loud\"]",
            "gives no sink pads on request",
        ),
        (
            "! volume name=loud",
            "! volumen name=loud",
            "g.toml:12: [call]: there is no element `volumen` on this machine",
        ),
        (
            "! audioconvert ! sip.",
            "! audioconvert ! filesink location=/tmp/x",
            "g.toml:13: [call]: the element `filesink` is not on the list of media elements",
        ),
        (
            "! audioconvert ! sip.",
            "! audioconvert !! sip.",
            "[call]: ",
        ),
        ("queue leaky=downstream", "queue leaky=sideways", "[call]: "),
        (
            "loud.volume",
            "loud.colour",
            "g.toml:8: the parameter `loudness` is bound to loud.colour, which does not exist",
        ),
        (
            "loud.volume",
            "lout.volume",
            "g.toml:8: the parameter `loudness` is bound to the element `lout`",
        ),
        (
            "default = 1 ",
            "default = 9 ",
            "`default` is not between `min` and `max`",
        ),
        (
            "max = 4, default = 1 ",
            "max = 40, default = 40 ",
            "g.toml:8: the parameter `loudness` = 40 is nothing that loud.volume takes",
        ),
        ("type = \"float\"", "type = \"flot\"", "`type` is \"flot\""),
        (
            "[call]\ntext",
            "[call]\ntekst",
            "g.toml:10: unknown key `tekst` in [call]; did you mean `text`?",
        ),
        (
            "[track]",
            "[room]\n[track]",
            "g.toml:16: [room]: `text` is missing",
        ),
        (
            "slots = [\"slot_0\"]",
            "voice = \"loud\", slots = [\"slot_0\"]",
            "g.toml:5: [ports] call: the port `voice` leads to the mixer of a [room] part, and there is none",
        ),
        (
            ", slots = [\"slot_0\"]",
            "",
            "[ports] call: a port is missing that takes what is heard",
        ),
        (
            "slots = [\"slot_0\"]",
            "mixer = \"mix\", slots = [\"slot_0\"]",
            "g.toml:5: [ports] call: the ports `mixer` and `slots` are for the same",
        ),
        (
            "slots = [\"slot_0\"] }",
            "slots = [\"slot_0\"] }\nroom = { mixer = \"room\" }\n[room]\ntext = \"sipmixer name=room\"",
            "g.toml:5: [ports] call: the port `slots` is that of [room], for there is a [room] part",
        ),
        (
            "slots = [\"slot_0\"] }",
            "}\nroom = { mixer = \"room\" }\n[room]\ntext = \"sipmixer name=room\"",
            "[ports] call: the port `voice` is missing: a tee that other phones of the room hear",
        ),
        (
            "! mix.\n",
            "! mix.\nsdpbridgebin name=b profile=test.none\n",
            "g.toml:15: [call]: it does not reach the state READY (b: profile: there is no \"test.none\"",
        ),
        (
            "! mix.\n",
            "! mix.\nsdpbridgebin profile=test.none\n",
            "g.toml:15: [call]: it does not reach the state READY",
        ),
        ("schema = 1", "schema = ", "g.toml:1: this is not TOML"),
    ];
    for (from, to, expected) in rows {
        assert!(GOOD.contains(from), "{from}");
        let found = findings(&GOOD.replace(from, to), &[]);
        assert!(
            found.iter().any(|finding| finding.contains(expected)),
            "{to}: {found:#?}"
        );
    }
}

#[test]
fn an_operator_may_allow_more() {
    let text = GOOD.replace(
        "! audioconvert ! sip.",
        "! audioconvert ! filesink location=/dev/null",
    );
    assert_eq!(findings(&text, &[]).len(), 1);
    assert!(findings(&text, &["filesink"]).is_empty());
}

#[test]
fn a_uri_in_the_text_is_an_element_too() {
    let text = GOOD.replace(
        "funnel name=slot_0 ! mix.",
        "funnel name=slot_0 ! mix. file:///etc/hostname ! fakesink",
    );
    let found = findings(&text, &[]);
    assert!(
        found
            .iter()
            .any(|finding| finding.contains("`filesrc` is not on the list")),
        "{found:?}"
    );
}

#[test]
fn a_file_that_anybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let file = std::env::temp_dir().join(format!("sipbridge-{}-open.toml", std::process::id()));
    std::fs::write(&file, GOOD).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let found = crate::check::check(std::slice::from_ref(&file));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].sentence.contains("chmod o-w"));
}

#[test]
fn the_built_in_graphs_load_and_take_parameters() {
    let load = |text: &str| {
        let config = crate::config::Config::parse(&Document::new("c.toml", text)).unwrap();
        PipelineSet::load(&config)
    };
    let set = load("").unwrap();
    assert_eq!(set.chosen().name, DEFAULT);
    let stock = set.get("room-stock").unwrap();
    assert_eq!(stock.call.instantiate().unwrap().slots().len(), 16);
    for (graph, encoder) in [("room", "mix"), ("room-stock", "enc")] {
        let complexity = |params: &str| {
            let set = load(&format!("[media]\npipeline = \"{graph}\"\n{params}")).unwrap();
            let graph = set.chosen();
            let mixes = graph.room.as_ref().unwrap_or(&graph.call);
            let bin = mixes.instantiate().unwrap().bin;
            let encoder = gst::prelude::GstBinExt::by_name(&bin, encoder).unwrap();
            let value = gst::prelude::ObjectExt::property_value(&encoder, "complexity");
            value.transform::<i64>().unwrap().get::<i64>().unwrap()
        };
        assert_eq!(complexity(""), 5);
        assert_eq!(complexity("[media.params]\ncomplexity = 1"), 1);
    }
    for (text, expected) in [
        ("[media.params]\ncomplexity = 11", "must be from 0 to 10"),
        ("[media.params]\ncomplexity = true", "another type"),
        (
            "[media.params]\ncomplexion = 1",
            "which this graph does not have",
        ),
        (
            "[media]\npipeline = \"rooms\"",
            "no pipeline \"rooms\"; known are room, room-rtp, room-stock",
        ),
        (
            "[[sfu]]\nname = \"a\"\nkind = \"embedded\"\npipeline = \"rooms\"",
            "[[sfu]] \"a\": there is no pipeline \"rooms\"",
        ),
        (
            "[[sfu]]\nname = \"a\"\nkind = \"rtp\"\nurl = \"http://127.0.0.1:7000\"\n[media.params]\ncomplexity = 1",
            "[media.params]: they count for the pipeline \"room\", which no [[sfu]] has",
        ),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn each_sfu_has_the_graph_that_it_names() {
    let text = "[[sfu]]\nname = \"a\"\nkind = \"embedded\"\n\
                [[sfu]]\nname = \"b\"\nkind = \"janus\"\nurl = \"ws://127.0.0.1\"\npipeline = \"room-stock\"\n\
                [[sfu]]\nname = \"c\"\nkind = \"rtp\"\nurl = \"http://127.0.0.1:7000\"\n\
                [[sfu]]\nname = \"d\"\nkind = \"rtp\"\nurl = \"http://127.0.0.1:7000\"\npipeline = \"room\"\n";
    let config = crate::config::Config::parse(&Document::new("c.toml", text)).unwrap();
    let set = PipelineSet::load(&config).unwrap();
    let graphs = config.sfus.iter().map(|sfu| set.of(sfu.graph()));
    let names: Vec<String> = graphs.map(|graph| graph.name.clone()).collect();
    assert_eq!(names, ["room", "room-stock", "room-rtp", "room"]);
}
