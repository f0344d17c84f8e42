// SPDX-License-Identifier: MPL-2.0
//! A page for each element, and one for the user agent, made from what GStreamer knows of them (pads,
//! properties, signals) and from the comments beside the code.

mod comments;
mod page;

use anyhow::{Context as _, Result, ensure};
use comments::Comments;
use gst::glib;
use gst::prelude::*;
use page::Page;
use sipbridge_tests::document;

const FOLDER: &str = "docs/elements";
const PLUGIN: &str = "sipbridge";
const CALLS: &str = "line";

#[test]
fn every_element_has_its_page() -> Result<()> {
    gst::init()?;
    gstsipbridge::register_once()?;
    let comments = Comments::read()?;
    let mut factories: Vec<gst::ElementFactory> = gst::Registry::get()
        .features_by_plugin(PLUGIN)
        .into_iter()
        .filter_map(|feature| feature.downcast().ok())
        .collect();
    factories.sort_by_key(GstObjectExt::name);
    ensure!(!factories.is_empty(), "the plugin {PLUGIN} has no elements");

    let mut index = Vec::new();
    for factory in factories {
        let name = factory.name();
        let page = element(&factory, &comments).with_context(|| name.to_string())?;
        document::is_current(&format!("{FOLDER}/{name}.md"), &page)?;
        let what = factory
            .metadata("description")
            .unwrap_or_default()
            .to_owned();
        index.push((name.to_string(), what));
    }
    let page = agent(&comments)?;
    document::is_current(&format!("{FOLDER}/agent.md"), &page)?;
    index.push((
        "agent".to_owned(),
        "The user agent that elements call and are called through (`GstSipAgent`)".to_owned(),
    ));
    document::is_current(&format!("{FOLDER}/README.md"), &page::index(&index))
}

fn element(factory: &gst::ElementFactory, comments: &Comments) -> Result<String> {
    let name = factory.name();
    // Its class, and with it its properties and signals, exists once an element does.
    let element = factory.create().build()?;
    let kind = element.type_();
    let mut page = Page::new(&name);
    page.about(&[
        (
            "Class",
            factory.metadata("klass").unwrap_or_default().to_owned(),
        ),
        ("Rank", page::rank(factory.rank())),
        ("Type", format!("`{}`", kind.name())),
        ("Interfaces", page::interfaces(kind)),
    ]);
    page.text(comments.section(&format!("SECTION:element-{name}"))?);
    page.pads(&factory.static_pad_templates().iter().collect::<Vec<_>>());
    page.properties(&element);
    page.pad_properties(&element);
    // Elements that are a call, or half of one, have theirs in common.
    let is_call = element.find_property("call").is_some();
    let folder = if is_call { CALLS } else { name.as_str() };
    page.signals(kind, comments, folder)?;
    if let Some(structures) = comments.structures(folder) {
        page.structures(structures);
    }
    Ok(page.finish())
}

fn agent(comments: &Comments) -> Result<String> {
    let kind = glib::Type::from_name("GstSipAgent").context("there is no type GstSipAgent")?;
    let mut page = Page::new(kind.name());
    page.text(comments.section("GstSipAgent:")?);
    page.properties(&glib::Object::with_type(kind));
    page.signals(kind, comments, "agent")?;
    Ok(page.finish())
}
