// SPDX-License-Identifier: MPL-2.0
//
// Answers a call: plays a greeting and records the caller. Key 1 plays the greeting again, # hangs up.
//
//   cc -o answering_machine answering_machine.c $(pkg-config --cflags --libs gstreamer-1.0)
//   ./answering_machine 5070 greeting.wav message.wav

#include <gst/gst.h>
#include <stdlib.h>

static const char PIPELINE[] =
    "sipbin name=call mode=listener auto-answer=true hangup-on-eos=false "
    "filesrc name=greeting ! wavparse name=player ! audioconvert ! audioresample ! call. "
    "call. ! queue ! audioconvert ! wavenc ! filesink name=message";

enum { KEY_1 = 1, KEY_HASH = 11 }; // dtmf-event: 0 to 9, then * # A B C D

// On the agent's thread: decides, and does nothing that takes time.
static gboolean on_incoming_call(GstElement *call, GstStructure *facts, gpointer data) {
  (void)call, (void)data;
  g_print("%s calls\n", gst_structure_get_string(facts, "from"));
  return TRUE; // FALSE refuses the call
}

static void on_key(GstElement *pipeline, int key) {
  if (key == KEY_1) {
    GstElement *player = gst_bin_get_by_name(GST_BIN(pipeline), "player");
    gst_element_seek_simple(player, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0);
    gst_object_unref(player);
  } else if (key == KEY_HASH) {
    GstElement *call = gst_bin_get_by_name(GST_BIN(pipeline), "call");
    gboolean done;
    g_signal_emit_by_name(call, "hangup", 0u, NULL, &done);
    gst_object_unref(call);
  }
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 4 || !gst_plugin_load_by_name("sipbridge")) {
    g_printerr("answering_machine PORT GREETING.wav MESSAGE.wav, with sipbridge in GST_PLUGIN_PATH\n");
    return EXIT_FAILURE;
  }
  GstElement *pipeline = gst_parse_launch(PIPELINE, NULL);
  gst_child_proxy_set(GST_CHILD_PROXY(pipeline), "greeting::location", argv[2], "message::location",
                      argv[3], NULL);
  GstElement *call = gst_bin_get_by_name(GST_BIN(pipeline), "call");
  g_signal_connect(call, "incoming-call", G_CALLBACK(on_incoming_call), NULL);

  // The user agent. Several pipelines can be offered the same one: then they share its port.
  GObject *agent = g_object_new(g_type_from_name("GstSipAgent"), "port", atoi(argv[1]), NULL);
  GstContext *context;
  g_object_get(agent, "context", &context, NULL);
  gst_element_set_context(pipeline, context);

  if (gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) {
    guint port;
    g_object_get(agent, "local-port", &port, NULL);
    g_print("waiting for a call on port %u\n", port);
  } // else the bus says why

  GstBus *bus = gst_element_get_bus(pipeline);
  gboolean over = FALSE, failed = FALSE;
  while (!over) { // until the call is over, and with it the recording
    GstMessage *message = gst_bus_timed_pop_filtered(
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
    int key;
    if (gst_message_has_name(message, "dtmf-event") &&
        gst_structure_get_int(gst_message_get_structure(message), "number", &key)) {
      on_key(pipeline, key);
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError *error;
      gst_message_parse_error(message, &error, NULL);
      g_printerr("%s\n", error->message);
      g_error_free(error);
      failed = TRUE;
    }
    over = failed || GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
    gst_message_unref(message);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_context_unref(context);
  g_object_unref(agent);
  gst_object_unref(call);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
