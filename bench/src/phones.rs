// SPDX-License-Identifier: MPL-2.0
//! A process of telephones, told line by line what to do: each is a `sipbin` that calls somebody and talks, its
//! media encrypted.

use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use gst::prelude::*;
use serde::{Deserialize, Serialize};

use crate::process::serve;

/// What it is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Question {
    /// One more, which calls there.
    Call { uri: String },
    /// So many hang up, those first that called first.
    HangUp { count: usize },
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    Done,
    Refused(String),
}

/// A phone that calls. It hangs up when dropped.
struct Phone {
    pipeline: gst::Element,
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Phone {
    /// It says noise, and what it hears goes nowhere.
    fn calls(number: usize, uri: &str) -> Result<Phone> {
        let launch = format!(
            "audiotestsrc is-live=true wave=pink-noise volume=0.1 samplesperbuffer=160 \
             ! audio/x-raw,rate=8000,channels=1 \
             ! sipbin name=phone uri={uri} codecs=<pcmu> srtp=required agent::username=phone-{number} \
             phone. ! queue leaky=downstream ! fakesink sync=false async=false"
        );
        let phone = Phone {
            pipeline: gst::parse::launch(&launch)?,
        };
        phone.pipeline.set_state(gst::State::Playing)?;
        Ok(phone)
    }
}

/// Serves standard input until it ends.
pub fn run() -> Result<()> {
    gst::init().context("GStreamer does not start")?;
    gstsipbridge::register_once().context("the plugin does not register")?;
    let mut phones: VecDeque<Phone> = VecDeque::new();
    let mut number = 0;
    serve(
        |question: Question| {
            match question {
                Question::Call { uri } => {
                    phones.push_back(Phone::calls(number, &uri)?);
                    number += 1;
                }
                Question::HangUp { count } => drop(phones.drain(..count.min(phones.len()))),
            }
            Ok(Answer::Done)
        },
        Answer::Refused,
    )
}
