// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sipmixer
 *
 * A conference: everyone hears everyone else, and nobody themselves. Each participant has a pair of
 * pads of the same number: what they say goes into `sink_%u`, which is requested, and what they hear
 * comes out of `minus_%u`, which is there as soon as it is. Who only listens leaves their sink pad
 * unlinked, who only speaks their minus pad.
 *
 * A minus pad gives raw audio, or packets of the codec that what follows asks for: G.711, G.722, L16
 * or Opus. `sipsink` and `sipbin` ask for the codec of their call once it has one. All participants who
 * are silent share one mix and one encoder for each codec, which makes a large room cheap; a listener who
 * begins or stops to speak changes encoders unheard. Opus is encoded at the highest rate that somebody
 * in the room speaks at and somebody else can hear, and `sample-rate` is a limit to that.
 *
 * A sink pad takes raw audio, or RTP as it comes from a network (from `rtcbin`, or from `udpsrc` with caps
 * that name the codec): then the pad has an adaptive jitter buffer, the tick takes from it what is due, and
 * what is lost is concealed. Nothing but the network is to stand before it, least of all another jitter
 * buffer: each would add its delay.
 *
 * The room is mixed every 20 ms on a media thread that calls and other rooms share (`context`). Where
 * what follows a minus pad could make that thread wait, a leaky queue and a thread of the pad stand
 * between.
 *
 * A `dtmf-event` that comes in, a key that a participant pressed, goes to nobody else.
 *
 * ## Examples
 *
 * Call three phones and let them talk; it ends when the last of them has hung up:
 *
 * ```sh
 * gst-launch-1.0 sipmixer name=m sipsrc call=a uri=sip:alice@127.0.0.1:5080 ! m.sink_0 m.minus_0 ! sipsink call=a sipsrc call=b uri=sip:bob@127.0.0.1:5070 ! m.sink_1 m.minus_1 ! sipsink call=b sipsrc call=c uri=sip:carol@127.0.0.1:5090 ! m.sink_2 m.minus_2 ! sipsink call=c
 * ```
 *
 * A `sipbin` can be linked both ways as well; GStreamer then warns of a loop in the pipeline, which is
 * meant to be there and does no harm.
 *
 * Let two phones talk, with a beep every second that both of them hear:
 *
 * ```sh
 * gst-launch-1.0 sipmixer name=m sipsrc call=a uri=sip:alice@127.0.0.1:5080 ! m.sink_0 m.minus_0 ! sipsink call=a sipsrc call=b uri=sip:bob@127.0.0.1:5070 ! m.sink_1 m.minus_1 ! sipsink call=b audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 ! m.sink_2
 * ```
 *
 * When the set of those who speak changes, the element posts `sip-speakers`. A sink pad's properties
 * `speaking` and `level` tell the same at any time. Where a sender tells their level (RFC 6464), it counts
 * instead of what is measured: in the headers of RTP whose caps name that extension (`extmap-N`, as those of
 * `rtcbin` do), and with raw audio as GstAudioLevelMeta, which depayloaders make of it.
 */
mod beat;
mod imp;
mod intake;
mod levels;
mod output;
mod packets;
mod pads;
mod participant;
mod settings;
mod task;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::context::Context;
use crate::line::caps;

pub(crate) use beat::Place;
pub use participant::SipMixerPad;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipmixer",
        gst::DebugColorFlags::empty(),
        Some("Mix-minus of many participants"),
    )
});

/// The period in which a room is mixed.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// What goes in.
static SINK_CAPS: LazyLock<gst::Caps> = LazyLock::new(|| {
    of_template(|s| match s.name().as_str() {
        "audio/x-raw" => s.get("format") == Ok("S16LE"),
        name => name == "application/x-rtp",
    })
});

/// What comes out: raw first, so that who does not care gets what everything understands.
static MINUS_CAPS: LazyLock<gst::Caps> =
    LazyLock::new(|| of_template(|s| s.name() != "application/x-rtp"));

fn of_template(wanted: impl Fn(&gst::StructureRef) -> bool) -> gst::Caps {
    let all = caps::TEMPLATE.iter().filter(|structure| wanted(structure));
    all.fold(gst::Caps::builder_full(), |caps, structure| {
        caps.structure(structure.to_owned())
    })
    .build()
}

glib::wrapper! {
    /// The `sipmixer` element.
    pub struct SipMixer(ObjectSubclass<imp::SipMixer>) @extends gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

impl SipMixer {
    /// The media thread that the room is mixed on, once there is one.
    pub fn context(&self) -> Option<Context> {
        self.imp().state().context.clone()
    }

    /// Has it mixed on another media thread from the next tick on; nothing that is on its way is lost.
    pub fn move_to(&self, context: &Context) {
        self.imp().move_to(context);
    }

    /// The share of its media thread's time that mixing took of late, 0 to 1.
    pub fn load(&self) -> f64 {
        self.imp().shared.figures().load
    }
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "doc")]
    SipMixerPad::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "sipmixer",
        gst::Rank::NONE,
        SipMixer::static_type(),
    )
}
