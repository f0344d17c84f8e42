#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Runs `cargo build --release` for meson and puts what it made where meson expects it."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ARTEFACTS = ["libgstsipbridge.so", "sip-worker"]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cargo", required=True)
parser.add_argument("--source", type=Path, required=True)
parser.add_argument("--target-dir", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True)
options = parser.parse_args()

build = [
    options.cargo, "build", "--release", "--locked",
    "--manifest-path", options.source / "Cargo.toml",
    "--target-dir", options.target_dir,
    "-p", "gst-plugin-sipbridge", "-p", "sip-worker",
]
code = subprocess.run(build).returncode
if code:
    sys.exit(code)
for name in ARTEFACTS:
    shutil.copy2(options.target_dir / "release" / name, options.output / name)
