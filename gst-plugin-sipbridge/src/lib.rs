// SPDX-License-Identifier: MPL-2.0
//! Telephone calls as GStreamer elements: `sipsrc`, `sipsink` and `sipbin`.
//!
//! A [`call::Call`] joins a SIP dialog of `sip-ua` and its media; the elements are thin around it.

/**
 * plugin-sipbridge:
 *
 * Since: plugins-sipbridge-0.1
 */
pub mod agent;
pub mod call;
pub mod codec;
pub mod context;
pub mod leg;
mod line;
pub mod media;
pub mod opusdec;
pub mod opusenc;
pub mod sipbin;
pub mod sipsink;
pub mod sipsrc;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    sipsrc::register(plugin)?;
    sipsink::register(plugin)?;
    sipbin::register(plugin)?;
    opusenc::register(plugin)?;
    opusdec::register(plugin)
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
