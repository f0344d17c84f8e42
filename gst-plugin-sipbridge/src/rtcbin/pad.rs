// SPDX-License-Identifier: MPL-2.0
//! A sink pad, with what webrtcbin's transceiver says of it.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::WebRTCRTPTransceiverDirection;

use crate::rtc::description::Direction;

glib::wrapper! {
    /// A sink pad of `rtcbin`.
    pub struct SinkPad(ObjectSubclass<imp::SinkPad>) @extends gst::Pad, gst::Object;
}

impl SinkPad {
    /// Which way its track should go.
    pub(super) fn direction(&self) -> Direction {
        direction_of(self.imp().settings().direction)
    }

    /// The identifier of its stream, where one was chosen.
    pub(super) fn msid(&self) -> Option<String> {
        self.imp().settings().msid.clone()
    }
}

/// The same without "none", which says nothing.
pub(super) fn direction_of(direction: WebRTCRTPTransceiverDirection) -> Direction {
    match direction {
        WebRTCRTPTransceiverDirection::Sendonly => Direction::SendOnly,
        WebRTCRTPTransceiverDirection::Recvonly => Direction::RecvOnly,
        WebRTCRTPTransceiverDirection::Inactive => Direction::Inactive,
        _ => Direction::SendRecv,
    }
}

mod imp {
    use super::*;

    pub struct Settings {
        pub direction: WebRTCRTPTransceiverDirection,
        pub msid: Option<String>,
    }

    pub struct SinkPad {
        settings: Mutex<Settings>,
    }

    impl SinkPad {
        pub fn settings(&self) -> MutexGuard<'_, Settings> {
            self.settings.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SinkPad {
        const NAME: &'static str = "GstRtcBinSinkPad";
        type Type = super::SinkPad;
        type ParentType = gst::Pad;

        fn new() -> SinkPad {
            SinkPad {
                settings: Mutex::new(Settings {
                    direction: WebRTCRTPTransceiverDirection::Sendrecv,
                    msid: None,
                }),
            }
        }
    }

    impl ObjectImpl for SinkPad {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                vec![
                    glib::ParamSpecEnum::builder_with_default(
                        "track-direction",
                        WebRTCRTPTransceiverDirection::Sendrecv,
                    )
                    .nick("Direction of the track")
                    .blurb("Which way its track goes from the next description on")
                    .build(),
                    glib::ParamSpecString::builder("msid")
                        .nick("Media stream")
                        .blurb("The identifier of the stream it belongs to; default: one of ours")
                        .build(),
                ]
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
            let mut settings = self.settings();
            match pspec.name() {
                "track-direction" => {
                    if let Ok(direction) = value.get() {
                        settings.direction = direction;
                    }
                }
                _ => {
                    if let Ok(msid) = value.get() {
                        settings.msid = msid;
                    }
                }
            }
        }

        fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            let settings = self.settings();
            match pspec.name() {
                "track-direction" => settings.direction.to_value(),
                _ => settings.msid.to_value(),
            }
        }
    }

    impl GstObjectImpl for SinkPad {}
    impl PadImpl for SinkPad {}
}
