// SPDX-License-Identifier: MPL-2.0
//! An application in C has the plugin in itself: compiled by what pkg-config says, run where no
//! plugin of ours can be found.

use anyhow::{Result, ensure};
use sipbridge_tests::installed::{Tree, succeeds, without_build_tree};
use std::process::Command;

/// As docs/operating.md shows it.
const APPLICATION: &str = r#"#include <gst/gst.h>

GST_PLUGIN_STATIC_DECLARE(sipbridge);

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  GST_PLUGIN_STATIC_REGISTER(sipbridge);
  GError *error = NULL;
  GstElement *call = gst_parse_launch("sipbin mode=listener ! queue ! fakesink", &error);
  g_print("%s\n", call ? "it has telephone calls" : error->message);
  return call == NULL;
}
"#;

#[test]
fn static_registration_in_c() -> Result<()> {
    let tree = Tree::install("static", &["-Ddefault_library=static"])?;
    ensure!(tree.plugins().is_err(), "a shared plugin was installed too");
    let pkg_config = succeeds(Command::new("find").arg(tree.prefix()).args([
        "-name",
        "gstsipbridge.pc",
        "-printf",
        "%h",
    ]))?;
    let flags = succeeds(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "gstsipbridge"])
            .env("PKG_CONFIG_PATH", pkg_config),
    )?;

    let source = tree.path().join("application.c");
    let program = tree.path().join("application");
    std::fs::write(&source, APPLICATION)?;
    succeeds(
        Command::new("cc")
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .args(flags.split_whitespace()),
    )?;
    let said = succeeds(
        without_build_tree(&program)?
            .env_remove("GST_PLUGIN_PATH")
            .env("GST_REGISTRY", tree.path().join("registry.bin")),
    )?;
    ensure!(said.contains("it has telephone calls"), "{said}");
    Ok(())
}
