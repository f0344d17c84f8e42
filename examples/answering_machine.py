#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Answers a call: plays a greeting and records the caller. Key 1 plays the greeting again, # hangs up.

    apt install python3-gi gir1.2-gstreamer-1.0
    answering_machine.py 5070 greeting.wav message.wav
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst

PIPELINE = """
    sipbin name=call mode=listener auto-answer=true hangup-on-eos=false
    filesrc name=greeting ! wavparse name=player ! audioconvert ! audioresample ! call.
    call. ! queue ! audioconvert ! wavenc ! filesink name=message
"""
KEY_1, KEY_HASH = 1, 11  # dtmf-event: 0 to 9, then * # A B C D


def on_incoming_call(_call, facts):
    """On the agent's thread: decides, and does nothing that takes time."""
    print(facts.get_string("from"), "calls", flush=True)
    return True  # False refuses the call


def on_key(pipeline, key):
    if key == KEY_1:
        player = pipeline.get_by_name("player")
        player.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)
    elif key == KEY_HASH:
        pipeline.get_by_name("call").emit("hangup", 0, None)


def main(port, greeting, message):
    Gst.init(None)
    if not Gst.Plugin.load_by_name("sipbridge"):
        return "there is no plugin sipbridge in GST_PLUGIN_PATH"
    pipeline = Gst.parse_launch(PIPELINE)
    pipeline.get_by_name("greeting").props.location = greeting
    pipeline.get_by_name("message").props.location = message
    pipeline.get_by_name("call").connect("incoming-call", on_incoming_call)

    # The user agent. Several pipelines can be offered the same one: then they share its port.
    agent = GObject.new(GObject.type_from_name("GstSipAgent"), port=port)
    pipeline.set_context(agent.props.context)

    if pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE:
        print("waiting for a call on port", agent.props.local_port, flush=True)
    # else the bus says why

    failure = None
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.ELEMENT
    while True:  # until the call is over, and with it the recording
        event = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, wanted)
        if event.type == Gst.MessageType.ERROR:
            failure = event.parse_error()[0].message
        if event.type != Gst.MessageType.ELEMENT:
            break
        if event.has_name("dtmf-event"):
            on_key(pipeline, event.get_structure().get_value("number"))
    pipeline.set_state(Gst.State.NULL)
    return failure


if __name__ == "__main__":
    if len(sys.argv) != 4 or not sys.argv[1].isdecimal():
        sys.exit("answering_machine.py PORT GREETING.wav MESSAGE.wav")
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
