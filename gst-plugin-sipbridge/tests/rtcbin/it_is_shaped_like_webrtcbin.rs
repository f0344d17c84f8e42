// SPDX-License-Identifier: MPL-2.0
//! What an application may use of both has the same names and types in both.

use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;

use crate::app::{RTCBIN, WEBRTCBIN};
use crate::kit;

const SIGNALS: [&str; 9] = [
    "create-offer",
    "create-answer",
    "set-local-description",
    "set-remote-description",
    "add-ice-candidate",
    "get-stats",
    "add-transceiver",
    "on-ice-candidate",
    "on-negotiation-needed",
];

const PROPERTIES: [&str; 15] = [
    "bundle-policy",
    "ice-transport-policy",
    "stun-server",
    "turn-server",
    "latency",
    "connection-state",
    "ice-connection-state",
    "ice-gathering-state",
    "signaling-state",
    "local-description",
    "remote-description",
    "current-local-description",
    "current-remote-description",
    "pending-local-description",
    "pending-remote-description",
];

#[test]
fn signals_properties_and_pads() {
    kit::init();
    let make = |factory: &str| gst::ElementFactory::make(factory).build().unwrap();
    let (ours, theirs) = (make(RTCBIN), make(WEBRTCBIN));
    for name in SIGNALS {
        let query = |element: &gst::Element| {
            let signal = SignalId::lookup(name, element.type_()).unwrap().query();
            let types: Vec<glib::Type> = signal.param_types().iter().map(|t| t.type_()).collect();
            let action = signal.flags().contains(glib::SignalFlags::ACTION);
            (types, signal.return_type().type_(), action)
        };
        assert_eq!(query(&ours), query(&theirs), "{name}");
    }
    for name in PROPERTIES {
        let kind = |element: &gst::Element| element.find_property(name).unwrap().value_type();
        assert_eq!(kind(&ours), kind(&theirs), "{name}");
    }
    for name in ["sink_%u", "src_%u"] {
        let template = |element: &gst::Element| {
            let template = element.pad_template(name).unwrap();
            (
                template.direction(),
                template.presence(),
                template.caps().to_string(),
            )
        };
        assert_eq!(template(&ours), template(&theirs));
    }
}
