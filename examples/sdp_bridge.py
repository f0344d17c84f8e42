#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Bridges two phones by their session descriptions: prints what each of them is to be told, each followed
by an empty line, and runs until a line comes in.

    apt install python3-gi gir1.2-gstreamer-1.0
    sdp_bridge.py rtp_to_srtp offer-of-alice.sdp answer-of-bob.sdp
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst


class Refused(Exception):
    """A description that does not cross. The sentence says why."""


def pass_on(bridge, signal, path):
    """A description in, a description out."""
    with open(path, encoding="utf-8", newline="") as file:
        description = file.read()
    fields = Gst.Structure.new_empty("fields")
    fields.set_value("sdp", description)
    promise = Gst.Promise.new()
    bridge.emit(signal, fields, promise)
    promise.wait()
    reply = promise.get_reply()
    if reply.has_field("error"):
        # `code` is the SIP status that whoever offered can be told.
        raise Refused(reply.get_value("error").message)
    return reply.get_value("sdp")


def main(profile, offer, answer):
    Gst.init(None)
    bridge = Gst.ElementFactory.make("sdpbridgebin")
    if not bridge:
        return "there is no plugin sipbridge in GST_PLUGIN_PATH"
    bridge.props.profile = profile
    if bridge.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
        return f"there is no profile {profile}"
    failure = None
    try:
        print(pass_on(bridge, "pass-offer", offer), flush=True)
        print(pass_on(bridge, "pass-answer", answer), flush=True)
        sys.stdin.readline()
        print(bridge.props.stats.to_string(), flush=True)
    except Refused as refused:
        failure = str(refused)
    bridge.set_state(Gst.State.NULL)
    return failure


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
