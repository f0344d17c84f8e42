// SPDX-License-Identifier: MPL-2.0
use std::sync::{Arc, LazyLock, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::call;
use crate::line::{self, Line, Mode};
use crate::sipsink::{self, SipSink};
use crate::sipsrc::{self, SipSrc};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipbin",
        gst::DebugColorFlags::empty(),
        Some("A whole call"),
    )
});

#[derive(Default)]
pub struct SipBin {
    children: OnceLock<(SipSrc, SipSink)>,
}

impl SipBin {
    fn children(&self) -> &(SipSrc, SipSink) {
        self.children
            .get_or_init(|| (glib::Object::new(), glib::Object::new()))
    }

    /// The source owns the call; the sink joins it.
    fn line(&self) -> &Arc<Line> {
        self.children().0.imp().line()
    }

    fn build(&self) -> Result<(), glib::BoolError> {
        let obj = self.obj();
        let (src, sink) = self.children();
        obj.add_many([src.upcast_ref::<gst::Element>(), sink.upcast_ref()])?;
        for (name, child) in [
            ("src", src.upcast_ref::<gst::Element>()),
            ("sink", sink.upcast_ref()),
        ] {
            let inner = child
                .static_pad(name)
                .ok_or_else(|| glib::bool_error!("no pad {name}"))?;
            let template = obj
                .pad_template(name)
                .ok_or_else(|| glib::bool_error!("no template {name}"))?;
            let ghost = gst::GhostPad::from_template_with_target(&template, &inner)?;
            obj.add_pad(&ghost)?;
        }
        // What its source asks, the bin asks; the second is the answer of nobody.
        for (signal, default) in [
            (line::INCOMING_CALL, true),
            (line::TRANSFER_REQUESTED, false),
        ] {
            let weak = obj.downgrade();
            src.connect(signal, false, move |args| {
                let facts = args.get(1)?.get::<gst::Structure>().ok()?;
                let accept = match weak.upgrade() {
                    Some(bin) => bin.emit_by_name::<bool>(signal, &[&facts]),
                    None => default,
                };
                Some(accept.to_value())
            });
        }
        Ok(())
    }

    /// Both children share one call: the one the application named, else one of this bin alone.
    fn pair(&self) {
        let (src, sink) = self.children();
        let (named, joins, keep_listening) = {
            let settings = src.imp().line().settings();
            (
                settings.call.clone(),
                settings.uri.is_none() && settings.mode == Mode::Caller,
                settings.keep_listening,
            )
        };
        // The source listens; its calls follow each other in the sink too.
        sink.imp().line().settings().keep_listening = keep_listening;
        let name = match named {
            Some(name) => name,
            // The source's own error says what is missing.
            None if joins => return,
            None => {
                let name = call::unique_name(&self.obj().name());
                src.imp().line().settings().call = Some(name.clone());
                name
            }
        };
        sink.imp().line().settings().call = Some(name);
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SipBin {
    const NAME: &'static str = "GstSipBin";
    type Type = super::SipBin;
    type ParentType = gst::Bin;
    type Interfaces = (gst::URIHandler, gst::ChildProxy);
}

impl ObjectImpl for SipBin {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        obj.set_element_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        if let Err(error) = self.build() {
            gst::error!(CAT, imp = self, "cannot put the bin together: {error}");
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            line::signals(|value| Some(value.get::<super::SipBin>().ok()?.imp().line().clone()))
        });
        &SIGNALS
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = line::properties();
            properties.extend(sipsrc::properties());
            properties.extend(sipsink::properties());
            properties.push(line::stats_property());
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let (src, sink) = self.children();
        if sink.find_property(pspec.name()).is_some() && src.find_property(pspec.name()).is_none() {
            sink.set_property_from_value(pspec.name(), value);
        } else {
            src.set_property_from_value(pspec.name(), value);
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let (src, sink) = self.children();
        if src.find_property(pspec.name()).is_some() {
            src.property_value(pspec.name())
        } else {
            sink.property_value(pspec.name())
        }
    }
}

impl GstObjectImpl for SipBin {}

impl ElementImpl for SipBin {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SIP call",
                "Source/Sink/Network/Audio",
                "A whole telephone call: what is said to the far end goes in, what it says comes out",
                "The sipbridge developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [
                ("sink", gst::PadDirection::Sink),
                ("src", gst::PadDirection::Src),
            ]
            .into_iter()
            .filter_map(|(name, direction)| {
                let always = gst::PadPresence::Always;
                gst::PadTemplate::new(name, direction, always, &line::caps::TEMPLATE).ok()
            })
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady {
            self.pair();
        }
        self.parent_change_state(transition)
    }
}

impl BinImpl for SipBin {}

impl ChildProxyImpl for SipBin {
    /// `agent`, beside the elements that every bin shows.
    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        match name {
            "agent" => Some(self.line().own_agent().upcast()),
            name => self.obj().by_name(name).map(|element| element.upcast()),
        }
    }

    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let (src, sink) = self.children();
        match index {
            0 => Some(self.line().own_agent().upcast()),
            1 => Some(src.clone().upcast()),
            2 => Some(sink.clone().upcast()),
            _ => None,
        }
    }

    fn children_count(&self) -> u32 {
        3
    }
}

line::interfaces::handles_sip_uris!(SipBin, Src);
