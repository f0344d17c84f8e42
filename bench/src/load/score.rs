// SPDX-License-Identifier: MPL-2.0
//! How good speech sounds: PESQ (ITU-T P.862), by the Python package `pesq`, which `./dev bench` installs
//! for itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sipbridge_measure::Wave;

use crate::process::Process;

/// Where the Python is that has the package.
const PYTHON: &str = "SIPBRIDGE_BENCH_PYTHON";

const SCORE: &str = include_str!("../score.py");

/// What the telephone's band is compared by, or twice that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// P.862 with the mapping of P.862.1: at 8 or 16 kHz.
    Narrow,
    /// P.862.2: at 16 kHz.
    Wide,
}

/// Compares recordings, which stay in its folder to be listened to.
pub struct Score {
    python: Process,
    folder: PathBuf,
}

impl Score {
    /// Starts on this core; recordings go to `folder`.
    pub fn start(folder: &Path, core: usize) -> Result<Score> {
        let python = std::env::var_os(PYTHON).with_context(|| {
            format!("{PYTHON} does not name a Python that has the package pesq: start this by ./dev bench")
        })?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let mut command = Command::new(python);
        command.args(["-c", SCORE]);
        let log = folder.join("pesq.log");
        Ok(Score {
            python: Process::start("PESQ", command, core, &log, true)?,
            folder: folder.to_owned(),
        })
    }

    /// The MOS-LQO of `heard`; none where there is too little in it to be compared.
    pub fn of(&mut self, band: Band, said: &Wave, heard: &Wave, name: &str) -> Result<Option<f64>> {
        let write = |wave: &Wave, what: &str| {
            let path = self.folder.join(format!("{name}, {what}.wav"));
            wave.write(&path)?;
            anyhow::Ok(path.display().to_string())
        };
        let (reference, degraded) = (write(said, "said")?, write(heard, "heard")?);
        let band = match band {
            Band::Narrow => "nb",
            Band::Wide => "wb",
        };
        let answer = self
            .python
            .ask(&format!("{band}\t{reference}\t{degraded}"))?;
        match answer.parse() {
            Ok(mos) => Ok(Some(mos)),
            Err(_) if answer.contains("No utterances") || answer.contains("1/4 of a second") => {
                Ok(None)
            }
            Err(_) => bail!("PESQ of {name}: {answer}"),
        }
    }
}
