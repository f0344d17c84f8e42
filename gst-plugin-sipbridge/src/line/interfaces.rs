// SPDX-License-Identifier: MPL-2.0
//! The interfaces that every element with a [`Line`](super::Line) has, written down once.

/// `GstURIHandler`: `sip:` and `sips:` URIs are the element's property `uri`.
macro_rules! handles_sip_uris {
    ($element:ty, $kind:ident) => {
        impl URIHandlerImpl for $element {
            const URI_TYPE: gst::URIType = gst::URIType::$kind;

            fn protocols() -> &'static [&'static str] {
                &["sip", "sips"]
            }

            fn uri(&self) -> Option<String> {
                self.line().settings().uri.clone()
            }

            fn set_uri(&self, uri: &str) -> Result<(), glib::Error> {
                self.line().set_uri(self.obj().current_state(), uri)
            }
        }
    };
}

/// `GstChildProxy`: the only child is the element's own user agent, for `agent::PROPERTY` in a launch text.
macro_rules! shows_its_agent {
    ($element:ty) => {
        impl ChildProxyImpl for $element {
            fn child_by_name(&self, name: &str) -> Option<glib::Object> {
                (name == "agent").then(|| self.line().own_agent().upcast())
            }

            fn child_by_index(&self, index: u32) -> Option<glib::Object> {
                (index == 0).then(|| self.line().own_agent().upcast())
            }

            fn children_count(&self) -> u32 {
                1
            }
        }
    };
}

pub(crate) use {handles_sip_uris, shows_its_agent};
