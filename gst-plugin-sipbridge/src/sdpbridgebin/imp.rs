// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `sdpbridgebin`.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::live::Live;
use super::settings::{self, Settings};
use super::{messages, signals};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sdpbridgebin",
        gst::DebugColorFlags::empty(),
        Some("A bridge between two far ends"),
    )
});

/// What there is while the element is in READY or above.
#[derive(Default)]
pub(super) struct State {
    pub(super) ready: bool,
    pub(super) live: Option<Live>,
    /// Of the bridge that was opened last.
    pub(super) number: u64,
}

#[derive(Default)]
pub struct SdpBridgeBin {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

impl SdpBridgeBin {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never locked on a media thread.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what there is, waiting until its sockets are closed.
    fn stop(&self) {
        let live = {
            let mut state = self.state();
            state.ready = false;
            state.live.take()
        };
        if let Some(live) = live {
            live.close();
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SdpBridgeBin {
    const NAME: &'static str = "GstSdpBridgeBin";
    type Type = super::SdpBridgeBin;
    type ParentType = gst::Element;
}

impl ObjectImpl for SdpBridgeBin {
    fn signals() -> &'static [glib::subclass::Signal] {
        signals::signals()
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = settings::properties();
            properties.push(
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Packets, loss, jitter, round trip, codec and address of both sides; times in milliseconds")
                    .read_only()
                    .build(),
            );
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.settings().set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let set = self.settings().get(pspec.name());
        set.unwrap_or_else(|| messages::stats(self.state().live.as_ref()).to_value())
    }
}

impl GstObjectImpl for SdpBridgeBin {}

impl ElementImpl for SdpBridgeBin {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SDP bridge",
                "Generic/Network/RTP",
                "Joins two far ends by their session descriptions: RTP and SRTP, transcoded where codecs differ",
                "The sipbridge developers",
            )
        });
        Some(&METADATA)
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        gst::trace!(CAT, imp = self, "{transition:?}");
        if transition == gst::StateChange::NullToReady {
            // Better told now than with the first offer.
            let plan = self.settings().plan();
            plan.map_err(|error| {
                gst::element_imp_error!(self, gst::ResourceError::Settings, ("{error}"));
                gst::StateChangeError
            })?;
        }
        let success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::NullToReady => self.state().ready = true,
            gst::StateChange::ReadyToNull => self.stop(),
            _ => {}
        }
        Ok(success)
    }
}

impl Drop for SdpBridgeBin {
    fn drop(&mut self) {
        // An element that nobody set to NULL: without waiting, for this may be any thread.
        self.state().live = None;
    }
}
