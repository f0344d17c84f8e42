#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Runs cargo for meson and puts what it made where meson expects it."""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

PLUGIN = "gst-plugin-sipbridge"
LIBRARY = "libgstsipbridge"
# What an archive of Rust needs of the system (rustc --print native-static-libs).
SYSTEM_LIBRARIES = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["--cargo", "--profile", "--prefix", "--libdir", "--pluginsdir"]:
        parser.add_argument(name, required=True)
    for name in ["--source", "--target-dir", "--output"]:
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--cbuild", help="cargo-cbuild, where it is recent enough")
    parser.add_argument("--shared", action="store_true", help="the plugin as GStreamer loads it")
    parser.add_argument("--static", action="store_true", help="the plugin as an archive")
    return parser.parse_args()


def run(command: list) -> None:
    code = subprocess.run([str(part) for part in command]).returncode
    if code:
        sys.exit(code)


def pkg_config(options: argparse.Namespace) -> str:
    """What an application says to pkg-config to have the plugin in itself."""
    manifest = tomllib.loads((options.source / PLUGIN / "Cargo.toml").read_text())
    workspace = tomllib.loads((options.source / "Cargo.toml").read_text())
    package = manifest["package"]
    requires = package["metadata"]["capi"]["pkg_config"]["requires_private"]
    lines = [
        f"prefix={options.prefix}",
        f"libdir={options.libdir}",
        f"pluginsdir={options.pluginsdir}",
        "",
        "Name: gstsipbridge",
        f"Description: {package['description']}",
        f"Version: {workspace['workspace']['package']['version']}",
    ]
    if options.static:
        lines += [
            f"Requires: {requires}",
            f"Libs: ${{pluginsdir}}/{LIBRARY}.a {SYSTEM_LIBRARIES}",
        ]
    else:
        # GStreamer loads a shared plugin itself: nothing is linked with it.
        lines.append("Requires: gstreamer-1.0")
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments()
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR", options.target_dir))
    release = options.profile == "release"
    common = ["--locked", "--manifest-path", options.source / "Cargo.toml"]
    common += ["--target-dir", target_dir] + (["--release"] if release else [])
    built = target_dir / ("release" if release else "debug")
    artefacts = [built / "sip-worker"]

    packages = ["-p", "sip-worker", "-p", PLUGIN]
    run([options.cargo, "build", *common, *packages])
    libraries = built
    if options.cbuild:
        kinds = ["--library-type", "cdylib"] if options.shared else []
        kinds += ["--library-type", "staticlib"] if options.static else []
        run([options.cbuild, "cbuild", *common, "-p", PLUGIN, *kinds])
        host = subprocess.run(["rustc", "--print", "host-tuple"], capture_output=True, text=True, check=True)
        libraries = target_dir / host.stdout.strip() / built.name
    elif options.static:
        run([options.cargo, "rustc", *common, "-p", PLUGIN, "--lib", "--crate-type", "staticlib"])
    if options.shared:
        artefacts.append(libraries / f"{LIBRARY}.so")
    if options.static:
        artefacts.append(libraries / f"{LIBRARY}.a")
    for artefact in artefacts:
        shutil.copy2(artefact, options.output / artefact.name)
    (options.output / "gstsipbridge.pc").write_text(pkg_config(options))


main()
