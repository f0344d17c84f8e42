// SPDX-License-Identifier: MPL-2.0
//! A wrong token, a room that there is not and a room that is full: the page says so, and the status is right.
//! Whoever comes by a link without a name types theirs. A guest has none of a host's buttons.

use anyhow::{Result, ensure};
use sipbridge_tests::http::ask;
use sipbridge_tests::join_page::{JoinPage, card, shows};
use sipbridge_tests::scene::{ROOM, trunk_to};

const SCENARIO: &str = "the_join_page_keeps_out";

#[test]
fn who_cannot_come_in_is_told_why() -> Result<()> {
    let sfu = "rooms = [\"lobby\"]\nmax_participants = 1";
    let mut ann = JoinPage::open(SCENARIO, sfu, &trunk_to("sip:127.0.0.1:9"))?;
    let error =
        |text: &str| format!("document.querySelector('#error').innerText.includes({text:?})");

    let link = ann.link(ROOM, "name=Ann")?;
    ann.page.go(&link.replace("Ann", "Eve"))?;
    ann.page.click("#join")?;
    ann.sees(&error("This token does not open the room."))?;
    ann.look("wrong-token")?;
    let forged = [(
        "Authorization",
        "Bearer guest~Eve~00000000000000000000000000000000",
    )];
    let path = format!("/v1/rooms/{ROOM}");
    ensure!(ask(ann.worker.http(), "GET", &path, &forged, "")?.status == 401);

    let attic = ann.link("attic", "")?;
    ann.page.go(&attic)?;
    ann.page.fill("#field-name", "Ann")?;
    ann.page.click("#join")?;
    ann.sees(&error("There is no such room here."))?;
    let (status, _) = ann.worker.ask("GET", "/v1/rooms/attic", None)?;
    ensure!(status == 404, "{status}");

    let nameless = ann.link(ROOM, "")?;
    ann.page.go(&nameless)?;
    ann.page.fill("#field-name", "Zoë <b>")?;
    ann.enter()?;
    ann.sees(&card("Zoë <b>\nyou"))?;
    ann.page.click("#leave")?;
    ann.sees(&shows("#lobby"))?;

    ann.page.go(&link)?;
    ann.enter()?;
    ann.sees(&card("Ann\nyou"))?;
    ensure!(
        ann.page.eval(&shows("#dial"))? != true,
        "a guest may not dial"
    );
    // The one place is taken, by herself.
    ann.page.eval("open('about:blank'); window.second = new Session('Bert', microphone, { room() {}, away() {} });
        second.run().catch((error) => { window.refused = explained(error).join(' '); })")?;
    ann.sees(
        "window.refused?.includes('That cannot be done just now.') && refused.includes('is full')",
    )?;
    Ok(())
}
