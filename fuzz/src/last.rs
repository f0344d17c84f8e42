// SPDX-License-Identifier: MPL-2.0
//! The input that is being tried, in a file: all that is left of one that ends the process, by a stack
//! that overflows or in a library.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

pub(crate) struct Last {
    file: File,
    path: PathBuf,
}

impl Last {
    pub(crate) fn begin(folder: &Path) -> io::Result<Last> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("trying-{}", std::process::id()));
        let file = File::create(&path)?;
        eprintln!("an input that ends the process is {}", path.display());
        Ok(Last { file, path })
    }

    pub(crate) fn is(&self, input: &[u8]) {
        let written = self.file.write_all_at(input, 0);
        let length = u64::try_from(input.len()).unwrap_or(u64::MAX);
        if let Err(error) = written.and_then(|()| self.file.set_len(length)) {
            eprintln!("{}: {error}", self.path.display());
        }
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        // Nothing ended the process: what was found is kept elsewhere.
        let _ = std::fs::remove_file(&self.path);
    }
}
