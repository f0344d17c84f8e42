// SPDX-License-Identifier: MPL-2.0

use super::*;
use crate::config::Config;
use crate::document::Document;

/// What is said, and what becomes of it.
type Rows = &'static [(&'static str, &'static str)];

fn numbers(keys: &str) -> Numbers {
    let text = format!("[[trunk]]\nname = \"t\"\nnumbers = {{ {keys} }}\n");
    let config = Config::parse(&Document::new("c.toml", text)).unwrap();
    config.trunks[0].numbers.clone().unwrap()
}

fn german() -> Numbers {
    numbers(r#"country = "49", national = "0", international = "00", emergency = ["110", "112"]"#)
}

/// North America: with and without the 1.
fn american() -> Numbers {
    numbers(r#"country = "+1", national = "1", international = "011", bare = "national""#)
}

/// Italy: no national prefix, and numbers that begin with 0.
fn italian() -> Numbers {
    numbers(r#"country = "39", international = "00", bare = "national", dial = "national""#)
}

/// A carrier that leaves out the `+`.
fn plain() -> Numbers {
    numbers(r#"country = "44", national = "0", international = "00", dial = "plain""#)
}

#[test]
fn numbers_come_to_e164() {
    // What the trunk says; what everybody else sees, `-` where it is left alone.
    let table: [(&str, Numbers, Rows); 4] = [
        (
            "german",
            german(),
            &[
                ("+4930123456", "+4930123456"),
                ("004930123456", "+4930123456"),
                ("030123456", "+4930123456"),
                ("0015550100", "+15550100"),
                ("+15550100", "+15550100"),
                // For the eye.
                ("+49-30-12.34(56)", "+4930123456"),
                ("+49 (0)30 123456", "+4930123456"),
                ("+49(0)30-123456", "+4930123456"),
                ("(030) 12 34-56", "+4930123456"),
                ("00 49 30 123456", "+4930123456"),
                // Parameters of a number (RFC 3966).
                ("+4930123456;ext=12", "+4930123456"),
                ("030123456;phone-context=+49", "+4930123456"),
                ("030123456;Phone-Context=+49;isub=1", "+4930123456"),
                ("030123456;phone-context=+43", "-"),
                ("123456789;phone-context=pbx.example", "-"),
                // No prefix: a subscriber's of an unknown place.
                ("123456789", "-"),
                // Short ones.
                ("110", "-"),
                ("112", "-"),
                ("+112", "-"),
                ("1000", "-"),
                ("0301", "-"),
                ("012345", "-"),
                ("0123456", "+49123456"),
                // No numbers.
                ("alice", "-"),
                ("", "-"),
                ("+", "-"),
                ("anonymous", "-"),
                ("030123456x", "-"),
                ("*21*030123456#", "-"),
                ("+49+30123456", "-"),
                ("030 123456/7", "-"),
                ("٠٣٠١٢٣٤٥٦", "-"),
                ("030123456\r\nX: y", "-"),
                // Not of this world: too long, or a country code with 0 in front.
                ("+1234567890123456", "-"),
                ("+123456789012345", "+123456789012345"),
                ("00012345678", "-"),
                ("+0123456789", "-"),
                ("00", "-"),
                ("0000000", "-"),
            ],
        ),
        (
            "american",
            american(),
            &[
                ("+12125550100", "+12125550100"),
                ("12125550100", "+12125550100"),
                ("2125550100", "+12125550100"),
                ("(212) 555-0100", "+12125550100"),
                ("1-212-555-0100", "+12125550100"),
                ("01144207946000", "+44207946000"),
                ("911", "-"),
                ("411", "-"),
                ("555010", "-"),
            ],
        ),
        (
            "italian",
            italian(),
            &[
                ("0612345678", "+390612345678"),
                ("3331234567", "+393331234567"),
                ("+390612345678", "+390612345678"),
                // Nothing is dialled within the country only.
                ("+39 (06) 12345678", "+390612345678"),
                ("00441632960000", "+441632960000"),
                ("112", "-"),
            ],
        ),
        (
            "plain",
            plain(),
            &[
                ("441632960000", "+441632960000"),
                ("15550100", "+15550100"),
                ("01632960000", "+441632960000"),
                ("0015550100", "+15550100"),
                ("999", "-"),
                ("202", "-"),
            ],
        ),
    ];
    for (name, rules, rows) in table {
        for (said, wanted) in rows {
            let wanted = Some(*wanted).filter(|wanted| *wanted != "-");
            assert_eq!(rules.e164(said).as_deref(), wanted, "{name}: {said:?}");
        }
    }
}

#[test]
fn numbers_go_out_as_the_trunk_wants_them() {
    let german = |dial: &str| {
        numbers(&format!(
            r#"country = "49", national = "0", international = "00", dial = "{dial}""#
        ))
    };
    let american = |dial: &str| {
        numbers(&format!(
            r#"country = "1", national = "1", international = "011", dial = "{dial}""#
        ))
    };
    let rows = [
        (german("e164"), "+4930123456", "+4930123456"),
        (german("e164"), "030123456", "+4930123456"),
        (german("e164"), "0015550100", "+15550100"),
        (german("plain"), "+4930123456", "4930123456"),
        (german("plain"), "+15550100", "15550100"),
        (german("national"), "+4930123456", "030123456"),
        (german("national"), "004930123456", "030123456"),
        (german("national"), "+15550100", "0015550100"),
        // Austria's 43 and Germany's 49 begin alike, and so do countries and what follows them.
        (german("national"), "+4312345678", "004312345678"),
        (german("international"), "+4930123456", "004930123456"),
        (german("international"), "030123456", "004930123456"),
        (american("national"), "+12125550100", "12125550100"),
        (american("national"), "+442079460000", "011442079460000"),
        (american("international"), "+12125550100", "01112125550100"),
        (italian(), "+390612345678", "0612345678"),
        (italian(), "+441632960000", "00441632960000"),
        // What is none stays as it is.
        (german("plain"), "110", "110"),
        (german("plain"), "112", "112"),
        (german("plain"), "+112", "+112"),
        (german("national"), "1000", "1000"),
        (german("national"), "alice", "alice"),
        (german("national"), "+0123", "+0123"),
        (german("international"), "*21#", "*21#"),
        (german("international"), "", ""),
    ];
    for (rules, number, wanted) in rows {
        let form = rules.dial;
        let dialled = |number: &str| match rules.e164(number) {
            Some(number) => rules.written(&number),
            None => number.to_owned(),
        };
        assert_eq!(dialled(number), wanted, "{number} as {form:?}");
        // Whoever is sent there by what we said is sent to the same.
        let again = dialled(wanted);
        assert_eq!(again, wanted, "{number} as {form:?}, twice");
        assert_eq!(rules.e164(wanted), rules.e164(number), "{number}");
    }
}

#[test]
fn uris_are_numbers_too() {
    let called = |uri: &str| {
        let uri: Uri = uri.parse().unwrap();
        german().e164(&number_of(&uri).unwrap())
    };
    for uri in [
        "tel:+49-30-123456",
        "tel:030123456;phone-context=+49",
        "tel:+4930123456;isub=1411",
        "sip:+4930123456@carrier.example;user=phone",
        "sip:+49-30-123456;isub=1411@carrier.example;user=phone",
        "sip:030123456;phone-context=+49@carrier.example;user=phone",
        "sips:%2B4930123456@carrier.example",
        "sip:004930123456@carrier.example",
    ] {
        assert_eq!(called(uri).as_deref(), Some("+4930123456"), "{uri}");
    }
    for uri in [
        "tel:7042;phone-context=pbx.example",
        "tel:030123456;phone-context=+43",
        "sip:alice@carrier.example",
        "sip:bob+030123456@carrier.example",
    ] {
        assert_eq!(called(uri), None, "{uri}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let found = |keys: &str| {
        let text = format!("[[trunk]]\nname = \"t\"\nnumbers = {{ {keys} }}\n");
        let findings = Config::parse(&Document::new("c.toml", text)).unwrap_err();
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        findings.join("\n")
    };
    for (keys, wanted) in [
        (
            "",
            "c.toml:3: [[trunk]] \"t\" numbers: `country` is missing",
        ),
        (r#"country = "049""#, "\"049\" is no country code"),
        (r#"country = "4949""#, "is no country code"),
        (r#"country = "DE""#, "\"DE\" is no country code"),
        (r#"country = "49", national = "x""#, "\"x\" is no prefix"),
        (
            r#"country = "49", international = "+""#,
            "\"+\" is no prefix",
        ),
        (
            r#"country = "49", national = "00", international = "00""#,
            "every number of the country would be one of another",
        ),
        (
            r#"country = "49", dial = "e.164""#,
            "\"e.164\" is none of \"e164\", \"plain\", \"national\", \"international\"",
        ),
        (
            r#"country = "49", dial = "national""#,
            "needs `international`",
        ),
        (
            r#"country = "49", dial = "international""#,
            "needs `international`",
        ),
        (r#"country = "49", bare = "local""#, "\"local\" is none of"),
        (
            r#"country = "49", national = "0", dial = "plain", bare = "national""#,
            "`bare` contradicts `dial = \"plain\"`",
        ),
        (
            r#"country = "7", national = "8", international = "810", dial = "plain""#,
            "`national` is \"8\", with which a country code begins",
        ),
        (
            r#"country = "49", shortest = 1"#,
            "`shortest` must be a whole number from 2 to 15",
        ),
        (
            r#"country = "49", emergency = ["police"]"#,
            "\"police\" is no emergency number",
        ),
        (
            r#"country = "49", nation = "0""#,
            "did you mean `national`?",
        ),
    ] {
        let found = found(keys);
        assert!(found.contains(wanted), "{keys}: {found}");
        assert!(found.contains("c.toml:3: "), "{keys}: {found}");
    }
}
