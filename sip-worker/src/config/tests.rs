// SPDX-License-Identifier: MPL-2.0

use secrecy::ExposeSecret;

use super::*;
use crate::sfu::embedded::EmbeddedConfig;

const EXAMPLE: &str = include_str!("../../sip-worker.example.toml");

const GOOD: &str = r#"[sip]
listen = ["udp:127.0.0.1:5070", "tcp:[::1]:5070"]
[media]
ports = "20000-20010"
[[sfu]]
name = "main"
kind = "janus"
url = "ws://127.0.0.1:8188"
[[trunk]]
name = "pbx"
allow = ["127.0.0.1", "2001:db8::/32"]
max_duration = "30m"
[[route]]
header.X-Room-ID = "*"
trunk = "pbx"
room = "lobby"
"#;

fn findings(text: &str) -> Vec<String> {
    match Config::parse(&Document::new("c.toml", text)) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_example_loads() {
    let config = Config::parse(&Document::new("sip-worker.example.toml", EXAMPLE)).unwrap();
    assert_eq!(config.trunks[0].name, "carrier");
    assert_eq!(
        config.trunks[0].max_duration,
        Some(Duration::from_secs(4 * 3600))
    );
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.media.ports, 10_000..=20_000);
}

#[test]
fn an_empty_file_lets_nobody_in() {
    let config = Config::parse(&Document::new("c.toml", "")).unwrap();
    assert!(config.trunks.is_empty() && config.routes.is_empty() && config.http.is_none());
    assert_eq!(config.sip.listen[0].addr, "0.0.0.0:5060".parse().unwrap());
    let trunk = "[[trunk]]\nname = \"t\"";
    let config = Config::parse(&Document::new("c.toml", trunk)).unwrap();
    assert!(config.trunks[0].allow.is_empty() && config.trunks[0].dial_allow.is_empty());
}

#[test]
fn values_are_read() {
    let config = Config::parse(&Document::new("c.toml", GOOD)).unwrap();
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["udp:127.0.0.1:5070", "tcp:[::1]:5070"]);
    assert_eq!(config.media.ports, 20_000..=20_010);
    assert_eq!(config.media.timeout, Duration::from_secs(60));
    let patient = GOOD.replace("[media]", "[media]\ntimeout = 0");
    let config_of = |text: &str| Config::parse(&Document::new("c.toml", text)).unwrap();
    assert_eq!(config_of(&patient).media.timeout, Duration::ZERO);
    let allow = &config.trunks[0].allow;
    assert!(allow[0].contains(&"127.0.0.1".parse::<IpAddr>().unwrap()));
    assert!(!allow[0].contains(&"127.0.0.2".parse::<IpAddr>().unwrap()));
    assert_eq!(
        config.routes[0].headers,
        [("X-Room-ID".to_owned(), "*".to_owned())]
    );
    assert_eq!(config.sfus[0].name, "main");
    let SfuKind::Janus(janus) = &config.sfus[0].kind else {
        panic!("{config:?}")
    };
    assert_eq!(janus.outage_patience, Duration::from_secs(30));
    let hasty = GOOD.replace("kind = ", "patience = 0\nkind = ");
    let config = Config::parse(&Document::new("c.toml", &hasty)).unwrap();
    let SfuKind::Janus(janus) = &config.sfus[0].kind else {
        panic!("{config:?}")
    };
    assert_eq!(janus.outage_patience, Duration::ZERO);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    // what is changed into what; the finding.
    let rows = [
        (
            "listen =",
            "lisen =",
            "c.toml:2: unknown key `lisen` in [sip]; did you mean `listen`?",
        ),
        (
            "[media]",
            "[mdia]",
            "c.toml:3: unknown key `mdia` in this file; did you mean `media`?",
        ),
        (
            "\"20000-20010\"",
            "\"20010-20000\"",
            "c.toml:4: [media]: `ports`: \"20010-20000\" is empty",
        ),
        (
            "\"20000-20010\"",
            "\"20000-70000\"",
            "c.toml:4: [media]: `ports`: 70000 is no port",
        ),
        ("\"20000-20010\"", "\"many\"", "is not a range of ports"),
        (
            "[media]",
            "[media]\nmax_load = 90",
            "`max_load` must be a number from 0.1 to 1, not 90",
        ),
        (
            "\"20000-20010\"",
            "20000",
            "c.toml:4: [media]: `ports` must be a text in quotes, not 20000",
        ),
        (
            "udp:127.0.0.1:5070",
            "tls:127.0.0.1:5070",
            "[sip]: \"tls:127.0.0.1:5070\" has no certificate to show; name its files in `tls`",
        ),
        (
            "[media]",
            "tls = { cert_file = \"/nowhere/c.pem\" }\n[media]",
            "c.toml:3: [sip] tls: `key_file` is missing",
        ),
        (
            "[media]",
            "[sip.tls]\ncert_file = \"/nowhere/c.pem\"\nkey_file = \"/nowhere/k.pem\"\n[media]",
            "c.toml:4: /nowhere/c.pem cannot be read: ",
        ),
        (
            "[media]",
            "tls = { client_ca_file = \"/nowhere/c.pem\" }\n[media]",
            "c.toml:3: [sip] tls: `client_ca_file` is for those that connect",
        ),
        (
            "udp:127.0.0.1:5070",
            "wss:127.0.0.1:5070",
            "[sip]: \"wss:127.0.0.1:5070\" has no certificate to show; name its files in `tls`",
        ),
        (
            "udp:127.0.0.1:5070",
            "sctp:127.0.0.1:5070",
            "c.toml:2: [sip]: `listen`: \"sctp:\" is no transport; udp:, tcp:, tls:, ws: and wss: are",
        ),
        ("udp:127.0.0.1:5070", "udp:127.0.0.1", "is not ADDRESS:PORT"),
        (
            "\"janus\"",
            "\"livekit\"",
            "c.toml:7: [[sfu]] \"main\": `kind`: the kind \"livekit\" is not built yet",
        ),
        ("\"janus\"", "\"januss\"", "is no kind of SFU"),
        ("ws://", "http://", "it must be of the form ws://HOST"),
        (
            "kind = \"janus\"",
            "kind = \"janus\"\nca_file = \"c.toml\"",
            "a plain connection shows none",
        ),
        ("url = ", "uri = ", "did you mean `url`?"),
        ("[[sfu]]", "[sfu]", "must be written [[sfu]]"),
        (
            "allow = [\"127.0.0.1\"",
            "allow = [\"localhost\"",
            "c.toml:11: [[trunk]] \"pbx\": `allow`: \"localhost\" is not a network",
        ),
        (
            "allow =",
            "register = true\nallow =",
            "[[trunk]] \"pbx\": `register` needs a `uri` to register with",
        ),
        (
            "allow =",
            "srtp = \"yes\"\nallow =",
            "\"yes\" is none of \"off\", \"optional\", \"required\"",
        ),
        (
            "allow =",
            "codecs = [\"g729\"]\nallow =",
            "\"g729\" is none of \"pcmu\", \"pcma\", \"g722\"",
        ),
        ("allow =", "codecs = []\nallow =", "`codecs` is empty"),
        (
            "allow =",
            "dtmf = \"rfc2833\"\nallow =",
            "\"rfc2833\" is none of \"auto\", \"rfc4733\", \"info\", \"inband\"",
        ),
        (
            "allow =",
            "password = \"hunter2\"\nallow =",
            "a secret does not stand in the configuration",
        ),
        (
            "allow =",
            "password_file = \"/nonexistent\"\nallow =",
            "cannot read /nonexistent",
        ),
        (
            "allow =",
            "uri = \"sip:x@y;transport=sctp\"\nallow =",
            "\"sip:x@y;transport=sctp\" asks for a transport that is not spoken; udp, tcp and tls are",
        ),
        (
            "allow =",
            "dial_allow = [\"+1*\"]\nallow =",
            "there is no `uri` to send them to",
        ),
        (
            "allow =",
            "max_calls = 0\nallow =",
            "`max_calls` must be a whole number from 1",
        ),
        ("\"30m\"", "\"30 days\"", "is no duration"),
        (
            "[sip]",
            "[sip]\nsession_expires = 60",
            "`session_expires` is shorter than `session_min`",
        ),
        (
            "[sip]",
            "[sip]\nsession_min = 30",
            "`session_min` must be a whole number from 90",
        ),
        (
            "allow =",
            "asserted_identity = \"bob smith\"\nallow =",
            "is neither a number nor a sip: or tel: URI",
        ),
        (
            "allow =",
            "outbound_proxy = \"sip:bob@proxy\"\nallow =",
            "names a user, not a proxy",
        ),
        (
            "trunk = \"pbx\"",
            "trunk = \"pbc\"",
            "c.toml:15: [[route]]: `trunk`: there is no [[trunk]] named \"pbc\"",
        ),
        (
            "room = \"lobby\"",
            "room = \"lobby\"\nsfu = \"other\"",
            "there is no [[sfu]] named \"other\"",
        ),
        (
            "room = \"lobby\"",
            "room = \"{header}\"",
            "c.toml:16: [[route]]: `room`: {header} is unknown",
        ),
        (
            "room = \"lobby\"",
            "room = \"a b\"",
            "holds characters other than",
        ),
        ("room = \"lobby\"", "room = \"{to\"", "is not closed"),
        (
            "room = \"lobby\"",
            "reject = 200",
            "`reject` must be a whole number from 400 to 699",
        ),
        (
            "room = \"lobby\"",
            "webhook = \"https://x\"",
            "deciding by webhook is not built yet",
        ),
        (
            "room = \"lobby\"",
            "room = \"lobby\"\npin_file = \"x\"",
            "asking for a PIN is not built yet",
        ),
        ("room = \"lobby\"", "", "neither `room` nor `reject`"),
        (
            "[media]",
            "[ng]\nlisten = \"127.0.0.1:1\"\n[media]",
            "c.toml:3: rtpengine's NG protocol, [ng], is not built yet",
        ),
        (
            "[media]",
            "[http]\nlisten = \"127.0.0.1:1\"\n[media]",
            "c.toml:3: [http]: `token_file` is missing",
        ),
        (
            "[media]",
            "[[user]]\nname = \"a\"\n[media]",
            "c.toml:3: [[user]] \"a\": `password_file` is missing",
        ),
        (
            "room = \"lobby\"",
            "room = \"lobby\"\nattestation = \"D\"",
            "\"D\" is none of SHAKEN's levels \"A\", \"B\" and \"C\"",
        ),
        (
            "[media]",
            "[guard]\nban = \"2h\"\nban_max = \"1h\"\n[media]",
            "c.toml:3: [guard]: `ban` is longer than `ban_max`",
        ),
        (
            "[media]",
            "[guard]\nstrangers = \"403\"\n[media]",
            "\"403\" is neither \"silence\" nor \"refuse\"",
        ),
        (
            "[media]",
            "[limits]\noverload = 404\n[media]",
            "`overload` must be 503 (try elsewhere), 480 (not now) or 486 (busy), not 404",
        ),
        (
            "[media]",
            "[limits]\nmax_cps = 0\n[media]",
            "`max_cps` must be a whole number from 1",
        ),
        (
            "[media]",
            "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"t\"\norigins = [\"https://a.example/x\"]\n[media]",
            "c.toml:6: [http]: `origins`: \"https://a.example/x\" is no origin",
        ),
        (
            "[media]",
            "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"t\"\nhosts = [\"a b\"]\n[media]",
            "\"a b\" is no host name",
        ),
        (
            "[media]",
            "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"t\"\ntls = { key_file = \"/nowhere/k\" }\n[media]",
            "[http] tls: `cert_file` is missing",
        ),
        (
            "[media]",
            "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"t\"\ntls = { ca_file = \"/nowhere/c\" }\n[media]",
            "unknown key `ca_file` in [http] tls",
        ),
        (
            "[media]",
            "[ice]\nadvertise = \"gateway\"\n[media]",
            "c.toml:4: [ice]: `advertise`: \"gateway\" is not an IP address",
        ),
        (
            "[media]",
            "[ice]\nadvertise = \"0.0.0.0\"\n[media]",
            "\"0.0.0.0\" is no address that anybody can be reached at",
        ),
        (
            "[media]",
            "[ice]\naddresses = [\"2001:db8::1\"]\nadvertise = \"203.0.113.7\"\n[media]",
            "none of `addresses` is of its kind",
        ),
        (
            "[media]",
            "[ice]\naddresses = [\"192.0.2.1\", \"192.0.2.2\"]\nadvertise = \"203.0.113.7\"\n[media]",
            "for which of `addresses`?",
        ),
        (
            "room = \"lobby\"",
            "room = \"lobby\"\nanswer = \"never\"",
            "\"never\" is none of \"on-participant\", \"at-once\" and \"on-accept\"",
        ),
        (
            "room = \"lobby\"",
            "room = \"lobby\"\nring = [\"ann\"]",
            "`ring` and `ring_for` are for answer = \"on-accept\"",
        ),
        (
            "room = \"lobby\"",
            "room = \"lobby\"\nanswer = \"on-accept\"\nring = [\"ann~\"]",
            "\"ann~\" is the name of nobody",
        ),
        ("[media]", "media", "c.toml:3: this is not TOML"),
    ];
    for (from, to, expected) in rows {
        assert!(GOOD.contains(from), "{from}");
        let found = findings(&GOOD.replacen(from, to, 1));
        assert!(
            found.iter().any(|finding| finding.contains(expected)),
            "{to}: {found:#?}"
        );
    }
}

#[test]
fn relays_are_named_as_browsers_take_them() {
    // Of the variables that each process has.
    let secret = "turn_secret_env = \"PATH\"";
    for good in [
        "turn:192.0.2.1",
        "turn:turn.example:3478?transport=udp",
        "turns:[2001:db8::1]:5349?transport=tcp",
        "turns:[2001:db8::1]",
    ] {
        let text = format!("{GOOD}[ice]\nturn = [\"{good}\"]\n{secret}\n");
        let config = Config::parse(&Document::new("c.toml", text)).unwrap();
        assert_eq!(config.ice.turn.unwrap().urls, [good]);
    }
    let no_server = "is not of the form turn:HOST:PORT";
    for (lines, wanted) in [
        ("turn = [\"turn.example\"]", no_server),
        ("turn = [\"turn:\"]", no_server),
        ("turn = [\"turn:turn.example:http\"]", no_server),
        ("turn = [\"turn:turn.example:0\"]", no_server),
        ("turn = [\"turn:turn.example:99999\"]", no_server),
        ("turn = [\"turn:2001:db8::1:3478\"]", no_server),
        ("turn = [\"turn:turn.example?\"]", no_server),
        ("turn = [\"turn:turn.example?transport=tls\"]", no_server),
        ("turn = [\"turn:turn.example:3478>; rel=next\"]", no_server),
        ("stun = [\"stun:stun.example:no\"]", "stun:HOST:PORT"),
    ] {
        let found = findings(&format!("{GOOD}[ice]\n{lines}\n{secret}\n"));
        assert!(
            found.iter().any(|one| one.contains(wanted)),
            "{lines}: {found:?}"
        );
    }
    for (lines, wanted) in [
        ("turn = [\"turn:turn.example\"]", "`turn` wants the secret"),
        (secret, "`turn_secret` is of no use without `turn`"),
        (
            "turn_lasts = \"1h\"",
            "`turn_lasts` is of no use without `turn`",
        ),
    ] {
        let found = findings(&format!("{GOOD}[ice]\n{lines}\n"));
        assert!(
            matches!(&found[..], [one] if one.contains(wanted)),
            "{lines}: {found:?}"
        );
    }
}

#[test]
fn browsers_are_let_in_and_rung_as_it_is_said() {
    let text = GOOD
        .replace(
            "[media]",
            "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"t\"\nhosts = [\"bridge.example\"]\n\
             origins = [\"https://a.example:8443\", \"http://[::1]\", \"*\"]\n\
             [ice]\naddresses = [\"192.0.2.1\", \"2001:db8::1\"]\nadvertise = \"203.0.113.7\"\n[media]",
        )
        .replace(
            "room = \"lobby\"",
            "room = \"lobby\"\nanswer = \"on-accept\"\nring = [\"ann\", \"desk-*\"]\nring_for = \"2m\"",
        );
    let config = Config::parse(&Document::new("c.toml", &text)).unwrap();
    let http = config.http.unwrap();
    assert_eq!((http.hosts.len(), http.origins.len()), (1, 3));
    assert_eq!(config.ice.advertise, Some([203, 0, 113, 7].into()));
    let crate::route::Target::Room { answer, .. } = &config.routes[0].target else {
        panic!("{:?}", config.routes[0].target)
    };
    let wanted = Answer::OnAccept {
        ring: vec!["ann".to_owned(), "desk-*".to_owned()],
        ring_for: Duration::from_secs(120),
    };
    assert_eq!(*answer, wanted);
}

#[test]
fn the_guard_that_stands_in_the_example_is_the_default() {
    let guard = |text: &str| Config::parse(&Document::new("c.toml", text)).unwrap().guard;
    assert_eq!(guard(EXAMPLE), Guard::default());
    assert_eq!(guard(GOOD), Guard::default());
    let other = guard(&format!(
        "{GOOD}[guard]\nrate = 0\nfailures = 3\nwindow = \"10m\"\nban = \"5m\"\nban_known = true\n"
    ));
    assert_eq!((other.bounds.rate, other.bounds.failures), (0, 3));
    assert_eq!(other.bounds.window, Duration::from_secs(600));
    assert_eq!(other.bounds.ban, Duration::from_secs(300));
    assert!(other.ban_known && !other.bounds.spare_proven);
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let folder = std::env::temp_dir().join(format!("sipbridge-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("password"), "canary-7f31\n").unwrap();
    let text = "[[trunk]]\nname = \"t\"\nusername = \"u\"\npassword_file = \"password\"\nauth = { username = \"in\", password_file = \"password\" }\n";
    let config = Config::parse(&Document::new(folder.join("c.toml"), text)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let trunk = &config.trunks[0];
    assert_eq!(
        trunk.password.as_ref().unwrap().expose_secret(),
        "canary-7f31"
    );
    assert_eq!(
        trunk.auth.as_ref().unwrap().password.expose_secret(),
        "canary-7f31"
    );
    assert!(!format!("{config:?}").contains("canary"));
    let misplaced = findings(
        "[[trunk]]\nname = \"t\"\npassword = \"canary-7f31\"\nmax_calls = \"canary-7f31\"\n",
    );
    assert_eq!(misplaced.len(), 2);
    assert!(!misplaced.concat().contains("canary"));
}

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

const PHONES: &str = r#"[registrar]
algorithms = ["SHA-256", "MD5"]
max_expires = "10m"
[[trunk]]
name = "carrier"
uri = "sip:pbx.example"
register = true
username = "account"
expires = 300
[[user]]
name = "alice"
password_env = "PATH"
[[sfu]]
name = "main"
kind = "janus"
url = "ws://127.0.0.1:8188"
[[route]]
user = "alice"
room = "lobby"
"#;

#[test]
fn users_and_registrations_are_read() {
    let config = Config::parse(&Document::new("c.toml", PHONES)).unwrap();
    assert_eq!(config.users[0].name, "alice");
    assert_eq!(config.registrar.algorithms.len(), 2);
    let bounds = config.registrar.bounds;
    assert_eq!(bounds.min_expires, Duration::from_secs(60));
    assert_eq!(bounds.max_expires, Duration::from_secs(600));
    assert_eq!(config.trunks[0].register, Some(Duration::from_secs(300)));
    assert_eq!(config.routes[0].user.as_deref(), Some("alice"));
    assert!(!format!("{config:?}").contains("/bin"), "no password shows");
    // what is changed into what; the finding.
    let rows = [
        ("\"MD5\"", "\"CRC\"", "\"CRC\" is none of \"MD5\""),
        (
            "max_expires = \"10m\"",
            "max_expires = 30",
            "is longer than `max_expires`",
        ),
        (
            "user = \"alice\"",
            "user = \"bob\"",
            "there is no [[user]] named \"bob\"",
        ),
        (
            "room =",
            "trunk = \"carrier\"\nroom =",
            "exclude each other",
        ),
        ("name = \"alice\"", "name = \"a b\"", "is not 1 to 64 of"),
        (
            "password_env = \"PATH\"\n",
            "",
            "`password_file` is missing",
        ),
        (
            "password_env",
            "password",
            "a secret does not stand in the configuration",
        ),
        (
            "username = \"account\"\n",
            "",
            "`register` needs a `username`",
        ),
        ("register = true\n", "", "but `register` is not true"),
    ];
    for (old, new, finding) in rows {
        let found = findings(&PHONES.replace(old, new));
        assert!(
            found.iter().any(|found| found.contains(finding)),
            "{old} -> {new}: {found:?}"
        );
    }
}

#[test]
fn name_servers_are_addresses() {
    let with = |list: &str| GOOD.replace("[media]", &format!("nameservers = {list}\n[media]"));
    let config = with("[\"192.0.2.53\", \"127.0.0.1:5353\", \"2001:db8::53\", \"[::1]:5353\"]");
    let config = Config::parse(&Document::new("c.toml", &config)).unwrap();
    let servers: Vec<String> = config
        .sip
        .nameservers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        servers,
        [
            "192.0.2.53:53",
            "127.0.0.1:5353",
            "[2001:db8::53]:53",
            "[::1]:5353"
        ]
    );
    let found = findings(&with("[\"ns.example\"]"));
    assert!(
        found[0].contains("\"ns.example\" is no name server"),
        "{found:?}"
    );
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
