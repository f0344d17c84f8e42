// SPDX-License-Identifier: MPL-2.0

use super::*;

#[test]
fn a_folder_stands_for_its_files_and_each_is_what_it_is() {
    let folder = std::env::temp_dir().join(format!("sipbridge-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("a.toml", "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n"),
        ("b.toml", "[sip]\nlsten = []\n"),
        ("c.toml", "schema = 1\n"),
        ("d.toml", "no toml"),
        ("e.txt", "not looked at"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::write(folder.join("f.toml"), b"a = 1\n\xff").unwrap();
    let found: Vec<String> = check(std::slice::from_ref(&folder))
        .iter()
        .map(|finding| {
            finding
                .to_string()
                .replace(&folder.display().to_string(), "")
        })
        .collect();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        found[0].starts_with("/b.toml:2: unknown key `lsten` in [sip]"),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("/c.toml: there is no [call]"),
        "{found:#?}"
    );
    assert!(
        found[2].starts_with("/d.toml:1: this is not TOML"),
        "{found:#?}"
    );
    assert!(
        found[3].starts_with("/f.toml:2: this is not TOML: it is not UTF-8"),
        "{found:#?}"
    );
    assert_eq!(found.len(), 4);
}

#[test]
fn a_graph_may_name_the_profiles_of_a_configuration_that_is_checked_with_it() {
    let folder = std::env::temp_dir().join(format!("sipbridge-profiles-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (graph, config) = (folder.join("a-graph.toml"), folder.join("config.toml"));
    let text = include_str!("../../../pipelines/room.toml");
    let text = text.replace(
        "text = \"sipmixer name=mix\"",
        "text = \"\"\"\nsipmixer name=mix\nsdpbridgebin name=bridge profile=test.checked\n\"\"\"",
    );
    std::fs::write(&graph, &text).unwrap();
    std::fs::write(&config, "[[profile]]\nname = \"test.checked\"\n").unwrap();
    let alone = check(std::slice::from_ref(&graph));
    let together = check(std::slice::from_ref(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    let [finding] = alone.as_slice() else {
        panic!("{alone:?}");
    };
    let line = text
        .lines()
        .position(|line| line.starts_with("sdpbridgebin"));
    assert_eq!(finding.line, line.map(|line| line + 1));
    let sentence = &finding.sentence;
    assert!(
        sentence.contains("bridge: profile: there is no \"test.checked\""),
        "{sentence}"
    );
    assert!(together.is_empty(), "{together:?}");
}

#[test]
fn a_file_that_is_not_there_is_a_finding() {
    let found = check(&[PathBuf::from("/nonexistent.toml")]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .to_string()
            .starts_with("/nonexistent.toml: cannot be read")
    );
}
