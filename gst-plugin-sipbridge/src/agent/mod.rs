// SPDX-License-Identifier: MPL-2.0
/**
 * GstSipAgent:
 *
 * The SIP user agent that elements call and are called through: its address, its identity and who
 * may call it.
 *
 * An element takes the one set as its `agent` property, else the one of the pipeline's context
 * `gst.sipbridge.agent` (field `agent`), else one that all elements of the process share. Setting a
 * child property (`agent::username=alice`) gives the element an agent of its own.
 *
 * All agents of a process run on one thread.
 */
mod access;
mod binding;
mod imp;
pub(crate) mod runtime;
mod settings;

use std::sync::{LazyLock, Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

pub use access::{AccessList, AccessListError};
pub(crate) use binding::{BindError, Binding, Listener, Listening, Role};
pub use settings::AgentSettingsError;

/// The type of the context an application puts its agent into.
pub const CONTEXT_TYPE: &str = "gst.sipbridge.agent";

glib::wrapper! {
    /// The user agent object of the elements.
    pub struct SipAgent(ObjectSubclass<imp::SipAgent>) @extends gst::Object;
}

impl Default for SipAgent {
    fn default() -> Self {
        glib::Object::new()
    }
}

static SHARED: LazyLock<Mutex<Option<SipAgent>>> = LazyLock::new(Mutex::default);

impl SipAgent {
    /// The agent of elements that were given no other.
    pub fn shared() -> SipAgent {
        SHARED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| {
                let agent = SipAgent::default();
                // It stays for the life of the process, which is no leak.
                agent.set_object_flags(gst::ObjectFlags::MAY_BE_LEAKED);
                agent
            })
            .clone()
    }

    /// The agent in a context of the pipeline.
    pub(crate) fn of_context(context: &gst::ContextRef) -> Option<SipAgent> {
        if context.context_type() != CONTEXT_TYPE {
            return None;
        }
        context.structure().get::<SipAgent>("agent").ok()
    }

    /// What the properties say a call out is made of.
    pub(crate) fn identity(&self, to: &sip_ua::wire::Uri) -> Result<Identity, AgentSettingsError> {
        let settings = self.imp().settings();
        Ok(Identity {
            from: settings.from(to)?,
            next_hop: settings.next_hop()?,
            credentials: settings.credentials()?,
        })
    }

    /// What the properties say about the media of any call.
    pub(crate) fn media_params(&self) -> Result<crate::call::MediaParams, AgentSettingsError> {
        let settings = self.imp().settings();
        let bind = settings.address()?;
        Ok(crate::call::MediaParams {
            bind: (!bind.is_unspecified()).then_some(bind),
            advertise: settings.media_advertise(),
            ports: settings.media_ports()?,
            ..Default::default()
        })
    }

    /// Starts to listen, or joins those who do already; ends with the last [`Binding`].
    pub(crate) fn bind(&self, role: Role) -> Result<Binding, BindError> {
        self.imp().bind(role)
    }
}

/// Who calls, and through whom.
pub(crate) struct Identity {
    pub(crate) from: sip_ua::wire::NameAddr,
    pub(crate) next_hop: crate::call::NextHop,
    pub(crate) credentials: Option<sip_ua::digest::Credentials>,
}
