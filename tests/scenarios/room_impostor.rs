// SPDX-License-Identifier: MPL-2.0
//! Whoever answers the DTLS handshake has to be who the signalling said: with another fingerprint in
//! the session description nothing is sent and nothing is heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_worker::measure::{ROOM_SPEECH, Wave};
use sip_worker::sfu::{
    BoxFuture, Candidate, ConnectionId, Data, Joined, Negotiation, Participant, ParticipantId,
    Published, Session, Sfu, SfuError, Subscription, TrackId,
};
use sipbridge_tests::janus::{Janus, Options};
use sipbridge_tests::room::{ParticipantError, RoomParticipant, called, connector, join, options};

const SOON: Duration = Duration::from_secs(10);
const REASON: &str = "is not who the signalling said";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_to_an_impostor() {
    gst::init().unwrap();
    let janus = Janus::start(Options::default()).await.unwrap();
    let witness = join(&janus, "lobby", "witness").await.unwrap();

    let signalling = Tampered::<dyn Sfu>(Arc::new(connector(&janus)));
    let joined = RoomParticipant::join(&signalling, "lobby", called("ann"), options(&janus)).await;
    match joined {
        Err(ParticipantError::NotConnected(reason)) => assert!(reason.contains(REASON), "{reason}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("an impostor's certificate was accepted"),
    }
    assert!(
        witness
            .seen()
            .heard_of("ann")
            .is_none_or(|heard| heard.recording.from().is_none()),
        "not one packet of hers got out"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_heard_from_an_impostor() {
    gst::init().unwrap();
    let janus = Janus::start(Options::default()).await.unwrap();
    let speaker = join(&janus, "lobby", "speaker").await.unwrap();
    speaker.say(&Wave::from_wav(ROOM_SPEECH).unwrap(), Instant::now());

    let signalling = Tampered::<dyn Sfu>(Arc::new(connector(&janus)));
    let silent = sipbridge_tests::room::Options {
        speaks: false,
        ..options(&janus)
    };
    let ann = RoomParticipant::join(&signalling, "lobby", called("ann"), silent)
        .await
        .unwrap();
    let trouble = ann
        .until("the refusal", SOON, |seen| seen.troubles.first().cloned())
        .await
        .unwrap();
    assert!(trouble.contains(REASON), "{trouble}");
    let seen = ann.seen();
    let heard = seen.heard_of("speaker").unwrap();
    assert!(!heard.connected);
    assert!(heard.recording.from().is_none(), "not one packet got in");
}

/// Signalling on whose way every fingerprint is replaced by another.
struct Tampered<T: ?Sized>(Arc<T>);

fn tamper(sdp: &str) -> String {
    let lines = sdp
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:sha-256 ") {
            Some(digest) => {
                let first = if digest.starts_with('0') { '1' } else { '0' };
                format!("a=fingerprint:sha-256 {first}{}\r\n", &digest[1..])
            }
            None => format!("{line}\r\n"),
        });
    lines.collect()
}

impl Sfu for Tampered<dyn Sfu> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn outage_patience(&self) -> Duration {
        self.0.outage_patience()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SfuError>> {
        self.0.check()
    }

    fn join(&self, room: &str, who: Participant) -> BoxFuture<'_, Result<Joined, SfuError>> {
        let room = room.to_owned();
        Box::pin(async move {
            let joined = self.0.join(&room, who).await?;
            Ok(Joined {
                session: Arc::new(Tampered::<dyn Session>(joined.session)),
                events: joined.events,
            })
        })
    }
}

impl Session for Tampered<dyn Session> {
    fn me(&self) -> ParticipantId {
        self.0.me()
    }

    fn publish<'a>(&'a self, offer: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        Box::pin(async move {
            let mut published = self.0.publish(offer).await?;
            published.answer = tamper(&published.answer);
            Ok(published)
        })
    }

    fn subscribe<'a>(
        &'a self,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        Box::pin(async move {
            let mut subscription = self.0.subscribe(track).await?;
            if let Negotiation::Offered(offer) = &mut subscription.negotiation {
                *offer = tamper(offer);
            }
            Ok(subscription)
        })
    }

    fn answer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        self.0.answer(connection, answer)
    }

    fn offer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        offer: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        self.0.offer(connection, offer)
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        self.0.close(connection)
    }

    fn trickle<'a>(
        &'a self,
        connection: &'a ConnectionId,
        candidate: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        self.0.trickle(connection, candidate)
    }

    fn mute<'a>(
        &'a self,
        connection: &'a ConnectionId,
        muted: bool,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        self.0.mute(connection, muted)
    }

    fn send<'a>(&'a self, data: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        self.0.send(data)
    }

    fn change_attributes<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        self.0.change_attributes(attributes)
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        self.0.leave()
    }
}
