// SPDX-License-Identifier: MPL-2.0
//! Where the files of an installed worker are.
//!
//! They are looked for from the program's own place, so that a tree that was installed elsewhere
//! than it was configured for (a container's layer, a folder of one's own) works as it is.

use std::path::{Path, PathBuf};

/// What the configuration is called.
const CONFIG: &str = "sip-worker.toml";

/// The folder under which `bin/` holds this program; `None` in a build tree.
fn prefix() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(of_program(&program)?.to_owned())
}

fn of_program(program: &Path) -> Option<&Path> {
    let folder = program.parent()?;
    folder
        .ends_with("bin")
        .then(|| folder.parent())
        .flatten()
        .filter(|prefix| prefix.is_absolute())
}

/// The folder of media graphs, where there is one.
pub fn pipelines() -> Option<PathBuf> {
    let folder = prefix()?.join("share/sipbridge/pipelines");
    folder.is_dir().then_some(folder)
}

/// The configuration to use where none is named: that of the current folder, else the installed one.
pub fn config() -> PathBuf {
    let here = PathBuf::from(CONFIG);
    let beside = prefix().map(|prefix| prefix.join("etc/sipbridge").join(CONFIG));
    let system = Path::new("/etc/sipbridge").join(CONFIG);
    [Some(here.clone()), beside, Some(system)]
        .into_iter()
        .flatten()
        .find(|file| file.is_file())
        .unwrap_or(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_a_bin_folder_is_installed() {
        for (program, prefix) in [
            ("/usr/bin/sip-worker", Some("/usr")),
            ("/opt/sipbridge/bin/sip-worker", Some("/opt/sipbridge")),
            ("/home/a/sipbridge/target/debug/sip-worker", None),
            ("sip-worker", None),
        ] {
            assert_eq!(
                of_program(Path::new(program)),
                prefix.map(Path::new),
                "{program}"
            );
        }
    }
}
