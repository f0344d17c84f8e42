// SPDX-License-Identifier: MPL-2.0
//! Telephone calls as GStreamer elements: `sipsrc`, `sipsink`, `sipbin`, and `sipmixer` for conferences.
//!
//! A [`call::Call`] joins a SIP dialog of `sip-ua` and its media; the elements are thin around it.

use std::sync::OnceLock;

use gst::glib::prelude::StaticTypeExt;

/**
 * plugin-sipbridge:
 *
 * Since: plugins-sipbridge-0.1
 */
pub mod agent;
pub mod bridge;
pub mod call;
pub mod codec;
pub mod context;
pub mod g722dec;
pub mod g722enc;
pub mod handover;
pub mod leg;
mod line;
pub mod media;
pub mod mixer;
pub mod opusdec;
pub mod opusenc;
mod property;
pub mod rtc;
pub mod rtcbin;
mod rtcp;
pub mod sdpbridgebin;
mod session;
pub mod sipbin;
pub mod sipmixer;
pub mod sipsink;
pub mod sipsrc;
pub mod srtp;
mod ticks;
pub mod tones;

/// Registers the elements in this process, for programs that link the plugin. Does so once, however
/// often it is called: `plugin_register_static` a second time replaces the factories and frees the
/// first ones, which the element classes go on pointing to (GStreamer 1.22).
pub fn register_once() -> Result<(), gst::glib::BoolError> {
    static REGISTERED: OnceLock<Result<(), gst::glib::BoolError>> = OnceLock::new();
    REGISTERED.get_or_init(plugin_register_static).clone()
}

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    // No element is made of it; an application finds it by its name all the same.
    agent::SipAgent::ensure_type();
    sipsrc::register(plugin)?;
    sipsink::register(plugin)?;
    sipbin::register(plugin)?;
    sipmixer::register(plugin)?;
    opusenc::register(plugin)?;
    opusdec::register(plugin)?;
    g722enc::register(plugin)?;
    g722dec::register(plugin)?;
    rtcbin::register(plugin)?;
    sdpbridgebin::register(plugin)
}

gst::plugin_define!(
    sipbridge,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("BUILD_REL_DATE")
);
