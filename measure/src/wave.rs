// SPDX-License-Identifier: MPL-2.0
//! Mono 16-bit audio in memory, and its WAV file.

use super::level::{dbfs, power};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Mono audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    pub rate_hz: u32,
    pub samples: Vec<i16>,
}

#[derive(Debug, thiserror::Error)]
pub enum WaveError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: hound::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: hound::Error },
    #[error("cannot read the bundled speech: {0}")]
    Bundled(hound::Error),
    #[error("{path} holds {bits}-bit samples; 16-bit PCM is expected")]
    Format { path: PathBuf, bits: u16 },
}

impl Wave {
    pub fn silence(rate_hz: u32, length: Duration) -> Wave {
        let samples = (length.as_secs_f64() * f64::from(rate_hz)).round() as usize;
        Wave {
            rate_hz,
            samples: vec![0; samples],
        }
    }

    pub fn read(path: impl AsRef<Path>) -> Result<Wave, WaveError> {
        let path = path.as_ref();
        let failed = |source| WaveError::Read {
            path: path.into(),
            source,
        };
        let reader = hound::WavReader::open(path).map_err(failed)?;
        let spec = reader.spec();
        if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
            return Err(WaveError::Format {
                path: path.into(),
                bits: spec.bits_per_sample,
            });
        }
        Wave::collect(reader).map_err(failed)
    }

    /// Reads a WAV file held in memory, such as the bundled speech.
    pub fn from_wav(bytes: &[u8]) -> Result<Wave, WaveError> {
        hound::WavReader::new(bytes)
            .and_then(Wave::collect)
            .map_err(WaveError::Bundled)
    }

    /// Several channels become one by their mean.
    ///
    /// A recorder that was killed leaves the length in the file's header wrong. What can be read is returned: a
    /// measurement then fails on the sound that is missing, and says so.
    fn collect<R: std::io::Read>(mut reader: hound::WavReader<R>) -> Result<Wave, hound::Error> {
        let spec = reader.spec();
        let channels = usize::from(spec.channels.max(1));
        let mut interleaved = Vec::with_capacity(reader.len() as usize);
        interleaved.extend(reader.samples::<i16>().map_while(Result::ok));
        let samples = interleaved
            .chunks_exact(channels)
            .map(|frame| {
                (frame.iter().map(|s| i32::from(*s)).sum::<i32>() / channels as i32) as i16
            })
            .collect();
        Ok(Wave {
            rate_hz: spec.sample_rate,
            samples,
        })
    }

    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), WaveError> {
        write_channels(path.as_ref(), self.rate_hz, &[&self.samples])
    }

    /// Writes `left` and `right` as one stereo file at the higher rate of the two, the shorter one
    /// filled with silence.
    pub fn write_stereo(
        left: &Wave,
        right: &Wave,
        path: impl AsRef<Path>,
    ) -> Result<(), WaveError> {
        let rate_hz = left.rate_hz.max(right.rate_hz);
        let (left, right) = (left.resampled(rate_hz), right.resampled(rate_hz));
        write_channels(path.as_ref(), rate_hz, &[&left.samples, &right.samples])
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate_hz.max(1)))
    }

    /// The sample that sounds `at` after the beginning.
    fn index(&self, at: Duration) -> usize {
        let index = (at.as_secs_f64() * f64::from(self.rate_hz)).round() as usize;
        index.min(self.samples.len())
    }

    pub fn slice(&self, from: Duration, to: Duration) -> Wave {
        let (from, to) = (self.index(from), self.index(to));
        Wave {
            rate_hz: self.rate_hz,
            samples: self.samples.get(from..to).unwrap_or_default().to_vec(),
        }
    }

    /// Appends `next`, brought to this wave's rate.
    pub fn push(&mut self, next: &Wave) {
        self.samples
            .extend_from_slice(&next.resampled(self.rate_hz).samples);
    }

    pub fn resampled(&self, rate_hz: u32) -> Wave {
        if rate_hz == self.rate_hz {
            return self.clone();
        }
        let samples = super::band::resample(&self.samples, self.rate_hz, rate_hz);
        Wave { rate_hz, samples }
    }

    /// The root mean square of all of it, in dBFS; [`FLOOR_DBFS`](super::FLOOR_DBFS) where there is no signal.
    pub fn level_dbfs(&self) -> f32 {
        let samples: Vec<f32> = self
            .samples
            .iter()
            .map(|s| f32::from(*s) / 32_768.0)
            .collect();
        dbfs(power(&samples))
    }

    /// `db` louder; what exceeds full scale is clipped.
    pub fn amplified(&self, db: f32) -> Wave {
        let factor = 10f32.powf(db / 20.0);
        let samples = self
            .samples
            .iter()
            .map(|s| (f32::from(*s) * factor).round() as i16)
            .collect();
        Wave {
            rate_hz: self.rate_hz,
            samples,
        }
    }
}

fn write_channels(path: &Path, rate_hz: u32, channels: &[&[i16]]) -> Result<(), WaveError> {
    let failed = |source| WaveError::Write {
        path: path.into(),
        source,
    };
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(failed)?;
    let frames = channels.iter().map(|c| c.len()).max().unwrap_or(0);
    for frame in 0..frames {
        for channel in channels {
            writer
                .write_sample(channel.get(frame).copied().unwrap_or(0))
                .map_err(failed)?;
        }
    }
    writer.finalize().map_err(failed)
}
