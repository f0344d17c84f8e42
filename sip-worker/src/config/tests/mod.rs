// SPDX-License-Identifier: MPL-2.0

mod sfus;
mod wrong;

use secrecy::ExposeSecret;

use super::*;

const EXAMPLE: &str = include_str!("../../../sip-worker.example.toml");

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
        let turn = config.ice.turn.unwrap();
        assert_eq!((turn.urls, turn.policy), (vec![good.to_owned()], None));
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
        (
            "turn = [\"turn:turn.example\"]\nturn_policy = \"never\"",
            "\"never\" is none of \"all\", \"relay\"",
        ),
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
        (
            "turn_policy = \"all\"",
            "`turn_policy` is of no use without `turn`",
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
