// SPDX-License-Identifier: MPL-2.0
//! Whoever gives up the last hold on an `rtcbin` is the last one: no thread takes hold of it meanwhile.

use std::sync::Arc;

use gst::prelude::*;

use crate::kit;

#[test]
fn no_thread_holds_one_that_is_given_up() {
    kit::init();
    for round in 0..100 {
        let element = gst::ElementFactory::make("rtcbin").build().unwrap();
        let held = Arc::new(());
        let by_element = held.clone();
        element.connect("on-negotiation-needed", false, move |_| {
            let _ = &by_element;
            None
        });
        element.request_pad_simple("sink_%u").unwrap();
        // With its pad.
        drop(element);
        assert_eq!(Arc::strong_count(&held), 1, "round {round}");
    }
}
