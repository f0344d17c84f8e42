// SPDX-License-Identifier: MPL-2.0
//! A trunk that knows its callers by password: the right one is let in, a wrong one is not.
//!
//! The phone is our own: baresip 1.0 gives up on a challenge that offers SHA-256 beside MD5.

use anyhow::Result;
use sipbridge_tests::put;
use sipbridge_tests::scene::{NUMBER, Scene, route};
use sipbridge_tests::worker::run_once;

const SCENARIO: &str = "wrong_password";

#[test]
fn wrong_password() -> Result<()> {
    let right = put(SCENARIO, "password", "open sesame\n")?;
    let wrong = put(SCENARIO, "guess", "guessed\n")?;
    let tables = format!(
        "[[trunk]]
name = \"phones\"
auth = {{ username = \"alice\", password_file = \"{}\" }}

{}",
        right.display(),
        route("at-once")
    );
    let mut scene = Scene::open(SCENARIO, &tables)?;
    let uri = scene.worker.uri(NUMBER);
    let call_with = |password: &std::path::Path| {
        let password = password.to_string_lossy();
        run_once(&[
            "phone",
            &uri,
            "--user",
            "alice",
            "--password-file",
            &password,
            "--seconds",
            "0.2",
        ])
    };

    let refused = call_with(&wrong)?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("refused the user name or password"), "{said}");
    assert!(
        scene.worker.calls()?.is_empty(),
        "whoever is not known never becomes a call"
    );

    let taken = call_with(&right)?;
    let said = String::from_utf8_lossy(&taken.stderr);
    assert!(taken.status.success(), "{said}");
    assert_eq!(scene.worker.calls()?.len(), 1);

    let log = scene.worker.process().printed();
    assert!(
        !log.contains("open sesame") && !log.contains("guessed"),
        "passwords stay out of the log"
    );
    Ok(())
}
