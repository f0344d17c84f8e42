// SPDX-License-Identifier: MPL-2.0
//! The phone's way into the room: a webrtcbin that can be taken away and replaced while the phone
//! talks on.
//!
//! Whatever pushes into an element that stops is told so, and stops too. So the way is barred first,
//! and what is on its way waited for. What is barred is dropped: nobody wants to hear it later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

/// A push takes microseconds; one that takes longer than this hangs.
const IDLE_WITHIN: Duration = Duration::from_secs(2);

/// What feeds a connection, and a bar across it.
pub(super) struct Uplink {
    feeds: Vec<gst::Pad>,
    home: gst::Bin,
    barred: Arc<AtomicBool>,
}

impl Uplink {
    /// Takes hold of what is linked to `connection` now.
    pub(super) fn to(connection: &gst::Element) -> Option<Uplink> {
        let home = connection.parent().and_downcast::<gst::Bin>()?;
        let feeds: Vec<_> = connection
            .sink_pads()
            .iter()
            .filter_map(|pad| pad.peer())
            .collect();
        let barred = Arc::new(AtomicBool::new(false));
        for feed in &feeds {
            let barred = barred.clone();
            let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
            feed.add_probe(media, move |_, _| match barred.load(Ordering::Acquire) {
                true => gst::PadProbeReturn::Handled,
                false => gst::PadProbeReturn::Ok,
            });
        }
        Some(Uplink {
            feeds,
            home,
            barred,
        })
    }

    /// The RTP source that the phone's speech has, once there is any.
    pub(super) fn ssrc(&self) -> Option<u32> {
        let caps = self.feeds.first()?.current_caps()?;
        caps.structure(0)?.get("ssrc").ok()
    }

    /// Bars the way and takes `connection` out of the pipeline, stopped.
    pub(super) fn cut(&self, connection: &gst::Element) -> Result<(), String> {
        if connection.parent().is_none() {
            return Ok(());
        }
        self.barred.store(true, Ordering::Release);
        for feed in &self.feeds {
            becomes_idle(feed)?;
            if let Some(pad) = feed.peer() {
                feed.unlink(&pad).map_err(|error| error.to_string())?;
            }
        }
        connection.set_locked_state(true);
        if connection.set_state(gst::State::Null).is_err() {
            tracing::warn!("a connection to the SFU did not stop");
        }
        self.home
            .remove(connection)
            .map_err(|error| error.to_string())
    }

    /// Puts an element like `former` in its place: `spare`, where there is one. It stands still, and the way
    /// to it is barred.
    pub(super) fn renew(
        &self,
        former: &gst::Element,
        spare: Option<gst::Element>,
    ) -> Result<gst::Element, String> {
        self.cut(former)?;
        let fresh = match spare {
            Some(spare) => spare,
            None => alike(former)?,
        };
        self.home.add(&fresh).map_err(|error| error.to_string())?;
        for _ in self.feeds.iter().skip(fresh.sink_pads().len()) {
            fresh
                .request_pad_simple("sink_%u")
                .ok_or("it gives no pad to feed it by")?;
        }
        Ok(fresh)
    }

    /// Starts what [`Uplink::renew`] made, and lets the phone through to it.
    pub(super) fn open(&self, connection: &gst::Element) -> Result<(), String> {
        connection
            .sync_state_with_parent()
            .map_err(|error| error.to_string())?;
        // Not before: what stands still takes no events either, and would stop whoever has one.
        for (feed, pad) in self.feeds.iter().zip(connection.sink_pads()) {
            feed.link(&pad).map_err(|error| error.to_string())?;
        }
        self.barred.store(false, Ordering::Release);
        Ok(())
    }
}

/// Waits until no thread is inside a push through `pad`.
fn becomes_idle(pad: &gst::Pad) -> Result<(), String> {
    let (sender, idle) = mpsc::channel();
    let probe = pad.add_probe(gst::PadProbeType::IDLE, move |_, _| {
        // Whoever waited may have given up.
        let _ = sender.send(());
        gst::PadProbeReturn::Remove
    });
    if idle.recv_timeout(IDLE_WITHIN).is_ok() {
        return Ok(());
    }
    if let Some(probe) = probe {
        pad.remove_probe(probe);
    }
    Err(format!(
        "the connection to the SFU takes nothing for {IDLE_WITHIN:?} and hangs"
    ))
}

/// An element of the same kind and name, set up as a graph's author set up the first.
fn alike(model: &gst::Element) -> Result<gst::Element, String> {
    let factory = model.factory().ok_or("it has no factory")?;
    let fresh = factory
        .create()
        .name(model.name())
        .build()
        .map_err(|error| error.to_string())?;
    for property in model.list_properties() {
        let both = glib::ParamFlags::READWRITE;
        let fixed = glib::ParamFlags::CONSTRUCT_ONLY;
        if !property.flags().contains(both) || property.flags().intersects(fixed) {
            continue;
        }
        let value = model.property_value(property.name());
        let plain = !property.value_type().is_a(glib::Type::OBJECT);
        // No server is not a server without a name.
        let stated = !matches!(value.get::<Option<String>>(), Ok(None));
        if plain && stated {
            fresh.set_property_from_value(property.name(), &value);
        }
    }
    Ok(fresh)
}
