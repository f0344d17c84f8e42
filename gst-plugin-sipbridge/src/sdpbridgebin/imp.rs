// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `sdpbridgebin`.

use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::live::Live;
use super::settings::{self, Settings};
use super::taps::{self, TapPad};
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
    /// Data flow.
    pub(super) playing: bool,
    pub(super) live: Option<Live>,
    /// Of the bridge that was opened last.
    pub(super) number: u64,
    /// How many bridges were taken out of here whose sockets are not closed yet.
    closing: usize,
}

impl State {
    /// Takes the bridge out, to be closed without the lock ([`Ending::close`]).
    pub(super) fn end(&mut self, element: &super::SdpBridgeBin) -> Option<Ending> {
        let live = self.live.take()?;
        self.closing += 1;
        Some(Ending {
            live: Some(live),
            element: element.clone(),
        })
    }
}

/// A bridge that ends: the state NULL is not reached before its sockets are closed.
pub(super) struct Ending {
    live: Option<Live>,
    element: super::SdpBridgeBin,
}

impl Ending {
    /// What it counted.
    pub(super) fn stats(&self) -> gst::Structure {
        messages::stats(self.live.as_ref())
    }

    /// Says goodbye to both sides, and returns when ports and descriptors are free.
    pub(super) fn close(mut self) {
        if let Some(live) = self.live.take() {
            live.close();
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let imp = self.element.imp();
        imp.state().closing -= 1;
        imp.closed.notify_all();
    }
}

#[derive(Default)]
pub struct SdpBridgeBin {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Of sides A and B. Locked on media threads, and never while anything else is done.
    taps: Mutex<[Option<Arc<TapPad>>; 2]>,
    /// A bridge that ended is closed.
    closed: Condvar,
}

impl SdpBridgeBin {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never locked on a media thread.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn taps(&self) -> MutexGuard<'_, [Option<Arc<TapPad>>; 2]> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what there is, waiting until its sockets are closed, whoever closes them.
    fn stop(&self) {
        let ending = {
            let mut state = self.state();
            state.ready = false;
            state.end(&self.obj())
        };
        if let Some(ending) = ending {
            ending.close();
        }
        let mut state = self.state();
        while state.closing > 0 {
            state = self
                .closed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
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

    fn pad_templates() -> &'static [gst::PadTemplate] {
        taps::templates()
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        self.add_tap(template)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.remove_tap(pad);
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Eos => self.end_taps(),
            _ => self.parent_send_event(event),
        }
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
        if transition == gst::StateChange::PlayingToPaused {
            self.state().playing = false;
            self.pause_taps();
        }
        let mut success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::NullToReady => self.state().ready = true,
            // What is heard comes when it is said.
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused
                if self.has_taps() =>
            {
                success = gst::StateChangeSuccess::NoPreroll;
            }
            gst::StateChange::PausedToPlaying => {
                self.state().playing = true;
                self.lead_taps();
            }
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::context::{Context, Cx, MAX_WAIT, Task};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Keeps its media thread until whoever has the other end lets go.
    struct Busy(Receiver<()>);

    impl Task for Busy {
        fn start(&mut self, _cx: &mut Cx<'_>) {
            // That it let go is an error, and what is waited for.
            let _ = self.0.recv();
        }
    }

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 8\r\n";

    #[test]
    fn null_waits_for_a_bridge_that_somebody_else_ends() {
        gst::init().unwrap();
        let context = Context::acquire("sdpbridgebin-null", MAX_WAIT).unwrap();
        let side: gst::Structure = "side, address=(string)127.0.0.1".parse().unwrap();
        let element: super::super::SdpBridgeBin = glib::Object::builder()
            .property("side-a", side.to_value())
            .property("side-b", side.to_value())
            .property("context", "sdpbridgebin-null")
            .property("media-ports", "20000-60000")
            .build();
        element.set_state(gst::State::Ready).unwrap();
        let offer = gst::Structure::builder("fields")
            .field("sdp", OFFER)
            .build();
        let promise = gst::Promise::new();
        element.emit_by_name::<()>("pass-offer", &[&offer, &promise]);
        let reply = promise.get_reply().unwrap().to_owned();
        let offered: String = reply.get("sdp").unwrap();
        let mut words = offered.split_once("m=audio ").unwrap().1.split(' ');
        let port: u16 = words.next().unwrap().parse().unwrap();

        let (let_go, wait) = channel();
        let _busy = context.add(Box::new(Busy(wait)));
        let ending = element.imp().state().end(&element).unwrap();
        let closer = thread::spawn(move || ending.close());
        let (tell, told) = channel();
        let other = element.clone();
        let stopper = thread::spawn(move || {
            other.set_state(gst::State::Null).unwrap();
            tell.send(UdpSocket::bind(("127.0.0.1", port))).unwrap();
        });
        let early = told.recv_timeout(Duration::from_millis(200)).err();
        assert_eq!(early, Some(RecvTimeoutError::Timeout));
        drop(let_go);
        told.recv_timeout(PATIENCE).unwrap().unwrap();
        closer.join().unwrap();
        stopper.join().unwrap();
    }
}
