// SPDX-License-Identifier: MPL-2.0
//! The measurements, one a file.

pub mod bridge;
pub mod calls;
pub mod floor;
pub mod growth;
pub mod load;
pub mod mixing;
pub mod quality;
pub mod room;
pub mod soak;
pub mod strain;
pub mod transcode;
pub mod webrtc;
pub mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use sip_ua::sdp::Codec;

use crate::load::{Generator, Media, Sound, Speech};
use crate::machine::Cores;
use crate::peers::Stage;
use crate::progress::Progress;

/// What all measurements work with.
pub struct Bench {
    pub cores: Cores,
    pub generator: Generator,
    pub speech: Sounds,
    pub stage: Stage,
    pub progress: Progress,
    /// Figures may be wrong, and are wanted all the same.
    pub despite_load: bool,
}

impl Bench {
    pub fn new(folder: PathBuf, despite_load: bool) -> Result<Bench> {
        let cores = Cores::choose()?;
        Ok(Bench {
            cores,
            generator: Generator::new()?,
            speech: Sounds::load()?,
            stage: Stage {
                core: cores.measured,
                folder,
            },
            progress: Progress::start(),
            despite_load,
        })
    }
}

/// What is sent, encoded once.
pub struct Sounds {
    pub speech: Speech,
    pub pcmu: Encoded,
    pub opus: Encoded,
}

/// The sounds in one codec.
pub struct Encoded {
    pub phone: Arc<Media>,
    pub room: Arc<Media>,
    pub sweeps: Arc<Media>,
    pub rest: Arc<Media>,
    pub phone_in_turn: Arc<Media>,
    pub room_in_turn: Arc<Media>,
}

impl Sounds {
    fn load() -> Result<Sounds> {
        let speech = Speech::load()?;
        let encoded = |codec| {
            anyhow::Ok(Encoded {
                phone: speech.encode(Sound::Phone, codec)?,
                room: speech.encode(Sound::Room, codec)?,
                sweeps: speech.encode(Sound::Sweeps, codec)?,
                rest: speech.encode(Sound::Rest, codec)?,
                phone_in_turn: speech.encode(Sound::PhoneInTurn, codec)?,
                room_in_turn: speech.encode(Sound::RoomInTurn, codec)?,
            })
        };
        let (pcmu, opus) = (encoded(Codec::Pcmu)?, encoded(Codec::Opus)?);
        Ok(Sounds { speech, pcmu, opus })
    }
}
