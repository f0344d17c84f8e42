// SPDX-License-Identifier: MPL-2.0
//! What the owner of a call's media holds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sip_ua::sdp::{Codec, Negotiated};

use super::api::{
    AudioOut, DigitsError, Format, LegStats, MediaConfig, MediaError, MediaEvent, MediaEvents,
};
use super::input::{AudioIn, SharedQueue};
use super::sockets;
use super::task::{Command, Media, Prepared};
use crate::codec::{CodecError, Decoder, Encoder, OpusSettings};
use crate::context::{Context, Mailbox, TaskHandle};
use crate::leg::check_digits;

/// What the handle and the task share. Nothing in it is held for longer than a moment.
pub(super) struct Shared {
    pub(super) commands: Mailbox<Command>,
    pub(super) queue: SharedQueue,
    pub(super) stats: Mutex<LegStats>,
    pub(super) events: Mutex<MediaEvents>,
}

pub(super) fn open(
    context: &Context,
    config: MediaConfig,
    events: MediaEvents,
) -> Result<MediaHandle, MediaError> {
    let pair = sockets::open(config.bind, &config.ports)?;
    let local = pair.local;
    let shared = Arc::new(Shared {
        commands: Mailbox::default(),
        queue: SharedQueue::default(),
        stats: Mutex::default(),
        events: Mutex::new(events),
    });
    let now = context.clock().now();
    let media = Media::new(now, pair, &config, shared.clone());
    let told = shared.clone();
    let on_panic = Box::new(move |said: &str| {
        let mut events = told.events.lock().unwrap_or_else(PoisonError::into_inner);
        events(MediaEvent::Failed(format!(
            "the media of this call failed: {said}"
        )));
    });
    let task = context.add_task(|_| Box::new(media), Some(on_panic));
    Ok(MediaHandle {
        local,
        task,
        shared,
        send_codec: Mutex::new(None),
        native_rate_hz: AtomicU32::new(8_000),
        takes_digits: AtomicBool::new(false),
    })
}

/// Steers the media of a call. Dropping it closes the media without waiting.
pub struct MediaHandle {
    local: SocketAddr,
    task: TaskHandle,
    shared: Arc<Shared>,
    send_codec: Mutex<Option<Codec>>,
    native_rate_hz: AtomicU32,
    takes_digits: AtomicBool,
}

impl MediaHandle {
    /// Where we receive RTP; RTCP is the next port.
    pub fn local_rtp(&self) -> SocketAddr {
        self.local
    }

    /// Puts what offer and answer agreed on into force, at the first time and at each re-offer.
    /// Brings up the codecs it needs, so it is not for the context's own thread.
    pub fn apply(&self, negotiated: Negotiated) -> Result<(), MediaError> {
        let mut send_codec = self
            .send_codec
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let prepared = prepare(*send_codec, &negotiated)?;
        *send_codec = Some(negotiated.codec);
        let rate_hz = negotiated.codec.audio_rate();
        self.native_rate_hz.store(rate_hz, Ordering::Relaxed);
        self.takes_digits
            .store(negotiated.telephone_event_send.is_some(), Ordering::Relaxed);
        self.command(Command::Apply(Box::new(negotiated), prepared));
        Ok(())
    }

    /// Hands the far end's audio to `output` in `format`, or to nobody.
    pub fn set_output(&self, output: Option<(Format, Box<dyn AudioOut>)>) {
        self.command(Command::Output(output));
    }

    /// Feeds audio towards the far end; any number of these may exist, one should push.
    pub fn input(&self) -> AudioIn {
        AudioIn {
            queue: self.shared.queue.clone(),
            notifier: self.task.notifier(),
        }
    }

    /// The rate at which the call's codec gives and takes samples without resampling: 8000 Hz for
    /// G.711 and before anything was agreed, 16000 Hz for G.722 and L16, 48000 Hz for Opus.
    pub fn native_rate_hz(&self) -> u32 {
        self.native_rate_hz.load(Ordering::Relaxed)
    }

    /// While muted, silence goes to the far end instead of the input.
    pub fn set_mute(&self, mute: bool) {
        self.command(Command::Mute(mute));
    }

    /// Changes how Opus is encoded towards the far end.
    pub fn set_opus(&self, settings: OpusSettings) {
        self.command(Command::Opus(settings));
    }

    /// Sends digits by RFC 4733, each this long (40 ms to 6 s), with 60 ms in between, after those
    /// that still wait.
    pub fn send_digits(&self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        check_digits(digits)?;
        if !self.takes_digits.load(Ordering::Relaxed) {
            return Err(DigitsError::NotNegotiated);
        }
        self.command(Command::Digits(digits.to_owned(), duration_ms));
        Ok(())
    }

    /// Sends digits as tones in the audio, each this long (40 ms to 6 s), in place of the input, after
    /// those that still wait.
    pub fn send_tones(&self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        check_digits(digits)?;
        self.command(Command::Tones(digits.to_owned(), duration_ms));
        Ok(())
    }

    /// Whether tones in the far end's audio are digits: then they are told, and taken out of it.
    pub fn set_listening(&self, listening: bool) {
        self.command(Command::Listen(listening));
    }

    /// The counters.
    pub fn stats(&self) -> LegStats {
        self.shared
            .stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The context it runs on.
    pub fn context(&self) -> Context {
        self.task.context()
    }

    /// Goes on running on another context. Not a packet is lost on the way.
    pub fn move_to(&self, context: &Context) {
        self.task.move_to(context);
    }

    /// Says goodbye (RTCP BYE) and returns when sockets are closed and ports free again; on the
    /// context's own thread, before the loop's next round.
    pub fn close(self) {
        self.task.remove();
    }

    fn command(&self, command: Command) {
        self.shared.commands.post(command);
        self.task.notify();
    }
}

/// Brings up the stock elements an agreement needs.
fn prepare(before: Option<Codec>, negotiated: &Negotiated) -> Result<Prepared, CodecError> {
    let mut prepared = Prepared::default();
    let codec = negotiated.codec;
    if codec != Codec::Opus && before != Some(codec) {
        let rate_hz = codec.audio_rate();
        let encoder = Encoder::new(codec, rate_hz, OpusSettings::default())?;
        prepared.encoders.push((codec, encoder));
        // The far end will most likely send what it gets; anything else is made when it comes.
        let decoder = Decoder::new(codec, rate_hz)?;
        prepared.decoders.push((codec, decoder));
    }
    Ok(prepared)
}
