// SPDX-License-Identifier: MPL-2.0
//! What is set is what is read, for every property of every element and of the agent; none lacks a
//! description; the password has no way out.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::glib;
use gst::prelude::*;

/// A value that is not the default.
fn other_value(pspec: &glib::ParamSpec) -> glib::Value {
    let default = pspec.default_value();
    if let Ok(flag) = default.get::<bool>() {
        return (!flag).to_value();
    }
    if let Some(int) = pspec.downcast_ref::<glib::ParamSpecInt>() {
        return int.maximum().to_value();
    }
    if let Some(uint) = pspec.downcast_ref::<glib::ParamSpecUInt>() {
        let other = if uint.default_value() == uint.maximum() {
            uint.minimum()
        } else {
            uint.maximum()
        };
        return other.to_value();
    }
    if let Some(double) = pspec.downcast_ref::<glib::ParamSpecDouble>() {
        return double.minimum().to_value();
    }
    if pspec.is::<glib::ParamSpecEnum>() {
        let class = glib::EnumClass::with_type(pspec.value_type()).unwrap();
        return class.to_value(1).unwrap();
    }
    match pspec.name() {
        "agent" => gstsipbridge::agent::SipAgent::default().to_value(),
        "codecs" => gst::Array::new(["pcmu"]).to_value(),
        "extra-headers" => gst::Structure::builder("headers")
            .field("X-Room", "1")
            .build()
            .to_value(),
        "side-a" | "side-b" => gst::Structure::builder("side")
            .field("srtp", "required")
            .build()
            .to_value(),
        "uri" => "sip:bob@192.0.2.1".to_value(),
        _ => "text".to_value(),
    }
}

fn same(a: &glib::Value, b: &glib::Value) -> bool {
    if let (Ok(a), Ok(b)) = (a.get::<Option<&str>>(), b.get::<Option<&str>>()) {
        return a == b;
    }
    if let (Ok(None), Ok(None)) = (
        a.get::<Option<gst::Structure>>(),
        b.get::<Option<gst::Structure>>(),
    ) {
        return true;
    }
    match (a.serialize(), b.serialize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => {
            let object = |value: &glib::Value| value.get::<glib::Object>().ok();
            object(a).is_some() && object(a) == object(b)
        }
    }
}

fn check(object: &impl IsA<glib::Object>, of_parents: glib::Type) {
    let inherited: Vec<String> = match glib::object::ObjectClass::from_type(of_parents) {
        Some(class) => class
            .list_properties()
            .iter()
            .map(|p| p.name().to_owned())
            .collect(),
        None => Vec::new(),
    };
    for pspec in object.list_properties().iter() {
        if inherited.iter().any(|name| name == pspec.name()) {
            continue;
        }
        let name = pspec.name();
        assert!(
            pspec.blurb().is_some_and(|blurb| blurb.len() > 10),
            "{name} has no blurb"
        );
        assert!(!pspec.nick().is_empty(), "{name} has no nick");
        let flags = pspec.flags();
        if flags.contains(glib::ParamFlags::READABLE) {
            let value = object.property_value(name);
            if flags.contains(glib::ParamFlags::WRITABLE) && !pspec.is::<glib::ParamSpecObject>() {
                let default = pspec.default_value();
                assert!(
                    name == "codecs" || same(&value, default),
                    "{name}: {value:?}, not {default:?}"
                );
            }
        }
        if !flags.contains(glib::ParamFlags::WRITABLE) {
            continue;
        }
        let wanted = other_value(pspec);
        object.set_property_from_value(name, &wanted);
        if flags.contains(glib::ParamFlags::READABLE) {
            let value = object.property_value(name);
            assert!(same(&value, &wanted), "{name}: {value:?}, not {wanted:?}");
        }
    }
}

#[test]
fn of_the_elements() {
    kit::init();
    for (name, parent) in [
        ("sipsrc", gst::Element::static_type()),
        ("sipsink", gst::Element::static_type()),
        ("sipbin", gst::Bin::static_type()),
        ("rtcbin", gst::Element::static_type()),
        ("sipmixer", gst::Element::static_type()),
        ("sdpbridgebin", gst::Element::static_type()),
    ] {
        let element = gst::ElementFactory::make(name).build().unwrap();
        check(&element, parent);
    }
}

#[test]
fn of_a_sink_pad() {
    kit::init();
    let rtcbin = gst::ElementFactory::make("rtcbin").build().unwrap();
    let pad = rtcbin.request_pad_simple("sink_%u").unwrap();
    check(&pad, gst::Pad::static_type());
}

#[test]
fn of_a_mixers_pad() {
    kit::init();
    let mixer = gst::ElementFactory::make("sipmixer").build().unwrap();
    let pad = mixer.request_pad_simple("sink_%u").unwrap();
    check(&pad, gst::Pad::static_type());
}

#[test]
fn of_the_agent() {
    kit::init();
    let agent = gstsipbridge::agent::SipAgent::default();
    check(&agent, gst::Object::static_type());
    let password = agent.find_property("password").unwrap();
    assert!(!password.flags().contains(glib::ParamFlags::READABLE));
}

#[test]
fn of_the_agent_through_an_element() {
    kit::init();
    for name in ["sipsrc", "sipsink", "sipbin"] {
        let element = gst::ElementFactory::make(name).build().unwrap();
        let proxy = element.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
        proxy.set_child_property("agent::username", "alice");
        let agent = element.property::<gstsipbridge::agent::SipAgent>("agent");
        assert_eq!(agent.property::<String>("username"), "alice");
        let other = gst::ElementFactory::make(name).build().unwrap();
        assert!(
            other
                .property::<Option<gstsipbridge::agent::SipAgent>>("agent")
                .is_none()
        );
    }
}

#[test]
fn an_agent_goes_with_its_element() {
    kit::init();
    let element = gst::ElementFactory::make("sipsrc").build().unwrap();
    let proxy = element.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    proxy.set_child_property("agent::username", "alice");
    let agent = element
        .property::<gstsipbridge::agent::SipAgent>("agent")
        .downgrade();
    assert_eq!(agent.upgrade().unwrap().ref_count(), 2);
    drop(element);
    assert!(agent.upgrade().is_none());
}
