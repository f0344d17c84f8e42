// SPDX-License-Identifier: MPL-2.0
//! What meson installs, in a folder of its own, and a look at it without the tree it was built in.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Hides the target folder and the sources, then becomes what comes after them.
const HIDE: &str =
    r#"mount -t tmpfs tmpfs "$1" && mount -t tmpfs tmpfs "$2" && shift 2 && exec "$@""#;

/// The repository.
pub fn sources() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?)
}

/// The folder that cargo built this test in. Installing uses what lies there already.
pub fn target() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3);
    Ok(target
        .context("the test runs outside a target folder")?
        .to_owned())
}

/// Runs a command to its end, which must be a success, and returns what it printed.
pub fn succeeds(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    ensure!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    Ok(stdout.into_owned())
}

/// A temporary folder outside the repository.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Result<Folder> {
        let folder = std::env::temp_dir().join(format!("sipbridge-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Folder(folder.canonicalize()?))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A tree that `meson install` made; gone when dropped.
pub struct Tree {
    folder: Folder,
}

impl Tree {
    /// Installs, with more options for `meson setup`, then removes meson's build folder.
    pub fn install(name: &str, options: &[&str]) -> Result<Tree> {
        let folder = Folder::new(name)?;
        let tree = Tree { folder };
        let build = tree.path().join("build");
        succeeds(
            meson("setup")
                .arg(&build)
                .arg(sources()?)
                .arg("--prefix")
                .arg(tree.prefix())
                .arg("-Dbuildtype=debug")
                .args(options),
        )?;
        succeeds(meson("install").arg("-C").arg(&build))?;
        succeeds(
            meson("install")
                .arg("-C")
                .arg(&build)
                .arg("--no-rebuild")
                .env("DESTDIR", tree.staged()),
        )?;
        std::fs::remove_dir_all(build)?;
        Ok(tree)
    }

    /// All of it, and room for more.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where it was configured to be, and is.
    pub fn prefix(&self) -> PathBuf {
        self.path().join("prefix")
    }

    /// The DESTDIR of a second installation of the same build.
    pub fn staged(&self) -> PathBuf {
        self.path().join("staged")
    }

    /// The folder of the plugin.
    pub fn plugins(&self) -> Result<PathBuf> {
        let file = files(&self.prefix())?
            .into_iter()
            .find(|file| file.ends_with("libgstsipbridge.so"))
            .context("no plugin was installed")?;
        let folder = self.prefix().join(file);
        Ok(folder
            .parent()
            .context("the plugin has no folder")?
            .to_owned())
    }

    /// A command for which neither the sources nor what cargo built are there. GStreamer finds the
    /// installed plugin, and nothing that it knew before.
    pub fn hidden(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = without_build_tree(program)?;
        command
            .env("GST_PLUGIN_PATH", self.plugins()?)
            .env("GST_REGISTRY", self.path().join("registry.bin"))
            .current_dir(self.path());
        Ok(command)
    }
}

/// A command for which neither the sources nor what cargo built are there.
pub fn without_build_tree(program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            HIDE,
            "sh",
        ])
        .arg(target()?)
        .arg(sources()?)
        .arg(program)
        .current_dir("/");
    Ok(command)
}

/// Every file below `folder`, as paths from there.
pub fn files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in
            std::fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                found.insert(path.strip_prefix(folder)?.display().to_string());
            }
        }
    }
    Ok(found)
}

fn meson(what: &str) -> Command {
    let mut command = Command::new("meson");
    command.arg(what);
    builds(&mut command);
    command
}

/// For a command that calls cargo in its turn: it builds where this test was built, and without what
/// cargo tells a test about itself. Build scripts look at that, and would compile half the tree again.
pub fn builds(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            command.env_remove(name.as_ref());
        }
    }
    if let Ok(target) = target() {
        command.env("CARGO_TARGET_DIR", target);
    }
    command
}
