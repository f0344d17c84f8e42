# SPDX-License-Identifier: MPL-2.0
"""PESQ (ITU-T P.862) of pairs of WAV files: one pair a line in ("nb" or "wb", reference, what was heard,
separated by tabs), one MOS-LQO a line out."""
import sys
import wave

import numpy
import pesq


def samples(path):
    with wave.open(path) as file:
        return file.getframerate(), numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16)


for line in sys.stdin:
    band, reference, heard = line.rstrip("\n").split("\t")
    try:
        (rate, said), (_, came) = samples(reference), samples(heard)
        print(f"{pesq.pesq(rate, said, came, band):.4f}", flush=True)
    # Of silence it says that there is no utterance in it.
    except Exception as error:  # noqa: BLE001
        print(f"! {error}", flush=True)
