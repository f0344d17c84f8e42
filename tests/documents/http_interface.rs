// SPDX-License-Identifier: MPL-2.0
//! What `GET /openapi.json` answers describes every path there is and no other, with the fields that
//! the worker reads and writes; the operator's guide lists the paths.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::Value;
use sip_worker::calls::figures::{
    Figures, HeardFigures, PhoneFigures, PublishedFigures, Received, RoomFigures, Sent,
};
use sip_worker::calls::{CallInfo, DialRequest, TransferInfo, TransferWish};
use sip_worker::calls::{DiversionInfo, HistoryInfo, OriginInfo, StirInfo};
use sip_worker::http::api::OPENAPI;
use sip_worker::http::bans::BanInfo;
use sip_worker::http::room_calls::RoomDial;
use sip_worker::http::rooms::RoomCall;
use sipbridge_tests::document;
use std::collections::BTreeSet;

const METHODS: [&str; 4] = ["get", "post", "delete", "patch"];

fn described() -> Result<Value> {
    serde_json::from_str(OPENAPI).context("openapi.json")
}

/// `get /v1/calls`, in the order of the file.
fn operations(described: &Value) -> Vec<(String, &Value)> {
    let paths = described["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS
                .iter()
                .filter_map(move |method| Some((format!("{method} {path}"), item.get(*method)?)))
        })
        .collect()
}

#[test]
fn every_route_is_described_and_no_other() -> Result<()> {
    let source = std::fs::read_to_string(document::path("sip-worker/src/http/mod.rs"))?;
    let mut routed = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let mut parts = route.splitn(3, '"');
        let (path, handlers) = (parts.nth(1).unwrap_or_default(), parts.next());
        // Up to the next link of the chain of routes.
        let handlers = handlers.unwrap_or_default();
        let end = handlers.find("\n        .").unwrap_or(handlers.len());
        for method in METHODS {
            if handlers[..end].contains(&format!("{method}(")) {
                routed.insert(format!("{method} {path}"));
            }
        }
    }
    // The pages are for people.
    ensure!(routed.remove("get /"), "{routed:?}");
    ensure!(routed.remove("get /calls"), "{routed:?}");

    let json = described()?;
    let described: BTreeSet<String> = operations(&json)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(routed, described);

    let version = json["info"]["version"].as_str();
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
    for part in OPENAPI.split("\"#/").skip(1) {
        let pointer = format!("/{}", part.split('"').next().unwrap_or_default());
        ensure!(json.pointer(&pointer).is_some(), "nothing is at {pointer}");
    }
    Ok(())
}

/// Takes note of the fields that a type asks its reader for.
struct Fields(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Fields {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.0 = fields;
        Err(Error::custom("only its fields were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("it is no struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn has_the_fields_of<T: for<'de> Deserialize<'de>>(schema: &str) -> Result<()> {
    let mut fields = Fields(&[]);
    // It always fails, once the fields are known.
    let _ = T::deserialize(&mut fields);
    let properties = &described()?["components"]["schemas"][schema]["properties"];
    let described: BTreeSet<&str> = properties
        .as_object()
        .with_context(|| format!("{schema} has no properties"))?
        .keys()
        .map(String::as_str)
        .collect();
    let real: BTreeSet<&str> = fields.0.iter().copied().collect();
    assert_eq!(described, real, "of {schema}");
    Ok(())
}

#[test]
fn what_is_described_has_the_fields_it_has() -> Result<()> {
    has_the_fields_of::<CallInfo>("CallInfo")?;
    has_the_fields_of::<Figures>("Figures")?;
    has_the_fields_of::<PhoneFigures>("PhoneFigures")?;
    has_the_fields_of::<RoomFigures>("RoomFigures")?;
    has_the_fields_of::<PublishedFigures>("PublishedFigures")?;
    has_the_fields_of::<HeardFigures>("HeardFigures")?;
    has_the_fields_of::<Received>("Received")?;
    has_the_fields_of::<Sent>("Sent")?;
    has_the_fields_of::<OriginInfo>("OriginInfo")?;
    has_the_fields_of::<DiversionInfo>("DiversionInfo")?;
    has_the_fields_of::<HistoryInfo>("HistoryInfo")?;
    has_the_fields_of::<StirInfo>("StirInfo")?;
    has_the_fields_of::<TransferInfo>("TransferInfo")?;
    has_the_fields_of::<TransferWish>("TransferWish")?;
    has_the_fields_of::<BanInfo>("BanInfo")?;
    has_the_fields_of::<RoomCall>("RoomCall")?;
    has_the_fields_of::<RoomDial>("RoomDial")?;
    has_the_fields_of::<DialRequest>("DialRequest")
}

#[test]
fn the_guide_lists_every_path() -> Result<()> {
    let json = described()?;
    let mut text = String::from("| request | what it does |\n|---|---|\n");
    for (name, operation) in operations(&json) {
        let (method, path) = name.split_once(' ').unwrap_or_default();
        let told = |key: &str| operation[key].as_str().unwrap_or_default();
        let summary = told("summary");
        let stop = if told("description").is_empty() {
            ""
        } else {
            ". "
        };
        text += &format!(
            "| `{} {path}` | {summary}{stop}{} |\n",
            method.to_uppercase(),
            told("description")
        );
    }
    document::part_is_current("docs/operating.md", "paths", &text)
}
