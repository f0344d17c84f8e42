// SPDX-License-Identifier: MPL-2.0
//! One page, in Markdown.

use super::comments::Comments;
use anyhow::Result;
use gst::glib;
use gst::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const NOTE: &str =
    "<!-- Made by ./dev docs from what the plugin says of itself: change it there. -->";

pub struct Page(String);

/// The page that leads to all others.
pub fn index(pages: &[(String, String)]) -> String {
    let mut text = format!("{NOTE}\n\n# The elements\n\n");
    for (name, what) in pages {
        let _ = writeln!(text, "- [{name}]({name}.md): {what}");
    }
    text
}

pub fn rank(rank: gst::Rank) -> String {
    match rank {
        gst::Rank::NONE => "none".to_owned(),
        gst::Rank::PRIMARY => "primary".to_owned(),
        other => i32::from(other).to_string(),
    }
}

pub fn interfaces(kind: glib::Type) -> String {
    let mut names: Vec<String> = kind
        .interfaces()
        .iter()
        .map(|interface| format!("`{}`", interface.name()))
        .collect();
    names.sort();
    names.join(", ")
}

impl Page {
    pub fn new(title: &str) -> Page {
        Page(format!("{NOTE}\n\n# {title}\n"))
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    pub fn about(&mut self, facts: &[(&str, String)]) {
        self.line("\n| | |\n|---|---|");
        for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
            self.line(&format!("| {name} | {fact} |"));
        }
    }

    pub fn text(&mut self, text: &str) {
        self.line(&format!("\n{}", text.trim()));
    }

    pub fn pads(&mut self, templates: &[&gst::StaticPadTemplate]) {
        self.line("\n## Pads");
        for template in templates {
            let direction = match template.direction() {
                gst::PadDirection::Src => "source",
                _ => "sink",
            };
            let presence = format!("{:?}", template.presence()).to_lowercase();
            let name = template.name_template();
            self.line(&format!("\n`{name}` ({direction}, {presence})\n\n```text"));
            for structure in template.caps().iter() {
                self.line(&structure.to_string());
            }
            self.line("```");
        }
    }

    /// Those that the type has beyond GStreamer's own.
    pub fn properties(&mut self, object: &impl IsA<glib::Object>) {
        self.table("Properties", object);
    }

    /// Those of pads that are more than a GstPad.
    pub fn pad_properties(&mut self, element: &gst::Element) {
        for template in element.pad_template_list() {
            let kind = template.property::<glib::Type>("gtype");
            if kind.is_a(gst::Pad::static_type()) && kind != gst::Pad::static_type() {
                let title = format!("Properties of `{}`", template.name_template());
                self.table(&title, &glib::Object::with_type(kind));
            }
        }
    }

    fn table(&mut self, title: &str, object: &impl IsA<glib::Object>) {
        let properties = object.list_properties();
        let own = properties
            .iter()
            .filter(|property| property.owner_type() == object.type_());
        let mut begun = false;
        for property in own {
            if !std::mem::replace(&mut begun, true) {
                self.line(&format!("\n## {title}\n"));
                self.line("| name | type | default | can be set | |\n|---|---|---|---|---|");
            }
            self.line(&format!(
                "| `{}` | {} | {} | {} | {} |",
                property.name(),
                type_of(property),
                default_of(object.as_ref(), property),
                when(property.flags()),
                property.blurb().unwrap_or_default().replace('|', "\\|"),
            ));
        }
    }

    /// `folder`: where they are built, if not in common with others.
    pub fn signals(&mut self, kind: glib::Type, comments: &Comments, folder: &str) -> Result<()> {
        let mut own = queries(kind);
        own.sort_by_key(|query| query.flags().contains(glib::SignalFlags::ACTION));
        if own.is_empty() {
            return Ok(());
        }
        self.line("\n## Signals");
        for query in &own {
            let name = query.signal_name();
            let params: Vec<&str> = query
                .param_types()
                .iter()
                .map(|kind| kind.type_().name())
                .collect();
            let what = if query.flags().contains(glib::SignalFlags::ACTION) {
                "action: the application emits it"
            } else {
                "the application connects to it"
            };
            self.line(&format!(
                "\n### `{name}` ({}) → {}\n\n*{what}.* {}",
                params.join(", "),
                query.return_type().type_().name(),
                capital(comments.signal(folder, name)?)
            ));
        }
        Ok(())
    }

    /// Messages on the bus, and what signals, properties and errors carry.
    pub fn structures(&mut self, structures: &BTreeMap<String, String>) {
        self.line("\n## Messages and structures");
        for (name, text) in structures {
            self.line(&format!("\n### `{name}`\n\n{}", capital(text)));
        }
    }

    pub fn finish(self) -> String {
        self.0
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn queries(kind: glib::Type) -> Vec<glib::subclass::SignalQuery> {
    let mut count = 0;
    let names: Vec<String> = {
        // SAFETY: the class of an existing type; GLib gives an array of `count` ids that the caller
        // frees, and each id has a name that lives as long as the process.
        unsafe {
            let ids = glib::gobject_ffi::g_signal_list_ids(
                glib::translate::IntoGlib::into_glib(kind),
                &mut count,
            );
            let mut ids: Vec<u32> =
                glib::translate::FromGlibContainer::from_glib_full_num(ids, count as usize);
            // As the code has them, whichever names GLib met elsewhere before.
            ids.sort_unstable();
            ids.into_iter()
                .map(|id| {
                    let name = glib::gobject_ffi::g_signal_name(id);
                    glib::translate::from_glib_none::<_, String>(name)
                })
                .collect()
        }
    };
    names
        .iter()
        .filter_map(|name| glib::subclass::SignalId::lookup(name, kind))
        .map(|id| id.query())
        .collect()
}

fn type_of(property: &glib::ParamSpec) -> String {
    let name = match property.value_type() {
        glib::Type::STRING => "string".to_owned(),
        glib::Type::BOOL => "boolean".to_owned(),
        glib::Type::U32 => "unsigned integer".to_owned(),
        glib::Type::I32 => "integer".to_owned(),
        glib::Type::F64 => "number".to_owned(),
        other => format!("`{}`", other.name()),
    };
    if let Some(class) = glib::EnumClass::with_type(property.value_type()) {
        let values: Vec<String> = class
            .values()
            .iter()
            .map(|value| format!("`{}`: {}", value.nick(), value.name()))
            .collect();
        return format!("{name}<br>{}", values.join("<br>"));
    }
    let range = if let Some(int) = property.downcast_ref::<glib::ParamSpecInt>() {
        Some((int.minimum().to_string(), int.maximum().to_string()))
    } else if let Some(number) = property.downcast_ref::<glib::ParamSpecDouble>() {
        Some((number.minimum().to_string(), number.maximum().to_string()))
    } else {
        property
            .downcast_ref::<glib::ParamSpecUInt>()
            .map(|int| (int.minimum().to_string(), int.maximum().to_string()))
    };
    match range {
        Some((least, most)) => format!("{name}, {least} to {most}"),
        None => name,
    }
}

/// What an object has that was just made.
fn default_of(object: &glib::Object, property: &glib::ParamSpec) -> String {
    if !property.flags().contains(glib::ParamFlags::READWRITE) {
        return "–".to_owned();
    }
    let value = object.property_value(property.name());
    if let Some((_, value)) = glib::EnumValue::from_value(&value) {
        return format!("`{}`", value.nick());
    }
    if let Ok(text) = value.get::<Option<String>>() {
        return text.map_or("none".to_owned(), |text| format!("`{text}`"));
    }
    // GStreamer would write all digits that the number has in memory.
    if let Ok(number) = value.get::<f64>() {
        return format!("`{number}`");
    }
    let is_nothing = value.type_().is_a(glib::Type::OBJECT)
        || matches!(value.get::<Option<gst::Structure>>(), Ok(None));
    if is_nothing {
        return "none".to_owned();
    }
    match value.serialize() {
        Ok(text) => format!("`{text}`"),
        Err(_) => "none".to_owned(),
    }
}

fn when(flags: glib::ParamFlags) -> &'static str {
    if !flags.contains(glib::ParamFlags::WRITABLE) {
        "never, only read"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING) {
        "always"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PAUSED) {
        "up to PAUSED"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_READY) {
        "in NULL and READY"
    } else {
        "before it is used"
    }
}
