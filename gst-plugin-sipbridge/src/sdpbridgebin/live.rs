// SPDX-License-Identifier: MPL-2.0
//! One bridge while it lasts: what was exchanged, its media, and the alarm for an offer that nobody
//! answers.

use std::net::SocketAddr;
use std::time::Instant;

use gst::glib;
use gst::prelude::*;

use super::SdpBridgeBin;
use super::messages;
use super::settings::{Plan, Settings, SettingsError};
use crate::bridge::{Answered, Exchange, ExchangeError, Expired};
use crate::context::{Context, ContextError, Cx, Task, TaskHandle};
use crate::leg::LegStats;
use crate::media::bridge::{self, BridgeHandle, Listener, Passing, Recording, Side};
use crate::media::{DigitsError, MediaConfig, MediaError, MediaEvent};

/// Why there is no bridge.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Media(#[from] MediaError),
}

pub(super) struct Live {
    /// Tells it from those before.
    pub(super) number: u64,
    exchange: Exchange,
    media: BridgeHandle,
    context: Context,
    /// Rings when the open offer is given up.
    alarm: Option<TaskHandle>,
}

impl Live {
    /// Opens the sockets of both sides; nothing is sent before something is agreed on.
    pub(super) fn open(
        number: u64,
        settings: &Settings,
        element: &SdpBridgeBin,
    ) -> Result<Live, OpenError> {
        let Plan {
            bind,
            ports,
            mut exchange,
            media_timeout,
        } = settings.plan()?;
        let context = match &settings.context {
            Some(name) => Context::acquire(name, settings.context_wait())?,
            None => Context::default_for_new_call()?,
        };
        let configs = Side::BOTH.map(|side| MediaConfig {
            bind: bind[side.index()],
            ports: ports.clone(),
            media_timeout,
            repacketize: exchange.sides[side.index()].ptime_ms.is_some(),
            ..MediaConfig::default()
        });
        let told = element.downgrade();
        let events = move |side, event| {
            if let Some(element) = told.upgrade() {
                element.on_media(number, side, event);
            }
        };
        let media = bridge::open(&context, configs, Box::new(events))?;
        for (side, config) in Side::BOTH.into_iter().zip(&mut exchange.sides) {
            let port = media.local_rtp(side).port();
            config.reached_at = SocketAddr::new(config.reached_at.ip(), port);
        }
        Ok(Live {
            number,
            exchange: Exchange::new(exchange),
            media,
            context,
            alarm: None,
        })
    }

    pub(super) fn offer(
        &mut self,
        from: &str,
        to: Option<&str>,
        offer: &[u8],
        element: &SdpBridgeBin,
    ) -> Result<Vec<u8>, ExchangeError> {
        let now = self.now();
        let offered = self.exchange.offer(now, from, to, offer)?;
        self.set_alarm(element);
        Ok(offered)
    }

    pub(super) fn answer(
        &mut self,
        from: &str,
        to: &str,
        answer: &[u8],
        element: &SdpBridgeBin,
    ) -> Result<Answered, AnswerError> {
        let crossing = self.exchange.consider(from, to, answer)?;
        let answered = crossing.answered();
        // Before anything has happened: what cannot be spoken has not been agreed on.
        self.media
            .apply_both(answered.parties, answered.agreed.clone())?;
        let answered = self.exchange.settle(crossing);
        self.set_alarm(element);
        Ok(answered)
    }

    pub(super) fn add_candidate(
        &mut self,
        tag: &str,
        candidate: &str,
    ) -> Result<(), ExchangeError> {
        if let Some((side, party)) = self.exchange.add_candidate(tag, candidate)? {
            self.media.add_candidate(side, party, candidate);
        }
        Ok(())
    }

    pub(super) fn set_passing(&self, side: Side, passing: Passing) {
        self.media.set_passing(side, passing);
    }

    pub(super) fn set_listener(&self, side: Side, listener: Option<Listener>) {
        self.media.set_listener(side, listener);
    }

    pub(super) fn play(&self, side: Side, recording: Option<(Recording, bool)>) {
        self.media.play(side, recording);
    }

    pub(super) fn play_digits(
        &self,
        side: Side,
        digits: &str,
        duration_ms: u32,
    ) -> Result<(), DigitsError> {
        self.media.play_digits(side, digits, duration_ms)
    }

    pub(super) fn rollback(&mut self) -> Result<Expired, ExchangeError> {
        let came_to = self.exchange.rollback()?;
        self.alarm = None;
        Ok(came_to)
    }

    /// The alarm rang.
    pub(super) fn expire(&mut self) -> Option<Expired> {
        let now = self.now();
        self.exchange.timeout(now)
    }

    pub(super) fn tag(&self, side: Side) -> &str {
        self.exchange.tag(side).unwrap_or_default()
    }

    pub(super) fn stats(&self, side: Side) -> LegStats {
        self.media.stats(side)
    }

    /// Says goodbye to both sides, and returns when ports and descriptors are free.
    pub(super) fn close(self) {
        drop(self.alarm);
        self.media.close();
    }

    fn now(&self) -> Instant {
        self.context.clock().now()
    }

    fn set_alarm(&mut self, element: &SdpBridgeBin) {
        let (number, element) = (self.number, element.downgrade());
        self.alarm = self.exchange.next_timeout().map(|at| {
            self.context.add(Box::new(Alarm {
                at,
                number,
                element,
            }))
        });
    }
}

/// Why an answer does not take effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// Waits on the bridge's media thread.
struct Alarm {
    at: Instant,
    number: u64,
    element: glib::WeakRef<SdpBridgeBin>,
}

impl Task for Alarm {
    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.set_timer(self.at);
    }

    fn timeout(&mut self, _cx: &mut Cx<'_>) {
        let number = self.number;
        if let Some(element) = self.element.upgrade() {
            // What follows waits for sockets to close.
            element.call_async(move |element| element.on_alarm(number));
        }
    }
}

impl SdpBridgeBin {
    /// Something happened to a bridge's media; on its media thread.
    fn on_media(&self, number: u64, side: Side, event: MediaEvent) {
        if let MediaEvent::Failed(reason) = event {
            self.call_async(move |element| element.on_failure(number, &reason));
        } else if let Some(structure) = messages::of_media(side, &event) {
            messages::post(self, structure);
        }
    }
}
