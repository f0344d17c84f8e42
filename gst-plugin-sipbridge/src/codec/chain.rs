// SPDX-License-Identifier: MPL-2.0
//! Stock elements in a row, in nobody's pipeline: whoever pushes in takes out what comes of it,
//! on the same thread, within the same call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::CodecError;

/// A row of elements with a pad of ours at each end.
pub struct Chain {
    name: &'static str,
    input: gst::Pad,
    output: gst::Pad,
    elements: Vec<gst::Element>,
    given: Arc<Mutex<VecDeque<gst::Buffer>>>,
    position: gst::ClockTime,
}

impl Chain {
    /// Brings `elements` up in a row, for `from` caps to `to` caps.
    pub fn new(
        name: &'static str,
        elements: &[&'static str],
        from: &gst::Caps,
        to: &gst::Caps,
    ) -> Result<Chain, CodecError> {
        let failed = |what: &str| CodecError::Chain(name, what.to_owned());
        let elements = elements
            .iter()
            .map(|factory| {
                gst::ElementFactory::make(factory)
                    .build()
                    .map_err(|_| CodecError::MissingElement(factory))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let given = Arc::new(Mutex::new(VecDeque::new()));
        let input = gst::Pad::builder(gst::PadDirection::Src)
            .name("input")
            .build();
        let template = gst::PadTemplate::new(
            "output",
            gst::PadDirection::Sink,
            gst::PadPresence::Always,
            to,
        )
        .map_err(|error| failed(&error.to_string()))?;
        let taken = given.clone();
        let output = gst::Pad::builder_from_template(&template)
            .chain_function(move |_, _, buffer| {
                taken
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_back(buffer);
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(|_, _, _| true)
            .build();

        let pad = |element: &gst::Element, name| {
            element
                .static_pad(name)
                .ok_or_else(|| failed("an element lacks a pad"))
        };
        let mut before = input.clone();
        for element in &elements {
            before
                .link(&pad(element, "sink")?)
                .map_err(|error| failed(&error.to_string()))?;
            before = pad(element, "src")?;
        }
        before
            .link(&output)
            .map_err(|error| failed(&error.to_string()))?;
        let chain = Chain {
            name,
            input,
            output,
            elements,
            given,
            position: gst::ClockTime::ZERO,
        };
        chain.start(from)?;
        Ok(chain)
    }

    fn start(&self, from: &gst::Caps) -> Result<(), CodecError> {
        let failed = |what: &str| CodecError::Chain(self.name, what.to_owned());
        self.output
            .set_active(true)
            .map_err(|error| failed(&error.to_string()))?;
        for element in self.elements.iter().rev() {
            element
                .set_state(gst::State::Playing)
                .map_err(|_| failed("an element does not start"))?;
        }
        self.input
            .set_active(true)
            .map_err(|error| failed(&error.to_string()))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let greeting = [
            gst::event::StreamStart::new(self.name),
            gst::event::Caps::new(from),
            gst::event::Segment::new(&segment),
        ];
        if greeting
            .into_iter()
            .all(|event| self.input.push_event(event))
        {
            Ok(())
        } else {
            Err(failed("an element refuses the format"))
        }
    }

    /// Pushes bytes that last `duration`, and hands what comes of them to `take`, piece by piece.
    pub fn push(&mut self, bytes: &[u8], duration: gst::ClockTime, mut take: impl FnMut(&[u8])) {
        let Ok(mut buffer) = gst::Buffer::with_size(bytes.len()) else {
            return;
        };
        if let Some(buffer) = buffer.get_mut() {
            // The buffer was made for these bytes.
            let _ = buffer.copy_from_slice(0, bytes);
            buffer.set_pts(self.position);
            buffer.set_duration(duration);
        }
        self.position += duration;
        if let Err(error) = self.input.push(buffer) {
            tracing::debug!(chain = self.name, %error, "a chain of elements failed");
        }
        self.take(&mut take);
    }

    /// Says that `duration` is missing.
    pub fn gap(&mut self, duration: gst::ClockTime, mut take: impl FnMut(&[u8])) {
        let gap = gst::event::Gap::builder(self.position)
            .duration(duration)
            .build();
        self.position += duration;
        self.input.push_event(gap);
        self.take(&mut take);
    }

    fn take(&self, take: &mut impl FnMut(&[u8])) {
        loop {
            let next = self
                .given
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some(buffer) = next else { return };
            if let Ok(map) = buffer.map_readable() {
                take(&map);
            }
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        for element in &self.elements {
            // Going down to NULL does not fail for elements without devices.
            let _ = element.set_state(gst::State::Null);
        }
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

/// The caps of signed 16-bit mono at a rate.
pub fn raw_caps(rate_hz: u32) -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", rate_hz as i32)
        .field("channels", 1)
        .build()
}

/// How long so many samples last.
pub fn duration(samples: usize, rate_hz: u32) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(samples as u64 * 1_000_000_000 / u64::from(rate_hz.max(1)))
}

/// Appends little-endian bytes as samples.
pub fn append_samples(bytes: &[u8], pcm: &mut Vec<i16>) {
    pcm.extend(
        bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair)),
    );
}

/// Replaces `bytes` by samples in little-endian.
pub fn write_samples(pcm: &[i16], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// From one rate to another, by `audioresample`.
pub struct Resampler {
    chain: Chain,
    from_hz: u32,
    to_hz: u32,
    bytes: Vec<u8>,
}

impl Resampler {
    /// A resampler of mono.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Resampler, CodecError> {
        Ok(Resampler {
            chain: Chain::new(
                "resampling",
                &["audioresample"],
                &raw_caps(from_hz),
                &raw_caps(to_hz),
            )?,
            from_hz,
            to_hz,
            bytes: Vec::new(),
        })
    }

    /// The rate it takes.
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// The rate it gives.
    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// Appends `pcm` at the other rate to `resampled`. Its filter holds a few samples back.
    pub fn push(&mut self, pcm: &[i16], resampled: &mut Vec<i16>) {
        write_samples(pcm, &mut self.bytes);
        self.chain
            .push(&self.bytes, duration(pcm.len(), self.from_hz), |bytes| {
                append_samples(bytes, resampled);
            });
    }
}
