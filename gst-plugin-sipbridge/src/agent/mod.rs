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
 * An application makes an agent, sets its properties and offers it to as many pipelines as it likes,
 * before they leave NULL: `gst_element_set_context (pipeline, context)` with the agent's property
 * `context`. Or it waits until an element asks (message `need-context`). An element that takes the
 * shared agent says so (message `have-context`).
 *
 * All agents of a process run on one thread.
 */
mod access;
mod binding;
mod imp;
mod registering;
pub(crate) mod runtime;
mod settings;

use std::sync::{LazyLock, Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

pub use access::{AccessList, AccessListError};
pub(crate) use binding::{BindError, Binding, Listener, Listening, Role};
pub(crate) use registering::RegistrationNews;
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

    /// A context that offers this agent to every element of a pipeline: `pipeline.set_context(…)`. It
    /// stays when the pipeline goes to NULL. The property `context` gives the same to other languages.
    pub fn to_context(&self) -> gst::Context {
        self.context_that(true)
    }

    fn context_that(&self, persists: bool) -> gst::Context {
        let mut context = gst::Context::new(CONTEXT_TYPE, persists);
        if let Some(context) = context.get_mut() {
            context.structure_mut().set("agent", self);
        }
        context
    }

    /// The agent that `element` was offered, else the shared one, which is then made known: as
    /// GStreamer's design of contexts has it, first asked for, then told.
    pub(crate) fn of_element(element: &gst::Element) -> SipAgent {
        let offered = || Self::of_context(element.context(CONTEXT_TYPE)?.as_ref());
        if let Some(agent) = offered() {
            return agent;
        }
        // The answer, if there is one, arrives by set_context before post_message returns; without a
        // bus there is nobody to ask.
        let need = gst::message::NeedContext::builder(CONTEXT_TYPE);
        let _ = element.post_message(need.src(element).build());
        if let Some(agent) = offered() {
            return agent;
        }
        let agent = SipAgent::shared();
        // Whatever the application offers later wins over one that does not persist.
        let context = agent.context_that(false);
        element.set_context(&context);
        let have = gst::message::HaveContext::builder(context);
        let _ = element.post_message(have.src(element).build());
        agent
    }

    /// The agent in a context of the pipeline.
    pub fn of_context(context: &gst::ContextRef) -> Option<SipAgent> {
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

    /// Whether what callers' networks assert is believed.
    pub(crate) fn trusts_asserted_identity(&self) -> bool {
        self.imp().settings().trust_asserted_identity
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
