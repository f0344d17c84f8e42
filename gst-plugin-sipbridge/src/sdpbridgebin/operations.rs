// SPDX-License-Identifier: MPL-2.0
//! What the action signals do, and what their promises are answered with.

use gst::glib;
use gst::subclass::prelude::*;

use super::SdpBridgeBin;
use super::file::{self, FileError};
use super::imp::{CAT, Ending};
use super::live::{AnswerError, Live, OpenError};
use super::messages;
use crate::bridge::{ExchangeError, Expired};
use crate::media::DigitsError;
use crate::media::bridge::{Passing, Side};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Offer,
    Answer,
    Candidate,
    Mute,
    Play,
    Digits,
    Rollback,
    Delete,
}

/// Why something that was asked is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum OperationError {
    #[error("the element is in NULL: nothing can be bridged")]
    NotReady,
    #[error("there is no bridge: nothing was offered yet, or it has ended")]
    NoBridge,
    #[error("there is no field {0:?} for this signal")]
    Field(String),
    #[error("the field {0} is missing, or is no string")]
    Missing(&'static str),
    #[error("the field side is {0:?}; a and b there are")]
    Side(String),
    #[error("the field how is {0:?}; off, silence and block there are")]
    How(String),
    #[error("the field {0} should be {1}")]
    Type(&'static str, &'static str),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Digits(#[from] DigitsError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl OperationError {
    /// What SIP says to it.
    fn sip_code(&self) -> u16 {
        match self {
            OperationError::Exchange(error)
            | OperationError::Answer(AnswerError::Exchange(error)) => error.sip_code(),
            OperationError::NoBridge => 481,
            OperationError::Field(_)
            | OperationError::Missing(_)
            | OperationError::Side(_)
            | OperationError::How(_)
            | OperationError::Type(..)
            | OperationError::File(_)
            | OperationError::Digits(_) => 400,
            OperationError::NotReady => 503,
            OperationError::Open(_) | OperationError::Answer(AnswerError::Media(_)) => 500,
        }
    }

    fn to_glib(&self) -> glib::Error {
        let said = self.to_string();
        match self {
            OperationError::NotReady => glib::Error::new(gst::CoreError::StateChange, &said),
            OperationError::Open(OpenError::Settings(_))
            | OperationError::Field(_)
            | OperationError::Side(_)
            | OperationError::How(_)
            | OperationError::Type(..)
            | OperationError::Missing(_) => glib::Error::new(gst::ResourceError::Settings, &said),
            OperationError::File(_) => glib::Error::new(gst::ResourceError::Read, &said),
            OperationError::Open(_) | OperationError::Answer(AnswerError::Media(_)) => {
                glib::Error::new(gst::ResourceError::OpenReadWrite, &said)
            }
            _ => glib::Error::new(gst::StreamError::Format, &said),
        }
    }
}

/// The fields of a signal.
struct Request<'a>(Option<&'a gst::StructureRef>);

impl<'a> Request<'a> {
    fn new(
        fields: Option<&'a gst::StructureRef>,
        known: &[&str],
    ) -> Result<Request<'a>, OperationError> {
        let mut names = fields.into_iter().flat_map(|fields| fields.fields());
        match names.find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(OperationError::Field(name.to_string())),
            None => Ok(Request(fields)),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, OperationError> {
        let Some(fields) = self.0 else {
            return Ok(None);
        };
        let text = fields.get_optional::<&str>(name);
        let text = text.map_err(|_| OperationError::Missing(name))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn required(&self, name: &'static str) -> Result<&'a str, OperationError> {
        self.text(name)?.ok_or(OperationError::Missing(name))
    }

    fn side(&self) -> Result<Side, OperationError> {
        side_of(self.required("side")?)
    }

    fn get<T: glib::value::FromValue<'a>>(
        &self,
        name: &'static str,
        kind: &'static str,
    ) -> Result<Option<T>, OperationError> {
        let Some(fields) = self.0 else {
            return Ok(None);
        };
        let value = fields.get_optional(name);
        value.map_err(|_| OperationError::Type(name, kind))
    }
}

fn side_of(name: &str) -> Result<Side, OperationError> {
    let mut sides = Side::BOTH.into_iter();
    let side = sides.find(|side| side.name() == name);
    side.ok_or_else(|| OperationError::Side(name.to_owned()))
}

/// How long a key is pressed where nothing is said.
const DIGIT_MS: u32 = 100;

const DESCRIBING: [&str; 3] = ["sdp", "from-tag", "to-tag"];

impl SdpBridgeBin {
    /// Does it and replies before this returns.
    pub(super) fn ask(
        &self,
        operation: Operation,
        fields: Option<&gst::StructureRef>,
        promise: Option<gst::Promise>,
    ) {
        let done = match operation {
            Operation::Offer => self.pass_offer(fields),
            Operation::Answer => self.pass_answer(fields),
            Operation::Candidate => self.add_ice_candidate(fields),
            Operation::Mute => self.mute(fields),
            Operation::Play => self.play(fields),
            Operation::Digits => self.play_digits(fields),
            Operation::Rollback => self.rollback(fields),
            Operation::Delete => self.delete(fields),
        };
        // sdp-bridge-reply: what the promise of a signal is answered with. `sdp` (string) for `pass-offer` and
        // `pass-answer`, `stats` (structure) where a bridge ended. Where it was refused there are only `error`
        // (GError: a sentence that names the media line, attribute or key at fault) and `code` (unsigned integer):
        // the SIP status that who offered can be told.
        let reply = gst::Structure::builder("sdp-bridge-reply");
        let reply = match done {
            Ok(Done::Described(sdp)) => {
                reply.field("sdp", String::from_utf8_lossy(&sdp).into_owned())
            }
            Ok(Done::Ended(stats)) => reply.field("stats", stats),
            Ok(Done::Nothing) => reply,
            Err(error) => {
                gst::info!(CAT, obj = self, "{operation:?} is refused: {error}");
                reply
                    .field("error", error.to_glib())
                    .field("code", u32::from(error.sip_code()))
            }
        };
        if let Some(promise) = promise {
            promise.reply(Some(reply.build()));
        }
    }

    fn pass_offer(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        let request = Request::new(fields, &DESCRIBING)?;
        let sdp = request.text("sdp")?.ok_or(OperationError::Missing("sdp"))?;
        let from = request.text("from-tag")?.unwrap_or("from");
        let to = request.text("to-tag")?;
        let settings = self.imp().settings().clone();
        let (offered, dead) = {
            let mut state = self.imp().state();
            if !state.ready {
                return Err(OperationError::NotReady);
            }
            if state.live.is_none() {
                state.number += 1;
                state.live = Some(Live::open(state.number, &settings, self)?);
            }
            let live = state.live.as_mut().ok_or(OperationError::NoBridge)?;
            let offered = live.offer(from, to, sdp.as_bytes(), self);
            // Sockets for which nothing was ever offered are not kept.
            let idle = live.tag(Side::A).is_empty();
            (offered, if idle { state.end(self) } else { None })
        };
        if let Some(dead) = dead {
            dead.close();
        }
        self.imp().lead_taps();
        Ok(Done::Described(offered?))
    }

    fn pass_answer(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        let request = Request::new(fields, &DESCRIBING)?;
        let sdp = request.text("sdp")?.ok_or(OperationError::Missing("sdp"))?;
        let from = request.text("from-tag")?.unwrap_or("from");
        let to = request.text("to-tag")?.unwrap_or("to");
        let (answered, told) = {
            let mut state = self.imp().state();
            let live = state.live.as_mut().ok_or(OperationError::NoBridge)?;
            let answered = live.answer(from, to, sdp.as_bytes(), self)?;
            let told = Side::BOTH
                .map(|side| messages::agreed(side, live.tag(side), &answered.agreed[side.index()]));
            (answered, told)
        };
        for structure in told {
            messages::post(self, structure);
        }
        Ok(Done::Described(answered.answer))
    }

    fn add_ice_candidate(
        &self,
        fields: Option<&gst::StructureRef>,
    ) -> Result<Done, OperationError> {
        let request = Request::new(fields, &["candidate", "tag", "side"])?;
        let missing = OperationError::Missing;
        let candidate = request.text("candidate")?.ok_or(missing("candidate"))?;
        let (tag, side) = (request.text("tag")?, request.text("side")?);
        let mut state = self.imp().state();
        let live = state.live.as_mut().ok_or(OperationError::NoBridge)?;
        let tag = match (tag, side) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(name)) => live.tag(side_of(name)?).to_owned(),
            (None, None) => return Err(missing("tag")),
        };
        live.add_candidate(&tag, candidate)?;
        Ok(Done::Nothing)
    }

    fn mute(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        let request = Request::new(fields, &["side", "how"])?;
        let side = request.side()?;
        let passing = match request.required("how")? {
            "off" => Passing::Passes,
            "silence" => Passing::Silenced,
            "block" => Passing::Blocked,
            how => return Err(OperationError::How(how.to_owned())),
        };
        let state = self.imp().state();
        let live = state.live.as_ref().ok_or(OperationError::NoBridge)?;
        live.set_passing(side, passing);
        Ok(Done::Nothing)
    }

    fn play(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        let request = Request::new(fields, &["side", "file", "repeat"])?;
        let side = request.side()?;
        let repeats = request.get("repeat", "a boolean")?.unwrap_or(false);
        // Without a lock: it may take a while.
        let recording = request.text("file")?.map(file::read).transpose()?;
        let state = self.imp().state();
        let live = state.live.as_ref().ok_or(OperationError::NoBridge)?;
        live.play(side, recording.map(|recording| (recording, repeats)));
        Ok(Done::Nothing)
    }

    fn play_digits(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        let request = Request::new(fields, &["side", "digits", "duration"])?;
        let side = request.side()?;
        let digits = request.required("digits")?;
        let kind = "an unsigned integer";
        let duration_ms = request.get("duration", kind)?.unwrap_or(DIGIT_MS);
        let state = self.imp().state();
        let live = state.live.as_ref().ok_or(OperationError::NoBridge)?;
        live.play_digits(side, digits, duration_ms)?;
        Ok(Done::Nothing)
    }

    fn rollback(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        Request::new(fields, &[])?;
        let dead = {
            let mut state = self.imp().state();
            let live = state.live.as_mut().ok_or(OperationError::NoBridge)?;
            match live.rollback()? {
                Expired::Bridge => state.end(self),
                Expired::Offer => None,
            }
        };
        Ok(dead.map_or(Done::Nothing, end))
    }

    fn delete(&self, fields: Option<&gst::StructureRef>) -> Result<Done, OperationError> {
        Request::new(fields, &[])?;
        let dead = self.imp().state().end(self);
        dead.map(end).ok_or(OperationError::NoBridge)
    }

    /// An offer of this bridge may have been open for too long.
    pub(super) fn on_alarm(&self, number: u64) {
        let (expired, dead) = {
            let mut state = self.imp().state();
            let live = state.live.as_mut().filter(|live| live.number == number);
            let Some(expired) = live.and_then(Live::expire) else {
                return;
            };
            let over = expired == Expired::Bridge;
            (expired, if over { state.end(self) } else { None })
        };
        if let Some(dead) = dead {
            dead.close();
        }
        let told = match expired {
            Expired::Bridge => messages::ended("nobody answered the offer in time"),
            Expired::Offer => messages::expired(),
        };
        messages::post(self, told);
    }

    /// The media of this bridge broke.
    pub(super) fn on_failure(&self, number: u64, reason: &str) {
        let dead = {
            let mut state = self.imp().state();
            let mine = state
                .live
                .as_ref()
                .is_some_and(|live| live.number == number);
            if mine { state.end(self) } else { None }
        };
        if let Some(dead) = dead {
            dead.close();
            messages::post(self, messages::ended(reason));
        }
    }
}

/// What was done.
enum Done {
    Described(Vec<u8>),
    Ended(gst::Structure),
    Nothing,
}

fn end(dead: Ending) -> Done {
    let stats = dead.stats();
    dead.close();
    Done::Ended(stats)
}
