// SPDX-License-Identifier: MPL-2.0
//! The tables of SFUs: `kind = "embedded"` and `kind = "whip"`.

use super::*;
use crate::sfu::embedded::EmbeddedConfig;

fn embedded(lines: &str) -> String {
    format!("[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n{lines}")
}

#[test]
fn an_embedded_sfu_needs_no_more_than_its_name() {
    let text = embedded("");
    let config = Config::parse(&Document::new("c.toml", text)).unwrap();
    let SfuKind::Embedded(inside) = &config.sfus[0].kind else {
        panic!("{config:?}")
    };
    assert_eq!(*inside, EmbeddedConfig::new("main"));
    let text = embedded("port = 5004\nrooms = [\"lobby\", \"team-*\"]\nmax_participants = 12\n");
    let config = Config::parse(&Document::new("c.toml", text)).unwrap();
    let SfuKind::Embedded(inside) = &config.sfus[0].kind else {
        panic!("{config:?}")
    };
    assert_eq!((inside.port, inside.max_participants), (5004, 12));
    assert_eq!(inside.rooms, ["lobby", "team-*"]);
}

#[test]
fn keys_are_told_to_rooms_that_are_meant_to_know_them_and_by_sfus_that_can() {
    let told = |lines: &str| {
        let config = Config::parse(&Document::new("c.toml", lines)).unwrap();
        config.sfus[0].tell_keys
    };
    let sfu = |lines: &str| format!("[[sfu]]\nname = \"main\"\n{lines}");
    for able in [
        "kind = \"embedded\"\n",
        "kind = \"rtp\"\nurl = \"http://127.0.0.1:7000\"\n",
    ] {
        assert!(!told(&sfu(able)), "a key may be one of a PIN");
        assert!(told(&sfu(&format!("{able}tell_keys = true\n"))));
    }
    for unable in [
        "kind = \"janus\"\nurl = \"ws://127.0.0.1\"\n",
        "kind = \"whip\"\nwhip = \"http://127.0.0.1/{room}/{participant}\"\n",
        "kind = \"rtp\"\n[[sfu.line]]\nroom = \"lobby\"\nto = \"192.0.2.7:5004\"\n",
    ] {
        assert!(!told(&sfu(unable)));
        let found = findings(&sfu(&format!("tell_keys = true\n{unable}"))).concat();
        assert!(
            found.contains("[[sfu]] \"main\": `tell_keys`: this SFU carries nothing but"),
            "{found}"
        );
    }
}

#[test]
fn what_an_embedded_sfu_does_not_know_is_refused() {
    for (lines, wanted) in [
        (
            "url = \"ws://127.0.0.1\"\n",
            "c.toml:4: unknown key `url` in [[sfu]] \"main\"",
        ),
        ("port = 70000\n", "c.toml:4: [[sfu]] \"main\": `port`"),
        (
            "rooms = [\"a room\"]\n",
            "c.toml:4: [[sfu]] \"main\": `rooms`: \"a room\" is the pattern of no room",
        ),
        (
            "[[sfu]]\nname = \"other\"\nkind = \"embedded\"\n",
            "there is an embedded SFU already",
        ),
    ] {
        let found = findings(&embedded(lines));
        assert!(
            found.iter().any(|f| f.contains(wanted)),
            "{lines}: {found:?}"
        );
    }
}

fn whip(lines: &str) -> String {
    format!("[[sfu]]\nname = \"main\"\nkind = \"whip\"\n{lines}")
}

#[test]
fn a_whip_sfu_is_two_kinds_of_urls() {
    let text = whip(
        "whip = \"https://sfu.example/{room}/{participant}\"\n\
         whep = [\"https://sfu.example/{room}/stage\"]\npatience = \"7s\"\n",
    );
    let config = Config::parse(&Document::new("c.toml", text)).unwrap();
    let SfuKind::Whip(whip) = &config.sfus[0].kind else {
        panic!("{config:?}")
    };
    assert_eq!(
        whip.whip.to_string(),
        "https://sfu.example/{room}/{participant}"
    );
    assert_eq!(whip.whep.len(), 1);
    assert_eq!(whip.outage_patience.as_secs(), 7);
}

#[test]
fn what_is_no_whip_sfu_is_refused() {
    let here = "whip = \"http://127.0.0.1/{participant}\"\n";
    for (lines, wanted) in [
        (String::new(), "`whip` is missing, such as"),
        (
            here.replace("http", "ws"),
            "is not of the form https://HOST/PATH",
        ),
        (here.replace("{participant}", "{who}"), "{who} is none of"),
        (
            here.replace("{participant}", "stage"),
            "leads all phones of a room to one endpoint",
        ),
        (
            here.replace("{participant}", "{session}"),
            "of the session that begins here",
        ),
        (
            here.replace("127.0.0.1", "{room}"),
            "who calls cannot choose the host",
        ),
        (
            format!("{here}whep = [\"http://x/{{\"]\n"),
            "c.toml:5: [[sfu]] \"main\": `whep`",
        ),
        (
            format!("{here}token = \"t\"\n"),
            "a secret does not stand in the configuration",
        ),
        (
            format!("{here}ca_file = \"c.toml\"\n"),
            "a plain connection shows none",
        ),
        (
            format!("{here}room_create = true\n"),
            "unknown key `room_create`",
        ),
    ] {
        let found = findings(&whip(&lines));
        assert!(
            found.iter().any(|f| f.contains(wanted)),
            "{lines}: {found:?}"
        );
    }
}
