// SPDX-License-Identifier: MPL-2.0
//! Whoever is on no allow-list hears nothing at all, whatever they ask.

use anyhow::Result;
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use std::time::Duration;

#[test]
fn stranger_meets_silence() -> Result<()> {
    let tables = open_house("at-once").replace("127.0.0.0/8", "192.0.2.0/24");
    let scene = Scene::open("stranger_meets_silence", &tables)?;
    let raw = Raw::open(scene.worker.sip())?;
    for method in ["OPTIONS", "REGISTER", "INVITE", "BYE", "CANCEL", "NOTIFY"] {
        raw.send(raw.request(method, NUMBER, "").as_bytes())?;
        let answer = raw.answer(Duration::from_millis(400))?;
        assert!(
            answer.is_none(),
            "{method} was answered: {}",
            answer.unwrap_or_default()
        );
    }
    assert!(scene.worker.calls()?.is_empty());
    Ok(())
}
