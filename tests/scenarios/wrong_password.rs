// SPDX-License-Identifier: MPL-2.0
//! A trunk that knows its callers by password: the right one is let in, a wrong one is not.

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::{NUMBER, Scene, route};
use std::time::Duration;

const SCENARIO: &str = "wrong_password";
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn wrong_password() -> Result<()> {
    let folder = out_dir(SCENARIO);
    std::fs::create_dir_all(&folder)?;
    let secret = folder.join("password");
    std::fs::write(&secret, "open sesame\n")?;
    let tables = format!(
        "[[trunk]]
name = \"phones\"
auth = {{ username = \"phone\", password_file = \"{}\" }}

{}",
        secret.display(),
        route("at-once")
    );
    let mut scene = Scene::open(SCENARIO, &tables)?;
    let says = Wave::silence(8_000, Duration::from_secs(10));
    let with = |password| {
        Baresip::start(
            SCENARIO,
            &Options {
                name: "phone",
                says: &says,
                codec: "PCMU",
                auto_answer: false,
                password: Some(password),
            },
        )
    };

    let mut phone = with("guessed")?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    let refused = phone.wait_closed(PATIENCE);
    assert!(phone.wait_established(Duration::from_millis(100)).is_err());
    drop(phone);
    refused?;
    assert!(
        scene.worker.calls()?.is_empty(),
        "whoever is not known never becomes a call"
    );

    let mut phone = with("open sesame")?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(PATIENCE)?;
    phone.hang_up()?;
    phone.wait_closed(PATIENCE)?;
    let log = scene.worker.process().printed();
    assert!(
        !log.contains("open sesame") && !log.contains("guessed"),
        "passwords stay out of the log"
    );
    Ok(())
}
