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
pub mod media;

fn plugin_init(_plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    Ok(())
}

gst::plugin_define!(
    sipbridge,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
