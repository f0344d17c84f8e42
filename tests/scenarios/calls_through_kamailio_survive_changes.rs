// SPDX-License-Identifier: MPL-2.0
//! Through a Kamailio that stays in the path (Record-Route) a call lives through all that may happen to it: either
//! side holds it and takes it back, the codec changes, the telephone's media move, the session is refreshed by its
//! timer, and the telephone has itself replaced by another (REFER). So over UDP, TCP, TLS and WebSocket over TLS, over
//! IPv4 and IPv6, eight calls at the same time. Who is heard is told by tones, before each change and after it.
//!
//! On one side are the elements' own call and its media; on the other a telephone of our user agent whose media are
//! GStreamer's own. Over IPv6 the telephone calls. Nobody but a browser opens a WebSocket to a proxy: so the
//! telephone is at its edge, and our side beyond, by TLS.

use anyhow::{Context as _, Result, ensure};
use gst::prelude::*;
use gst_app::AppSink;
use gstsipbridge::call::{
    Call as Leg, CallEnd, CallNotice, CallParams, CallState, DialParams, EndedBy, MediaParams,
    NextHop, Subscription, TransferTo,
};
use sip_ua::agent::{
    CallEvent, EndCause, IncomingCall, LadderStep, Refresher, SessionTimer, Tls, TlsFiles,
    Transfer, Transport,
};
use sip_ua::sdp::{Codec, Direction};
use sip_ua::wire::Uri;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::ear::{Ear, RATE_HZ};
use sipbridge_tests::handset::{Registered, Talking, Way};
use sipbridge_tests::kamailio::{Kamailio, unless_it_crashes};
use sipbridge_tests::together::together;
use sipbridge_tests::{certificate, out_dir};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SCENARIO: &str = "calls_through_kamailio_survive_changes";
const SOON: Duration = Duration::from_secs(10);
/// Nothing lasts for longer at a change than until the other side knows of it, and the jitter buffers of it.
const GAP: Duration = Duration::from_millis(300);
/// For so long who is not heard has to be silent.
const SILENCE: Duration = Duration::from_millis(500);
/// For so long what is heard has to be heard without a gap, before a change and after it.
const WHILE: Duration = Duration::from_millis(700);

/// What everybody says, in Hz.
const ALICE: u32 = 400;
const BOB: u32 = 700;
const BOB_BY_OPUS: u32 = 1_000;
const BOB_ELSEWHERE: u32 = 1_300;
const CAROL: u32 = 1_700;
const ALL: [u32; 5] = [ALICE, BOB, BOB_BY_OPUS, BOB_ELSEWHERE, CAROL];

/// As short as RFC 4028 has it, and refreshed by our side.
const TIMER: SessionTimer = SessionTimer {
    interval: SessionTimer::LEAST,
    min_se: SessionTimer::LEAST,
    refresher: Refresher::Us,
};
/// The first refresh, after half of it.
const REFRESHED: Duration = Duration::from_secs(55);

#[test]
fn calls_through_kamailio_survive_changes() -> Result<()> {
    gst::init()?;
    gstsipbridge::register_once()?;
    steadily(|| unless_it_crashes(scenario))
}

fn scenario() -> Result<()> {
    let folder = out_dir(SCENARIO);
    std::fs::create_dir_all(&folder)?;
    let hosts = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ];
    let files = certificate::make_for(&folder, &hosts)?;
    let kamailio = Kamailio::start_everywhere(SCENARIO, &files)?;
    let tls = Tls::load(TlsFiles {
        cert_file: Some(files.cert),
        key_file: Some(files.key),
        ca_file: Some(files.ca),
        ..TlsFiles::default()
    })?;
    let transports = [
        Transport::Udp,
        Transport::Tcp,
        Transport::Tls,
        Transport::Wss,
    ];
    let ways = transports.into_iter().flat_map(|transport| {
        hosts.map(|host| Way {
            kamailio: &kamailio,
            transport,
            host,
            tls: &tls,
        })
    });
    let ways: Vec<Way<'_>> = ways.collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let told = together(&ways, |way| {
        let name = format!("{} over IPv{}", way.transport, version(way.host));
        let told = runtime.block_on(story(way));
        Ok((name.clone(), told.context(name)))
    })?;
    let (told, failed): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, told)| told.is_ok());
    let failed = failed.into_iter().filter_map(|(_, told)| told.err());
    let failed: Vec<String> = failed.map(|error| format!("{error:#}")).collect();
    println!("{}", table(&told));
    let failed = failed.join("\n");
    if !failed.is_empty() {
        kamailio.is_well().context(failed.clone())?;
    }
    ensure!(failed.is_empty(), "{failed}");
    Ok(())
}

fn version(host: IpAddr) -> u8 {
    if host.is_ipv4() { 4 } else { 6 }
}

/// For how long nobody was heard around each change, by our side and by the far end.
#[derive(Default)]
struct Gaps(Vec<(&'static str, Option<Duration>, Option<Duration>)>);

fn table(told: &[(String, Result<Gaps>)]) -> String {
    let mut table = "longest gap in ms, heard by us / heard by the far end\n".to_owned();
    for (name, told) in told {
        let ms = |gap: &Option<Duration>| {
            gap.map_or("held".to_owned(), |gap| gap.as_millis().to_string())
        };
        let gaps = told.iter().flat_map(|Gaps(gaps)| gaps);
        let cells: Vec<String> = gaps
            .map(|(what, ours, theirs)| format!("{what} {} / {}", ms(ours), ms(theirs)))
            .collect();
        // Nothing goes wrong when a String is written to.
        let _ = writeln!(table, "  {name:14} {}", cells.join(", "));
    }
    table
}

/// Our side of a call.
struct Ours {
    leg: Arc<Leg>,
    notices: mpsc::UnboundedReceiver<CallNotice>,
    pipeline: gst::Pipeline,
    _following: Subscription,
}

impl Ours {
    fn of(leg: Arc<Leg>, ear: &Ear) -> Result<Ours> {
        let (tell, notices) = mpsc::unbounded_channel();
        let following = leg.subscribe(Box::new(move |notice| {
            // Who asks for none any more has seen enough.
            let _ = tell.send(notice.clone());
        }));
        let text = format!(
            "audiotestsrc is-live=true freq={ALICE} volume=0.4 samplesperbuffer=160 \
             ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! sipbin name=call \
             call. ! queue ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate={RATE_HZ},channels=1 ! appsink name=ear sync=false"
        );
        let pipeline = gst::parse::launch(&text)?.downcast::<gst::Pipeline>();
        let pipeline = pipeline.ok().context("no pipeline")?;
        let element = pipeline.by_name("call").context("no sipbin")?;
        element.set_property("call", leg.name());
        let hears = pipeline.by_name("ear").context("no ear")?;
        let hears = hears.downcast::<AppSink>().ok();
        ear.listen(&hears.context("the ear is no appsink")?);
        pipeline.set_state(gst::State::Playing)?;
        Ok(Ours {
            leg,
            notices,
            pipeline,
            _following: following,
        })
    }

    fn dial(whom: &Registered, from: Uri, to: Uri, ear: &Ear) -> Result<Ours> {
        let name = format!("{from} calls {to}");
        let params = DialParams {
            name,
            to,
            from: from.into(),
            next_hop: NextHop::OfUri,
            headers: Vec::new(),
            credentials: Some(whom.credentials.clone()),
            session_timer: None,
            ring_timeout: SOON,
            follow_redirects: false,
            transferable: true,
            media: MediaParams::default(),
        };
        Ours::of(Leg::dial(&whom.agent, params)?, ear)
    }

    fn answer(incoming: IncomingCall, ear: &Ear) -> Result<Ours> {
        let params = CallParams {
            name: format!("call {}", incoming.call.handle.sip_call_id()),
            transferable: true,
            media: MediaParams::default(),
        };
        let ours = Ours::of(Leg::incoming(incoming, params)?, ear)?;
        ours.leg.ring();
        ours.leg.answer();
        Ok(ours)
    }

    /// The next notice that `wanted` makes something of.
    async fn told<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(CallNotice) -> Option<T>,
    ) -> Result<T> {
        let found = async {
            loop {
                let notice = self.notices.recv().await.context("the call is over")?;
                if let Some(found) = wanted(notice) {
                    return anyhow::Ok(found);
                }
            }
        };
        let found = timeout(SOON, found).await;
        found.with_context(|| format!("our side tells of no {what} in time"))?
    }

    /// Waits until media are agreed on so.
    async fn until_agreed(&mut self, codec: Codec, direction: Direction) -> Result<SocketAddr> {
        let what = format!("{codec} {direction}");
        self.told(&what, |notice| match notice {
            CallNotice::Media {
                codec: its,
                direction: way,
                remote,
                ..
            } => (its == codec.name() && way == direction.as_str()).then_some(remote),
            _ => None,
        })
        .await
    }

    async fn until_ended(&mut self) -> Result<CallEnd> {
        self.told("an end", |notice| match notice {
            CallNotice::Ended(end) => Some(end),
            _ => None,
        })
        .await
    }

    async fn until_answered(&mut self) -> Result<()> {
        if self.leg.state() == CallState::Answered {
            return Ok(());
        }
        self.told("an answer", |notice| match notice {
            CallNotice::State { state, .. } => (state == CallState::Answered).then_some(()),
            _ => None,
        })
        .await
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Both ears, and what has been found out about gaps.
struct Listening {
    ours: Ear,
    theirs: Ear,
    gaps: Gaps,
}

impl Listening {
    /// Waits until either hears this from now on, and goes on hearing it.
    async fn both_hear(&self, we: u32, they: u32) -> Result<()> {
        let now = Instant::now();
        self.ours
            .until_heard(we, now, SOON)
            .await
            .context("by us")?;
        let heard = self.theirs.until_heard(they, now, SOON).await;
        heard.context("by the far end")?;
        tokio::time::sleep(WHILE).await;
        Ok(())
    }

    /// Nobody was unheard for long since then, except where it was meant so.
    fn judge(
        &mut self,
        what: &'static str,
        since: Instant,
        (we, they): (Option<&[u32]>, Option<&[u32]>),
    ) -> Result<()> {
        let now = Instant::now();
        let gap = |ear: &Ear, tones: Option<&[u32]>| {
            tones.map(|tones| ear.longest_gap(tones, since, now))
        };
        let (ours, theirs) = (gap(&self.ours, we), gap(&self.theirs, they));
        for (who, gap) in [("we hear", ours), ("the far end hears", theirs)] {
            let gap = gap.unwrap_or_default();
            ensure!(gap < GAP, "{what}: {who} nothing for {gap:?}");
        }
        self.gaps.0.push((what, ours, theirs));
        Ok(())
    }
}

async fn story(way: &Way<'_>) -> Result<Gaps> {
    // Our side is no browser.
    let beyond = Way {
        transport: match way.transport {
            Transport::Wss => Transport::Tls,
            other => other,
        },
        ..*way
    };
    let named = |who: &str| format!("{who}-{}-{}", way.transport, version(way.host));
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(named);
    let off = SessionTimer {
        interval: Duration::ZERO,
        ..SessionTimer::default()
    };
    let mut us = Registered::start(&alice, &beyond, TIMER).await?;
    let mut them = Registered::start(&bob, way, off).await?;
    let mut third = Registered::start(&carol, way, off).await?;
    let mut ears = Listening {
        ours: Ear::of(&ALL),
        theirs: Ear::of(&ALL),
        gaps: Gaps::default(),
    };

    let (mut ours, mut phone) = match way.host.is_ipv4() {
        true => {
            let from = beyond.address_of_record(&alice)?;
            let ours = Ours::dial(&us, from, beyond.uri(&bob)?, &ears.ours)?;
            let incoming = them.next_call().await?;
            (ours, Talking::answer(incoming, BOB, &ears.theirs).await?)
        }
        false => {
            let (from, to) = (way.address_of_record(&bob)?, way.uri(&alice)?);
            let answering = async {
                let incoming = us.next_call().await?;
                Ours::answer(incoming, &ears.ours)
            };
            let dialing = Talking::dial(&them, from, to, BOB, &ears.theirs);
            tokio::try_join!(answering, dialing)?
        }
    };
    ours.until_answered().await?;
    let all_the_while = Changes {
        way,
        beyond: &beyond,
        alice: &alice,
        bob: &bob,
        carol: &carol,
    };
    ears.both_hear(BOB, ALICE).await.context("at first")?;
    all_the_while
        .holds(&mut ours, &mut phone, &mut ears)
        .await?;
    all_the_while
        .media_change(&mut ours, &mut phone, &mut ears)
        .await?;
    all_the_while.refreshed(&ours, &mut ears).await?;
    let ladders = [
        (ours.leg.signalling().ladder(), &us, &beyond),
        (phone.call.handle.ladder(), &them, way),
    ];
    for (ladder, whose, way) in ladders {
        went_through(&ladder, way, whose.proxy_seen(way))?;
    }
    let transferred = all_the_while.transfer(ours, phone, (&us, &mut third), &mut ears);
    transferred.await.context("the transfer")?;
    for registered in [us, them, third] {
        registered.close().await;
    }
    Ok(ears.gaps)
}

/// All requests went to the proxy or came by it, and those of ours within the call by its Route.
fn went_through(ladder: &[LadderStep], way: &Way<'_>, sent_to: SocketAddr) -> Result<()> {
    let (proxy, route_of_proxy) = (format!(" {};", way.proxy()), way.proxy().to_string());
    for step in ladder {
        let mut lines = step.message.lines();
        let is_request = lines
            .next()
            .is_some_and(|line| !line.starts_with("SIP/2.0"));
        let line = |name: &str| step.message.lines().find(|line| line.starts_with(name));
        let by_proxy = match step.sent {
            // A telephone at the edge writes to its WebSocket, wherever the Route leads.
            true => step.remote == sent_to || step.remote == way.proxy(),
            false => line("Via:").is_some_and(|via| via.contains(&proxy)),
        };
        ensure!(
            by_proxy || !is_request,
            "{} passed the proxy by",
            step.summary
        );
        let is_within = line("To:").is_some_and(|to| to.contains(";tag="));
        let is_routed = line("Route:").is_some_and(|route| route.contains(&route_of_proxy));
        // That of a 407 has no other Route than the INVITE it belongs to.
        let is_ack = step.summary.starts_with("ACK");
        let needs_route = step.sent && is_request && is_within && !is_ack;
        ensure!(is_routed || !needs_route, "{} has no Route", step.summary);
    }
    Ok(())
}

/// The changes, one after the other.
struct Changes<'a> {
    way: &'a Way<'a>,
    beyond: &'a Way<'a>,
    alice: &'a str,
    bob: &'a str,
    carol: &'a str,
}

impl Changes<'_> {
    async fn holds(
        &self,
        ours: &mut Ours,
        phone: &mut Talking,
        ears: &mut Listening,
    ) -> Result<()> {
        let since = Instant::now();
        ours.leg.hold(true);
        let agreed = phone.answer_offer().await.context("we hold")?;
        ensure!(agreed.direction == Direction::RecvOnly, "{agreed:?}");
        ours.until_agreed(Codec::Pcma, Direction::SendOnly).await?;
        ears.theirs.until_not_heard(ALICE, SILENCE, SOON).await?;
        ears.ours.until_not_heard(BOB, SILENCE, SOON).await?;
        ears.judge("we hold", since, (None, None))?;

        let since = Instant::now();
        ours.leg.hold(false);
        let agreed = phone.answer_offer().await.context("we take it back")?;
        ensure!(agreed.direction == Direction::SendRecv, "{agreed:?}");
        ours.until_agreed(Codec::Pcma, Direction::SendRecv).await?;
        ears.both_hear(BOB, ALICE).await.context("after our hold")?;
        ears.judge("we resume", since, (Some(&[BOB]), Some(&[ALICE])))?;

        // It goes on saying something, as those do that have music.
        let since = Instant::now();
        phone.local.direction = Direction::SendOnly;
        let agreed = phone.offer().await.context("it holds")?;
        ensure!(agreed.direction == Direction::SendOnly, "{agreed:?}");
        ours.until_agreed(Codec::Pcma, Direction::RecvOnly).await?;
        ears.theirs.until_not_heard(ALICE, SILENCE, SOON).await?;
        ears.judge("it holds", since, (Some(&[BOB]), None))?;

        let since = Instant::now();
        phone.local.direction = Direction::SendRecv;
        let agreed = phone.offer().await.context("it takes it back")?;
        ensure!(agreed.direction == Direction::SendRecv, "{agreed:?}");
        ours.until_agreed(Codec::Pcma, Direction::SendRecv).await?;
        ears.both_hear(BOB, ALICE).await.context("after its hold")?;
        ears.judge("it resumes", since, (Some(&[BOB]), Some(&[ALICE])))
    }

    async fn media_change(
        &self,
        ours: &mut Ours,
        phone: &mut Talking,
        ears: &mut Listening,
    ) -> Result<()> {
        let since = Instant::now();
        phone.local.codecs = vec![Codec::Opus];
        phone.pitch = BOB_BY_OPUS;
        let agreed = phone.offer().await.context("another codec")?;
        ensure!(agreed.codec == Codec::Opus, "{agreed:?}");
        let before = ours.until_agreed(Codec::Opus, Direction::SendRecv).await?;
        ears.both_hear(BOB_BY_OPUS, ALICE)
            .await
            .context("by Opus")?;
        let tones: &[u32] = &[BOB, BOB_BY_OPUS];
        ears.judge("codec", since, (Some(tones), Some(&[ALICE])))?;

        let since = Instant::now();
        phone.pitch = BOB_ELSEWHERE;
        // Of IPv6 loopback has one address.
        let elsewhere = match self.way.host {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::new(127, 0, 0, 2)),
            other => other,
        };
        phone.move_to(elsewhere).await.context("it moves")?;
        let at = ours.until_agreed(Codec::Opus, Direction::SendRecv).await?;
        let moved = SocketAddr::new(elsewhere, phone.local.rtp_port);
        ensure!(at == moved && at != before, "media go to {at}");
        ears.both_hear(BOB_ELSEWHERE, ALICE)
            .await
            .context("from elsewhere")?;
        let tones: &[u32] = &[BOB_BY_OPUS, BOB_ELSEWHERE];
        ears.judge("moved", since, (Some(tones), Some(&[ALICE])))
    }

    /// Nothing is to be heard of it.
    async fn refreshed(&self, ours: &Ours, ears: &mut Listening) -> Result<()> {
        let since = Instant::now();
        // This thread has nothing else to do.
        let (kamailio, uri) = (self.way.kamailio, format!("sip:{}@", self.bob));
        let refreshed = kamailio.wait_request("UPDATE", &uri, REFRESHED);
        refreshed.context("nobody refreshes the session")?;
        ears.both_hear(BOB_ELSEWHERE, ALICE)
            .await
            .context("after the refresh")?;
        let answered = ours.leg.signalling().ladder().into_iter().any(|step| {
            let grants = step.message.contains("Session-Expires: 90;refresher=uac");
            !step.sent && step.summary.starts_with("200 OK (UPDATE") && grants
        });
        ensure!(answered, "the refresh is not answered");
        ears.judge("refresh", since, (Some(&[BOB_ELSEWHERE]), Some(&[ALICE])))
    }

    /// The telephone wants us to talk to another one.
    async fn transfer(
        &self,
        mut ours: Ours,
        mut phone: Talking,
        (us, third): (&Registered, &mut Registered),
        ears: &mut Listening,
    ) -> Result<()> {
        let since = Instant::now();
        let to = self.beyond.uri(self.carol)?;
        phone.call.handle.transfer(TransferTo::Uri(to.clone()));
        let request = ours
            .told("a transfer", |notice| match notice {
                CallNotice::TransferRequested(request) => Some(request),
                _ => None,
            })
            .await?;
        ensure!(request.to == to, "we are to call {}", request.to);
        ours.leg.answer_transfer(Ok(()));
        let from = self.beyond.address_of_record(self.alice)?;
        let mut next = Ours::dial(us, from, request.to, &ears.ours)?;
        let incoming = third.next_call().await?;
        let proxy = (us.proxy_seen(self.beyond), third.proxy_seen(self.way));
        // What she hears goes on where he heard something last.
        let mut other = Talking::answer(incoming, CAROL, &ears.theirs).await?;
        next.until_answered().await?;
        ours.leg.notify_transfer(200, None);
        phone
            .told("success", |event| {
                let is = matches!(event, CallEvent::Transfer(Transfer::Succeeded { .. }));
                is.then_some(())
            })
            .await?;
        let end = phone
            .told("an end", |event| match event {
                CallEvent::Ended(end) => Some(end),
                _ => None,
            })
            .await?;
        ensure!(end.cause == EndCause::Transferred, "{end}");
        let end = ours.until_ended().await?;
        ensure!(end.by == EndedBy::Remote && end.was_answered, "{end:?}");
        drop((ours, phone));
        ears.both_hear(CAROL, ALICE).await?;
        let tones: &[u32] = &[BOB_ELSEWHERE, CAROL];
        ears.judge("transfer", since, (Some(tones), Some(&[ALICE])))?;

        other.call.handle.hangup(None);
        let end = next.until_ended().await?;
        ensure!(end.by == EndedBy::Remote, "she hung up");
        other
            .told("an end", |event| {
                matches!(event, CallEvent::Ended(_)).then_some(())
            })
            .await?;
        went_through(&next.leg.signalling().ladder(), self.beyond, proxy.0)?;
        went_through(&other.call.handle.ladder(), self.way, proxy.1)
    }
}
