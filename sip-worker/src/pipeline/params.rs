// SPDX-License-Identifier: MPL-2.0
//! What an operator may change in a graph: typed, bounded, bound to a property of an element.

use glib::ParamFlags;
use gst::prelude::*;

use crate::document::{Located, Scalar, Section};

/// One of `[params]`.
#[derive(Debug, Clone)]
pub(super) struct Param {
    pub(super) name: String,
    /// The element's name in the launch text.
    pub(super) element: String,
    pub(super) property: String,
    pub(super) at: std::ops::Range<usize>,
    bounds: Bounds,
    pub(super) value: Scalar,
}

#[derive(Debug, Clone)]
enum Bounds {
    Int(i64, i64),
    Float(f64, f64),
    None,
}

impl Param {
    pub(super) fn all(mut section: Section<'_>) -> Vec<Param> {
        let names = section.keys();
        let params = names
            .iter()
            .filter_map(|name| Param::read(name, section.section(name)?))
            .collect();
        section.finish();
        params
    }

    fn read(name: &str, mut section: Section<'_>) -> Option<Param> {
        let at = section.at();
        let bind = section.string("bind");
        let bound = bind.as_ref().and_then(|bind| {
            let (element, property) = bind.value.split_once('.')?;
            let whole = !element.is_empty() && !property.is_empty();
            whole.then(|| (element.to_owned(), property.to_owned()))
        });
        if bound.is_none() {
            section.find("`bind` must be \"ELEMENT.PROPERTY\"");
        }
        let Some(Located { value: kind, .. }) = section.string("type") else {
            section.find("`type` is missing: \"int\", \"float\", \"bool\" or \"enum\"");
            return None;
        };
        if !section.has("default") {
            section.find("`default` is missing");
        }
        let read = match kind.as_str() {
            "int" => {
                let all = i64::MIN..=i64::MAX;
                let (min, max) = (
                    section.integer("min", all.clone()),
                    section.integer("max", all),
                );
                let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
                let default = section.integer("default", min..=max);
                default.map(|value| (Bounds::Int(min, max), Scalar::Int(value)))
            }
            "float" => {
                let min = section.number("min").unwrap_or(f64::MIN);
                let max = section.number("max").unwrap_or(f64::MAX);
                let default = section.number("default");
                if default.is_some_and(|value| !(min..=max).contains(&value)) {
                    section.find("`default` is not between `min` and `max`");
                }
                default.map(|value| (Bounds::Float(min, max), Scalar::Float(value)))
            }
            "bool" => section
                .boolean("default")
                .map(|value| (Bounds::None, Scalar::Bool(value))),
            "enum" => section
                .string("default")
                .map(|value| (Bounds::None, Scalar::Text(value.value))),
            other => {
                section.find(format!(
                    "`type` is \"{other}\", none of \"int\", \"float\", \"bool\", \"enum\""
                ));
                None
            }
        };
        section.finish();
        let ((element, property), (bounds, value)) = bound.zip(read)?;
        Some(Param {
            name: name.to_owned(),
            element,
            property,
            at,
            bounds,
            value,
        })
    }

    /// Takes an operator's value in place of the default.
    pub(super) fn set(&mut self, value: &Scalar) -> Result<(), String> {
        let name = &self.name;
        let value = match (value, &self.bounds, &self.value) {
            (Scalar::Int(value), Bounds::Int(min, max), _) => {
                if !(min..=max).contains(&value) {
                    return Err(format!(
                        "the parameter `{name}` must be from {min} to {max}, not {value}"
                    ));
                }
                Scalar::Int(*value)
            }
            (Scalar::Int(value), Bounds::Float(..), _) => {
                return self.set(&Scalar::Float(*value as f64));
            }
            (Scalar::Float(value), Bounds::Float(min, max), _) => {
                if !(min..=max).contains(&value) {
                    return Err(format!(
                        "the parameter `{name}` must be from {min} to {max}, not {value}"
                    ));
                }
                Scalar::Float(*value)
            }
            (Scalar::Bool(value), _, Scalar::Bool(_)) => Scalar::Bool(*value),
            (Scalar::Text(value), _, Scalar::Text(_)) => Scalar::Text(value.clone()),
            _ => return Err(format!("the parameter `{name}` is of another type")),
        };
        self.value = value;
        Ok(())
    }

    /// Sets it on its element; an error is one sentence.
    pub(super) fn apply(&self, element: &gst::Element) -> Result<(), String> {
        let (name, property) = (&self.name, self.property.as_str());
        let place = format!("{}.{property}", self.element);
        let Some(spec) = element.find_property(property) else {
            return Err(format!(
                "the parameter `{name}` is bound to {place}, which does not exist"
            ));
        };
        let fixed = ParamFlags::CONSTRUCT_ONLY;
        if !spec.flags().contains(ParamFlags::WRITABLE) || spec.flags().intersects(fixed) {
            return Err(format!(
                "the parameter `{name}` is bound to {place}, which cannot be set"
            ));
        }
        let refused = || {
            format!(
                "the parameter `{name}` = {} is nothing that {place} takes",
                shown(&self.value)
            )
        };
        let value = self.value_for(spec.value_type()).ok_or_else(refused)?;
        // Setting what is out of the property's range panics, or is clamped in silence.
        if !spec.value_is_valid(&value) {
            return Err(refused());
        }
        element.set_property_from_value(property, &value);
        if spec.flags().contains(ParamFlags::READABLE)
            && !same(&element.property_value(property), &value)
        {
            return Err(refused());
        }
        Ok(())
    }

    fn value_for(&self, kind: glib::Type) -> Option<glib::Value> {
        match &self.value {
            Scalar::Int(value) => match kind {
                glib::Type::I32 => i32::try_from(*value).ok().map(|value| value.to_value()),
                glib::Type::U32 => u32::try_from(*value).ok().map(|value| value.to_value()),
                glib::Type::I64 => Some(value.to_value()),
                glib::Type::U64 => u64::try_from(*value).ok().map(|value| value.to_value()),
                _ => None,
            },
            Scalar::Float(value) => match kind {
                glib::Type::F64 => Some(value.to_value()),
                glib::Type::F32 => Some((*value as f32).to_value()),
                _ => None,
            },
            Scalar::Bool(value) => (kind == glib::Type::BOOL).then(|| value.to_value()),
            Scalar::Text(value) => {
                let class = glib::EnumClass::with_type(kind)?;
                class.to_value_by_nick(value)
            }
        }
    }
}

fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Text(value) => format!("\"{value}\""),
    }
}

fn same(left: &glib::Value, right: &glib::Value) -> bool {
    glib::Value::type_(left) == glib::Value::type_(right)
        && left.compare(right) == Some(std::cmp::Ordering::Equal)
}
