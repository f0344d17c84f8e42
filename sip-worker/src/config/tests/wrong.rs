// SPDX-License-Identifier: MPL-2.0
//! Each mistake is named with its line and what may have been meant.

use super::*;

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
        (
            "\"20000-20010\"",
            "\"4294967295-0\"",
            "c.toml:4: [media]: `ports`: \"4294967295-0\" is empty",
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
            "watch = \"30s\"\nallow =",
            "c.toml:9: [[trunk]] \"pbx\": `watch` needs a `uri` whose servers are to be asked",
        ),
        (
            "allow =",
            "uri = \"sip:carrier.example\"\nwatch = 4\nallow =",
            "c.toml:12: [[trunk]] \"pbx\": `watch` must be a whole number from 5 to",
        ),
        (
            "allow =",
            "srtp = \"yes\"\nallow =",
            "\"yes\" is none of \"off\", \"optional\", \"required\"",
        ),
        (
            "allow =",
            "dtls = \"always\"\nallow =",
            "\"always\" is none of \"auto\", \"off\", \"required\"",
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
