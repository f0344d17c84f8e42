// SPDX-License-Identifier: MPL-2.0
//! What `sipsrc` and `sipsink` have in common: an element's hold on a call.
//!
//! An element calls (`uri`), is called (`mode=listener`), or joins a call made elsewhere (`call`). In
//! the first two cases it owns the call: it reports on it, and leaving PAUSED downwards ends it.

mod call;
pub(crate) mod caps;
pub(crate) mod errors;
pub(crate) mod interfaces;
pub(crate) mod messages;
mod settings;
mod signals;
pub(crate) mod target;
mod telling;
mod transfer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gst::glib;
use gst::prelude::*;

use crate::agent::{BindError, Binding, Listening, Role, SipAgent};
use crate::call::{Call, CallNotice, Subscription, Waiter};
use crate::context::Context;
use settings::SettingsError;
use target::{Target, TargetError};
use telling::Telling;

pub(crate) use messages::dtmf_events;
pub use settings::Mode;
pub(crate) use settings::{LineSettings, properties, stats_property};
pub(crate) use signals::{INCOMING_CALL, TRANSFER_REQUESTED, signals};

/// The element around a line.
pub(crate) trait LineUser: Send + Sync + 'static {
    fn element(&self) -> Option<gst::Element>;

    /// Something happened in the call, or the line just joined it: then `notice` is what stands.
    fn on_notice(&self, call: &Arc<Call>, notice: &CallNotice);

    /// Whether messages about calls that no element owns are this element's to post.
    fn reports_foreign_calls(&self) -> bool;
}

/// Why a line cannot go to READY or PLAYING.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error(
        "nobody to talk to: set uri to call somebody, mode=listener to be called, or call to join a call"
    )]
    NoRole,
    #[error("uri is set and mode is listener: only one of them can be")]
    TwoRoles,
    #[error("uri: {0}")]
    Target(#[from] TargetError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Agent(#[from] crate::agent::AgentSettingsError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Call(#[from] crate::call::CallError),
}

impl LineError {
    /// The GStreamer error it is.
    pub(crate) fn resource(&self) -> gst::ResourceError {
        match self {
            LineError::NoRole | LineError::TwoRoles | LineError::Settings(_) => {
                gst::ResourceError::Settings
            }
            LineError::Target(_) => gst::ResourceError::NotFound,
            LineError::Agent(_) => gst::ResourceError::Settings,
            LineError::Bind(_) => gst::ResourceError::OpenReadWrite,
            LineError::Call(_) => gst::ResourceError::Failed,
        }
    }
}

/// How an element comes by its call.
#[derive(Clone, Debug)]
enum Way {
    Dial(Box<Target>),
    Listen,
    Join(String),
}

#[derive(Default)]
struct LineState {
    way: Option<Way>,
    agent: Option<SipAgent>,
    binding: Option<Binding>,
    listening: Option<Listening>,
    waiter: Option<Waiter>,
    call: Option<Arc<Call>>,
    subscription: Option<Subscription>,
    owns_call: bool,
    /// A key that is down: a `dtmf-event` with `start` and no end yet.
    pressed: Option<(messages::Key, std::time::Instant)>,
    /// Whom to tell what becomes of a transfer.
    transfer: Option<gst::Promise>,
}

/// An element's hold on a call.
pub(crate) struct Line {
    me: Weak<Line>,
    user: Box<dyn LineUser>,
    settings: Mutex<LineSettings>,
    state: Mutex<LineState>,
    telling: Telling,
}

impl Line {
    pub(crate) fn new(user: impl LineUser) -> Arc<Line> {
        Arc::new_cyclic(|me| Line {
            me: me.clone(),
            user: Box::new(user),
            settings: Mutex::default(),
            state: Mutex::default(),
            telling: Telling::default(),
        })
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, LineSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call it holds, if any.
    pub(crate) fn call(&self) -> Option<Arc<Call>> {
        self.state().call.clone()
    }

    /// `false`: no shared property of this name.
    pub(crate) fn set_property(&self, name: &str, value: &glib::Value) -> bool {
        let is_shared = self.settings().set(name, value);
        if name == "context" {
            self.move_call();
        }
        is_shared
    }

    /// A call that is up goes where the settings say now.
    fn move_call(&self) {
        let Some(call) = self.call() else { return };
        let (name, wait) = {
            let settings = self.settings();
            (settings.context.clone(), settings.context_wait())
        };
        let context = match name {
            Some(name) => Context::acquire(&name, wait),
            None => Context::default_for_new_call(),
        };
        match (context, self.user.element()) {
            (Ok(context), _) => call.move_to(&context),
            (Err(error), Some(element)) => gst::element_warning!(
                element,
                gst::CoreError::Thread,
                ("the call stays on its media thread"),
                ["{error}"]
            ),
            (Err(_), None) => {}
        }
    }

    pub(crate) fn property(&self, name: &str) -> Option<glib::Value> {
        if name == "stats" {
            return Some(self.stats().to_value());
        }
        self.settings().get(name)
    }

    /// As a URI handler: what cannot be called is refused at once.
    pub(crate) fn set_uri(&self, state: gst::State, uri: &str) -> Result<(), glib::Error> {
        if state > gst::State::Ready {
            let text = "the URI can be set in NULL and READY only";
            return Err(glib::Error::new(gst::URIError::BadState, text));
        }
        Target::parse(uri).map_err(|error| {
            let kind = match error {
                TargetError::Scheme(_) | TargetError::Transport(_) => {
                    gst::URIError::UnsupportedProtocol
                }
                _ => gst::URIError::BadUri,
            };
            glib::Error::new(kind, &error.to_string())
        })?;
        self.settings().uri = Some(uri.to_owned());
        Ok(())
    }

    /// The agent behind `agent::NAME`: the one that was set, else one of the element's own, made now.
    pub(crate) fn own_agent(&self) -> SipAgent {
        self.settings()
            .agent
            .get_or_insert_with(SipAgent::default)
            .clone()
    }

    fn find_agent(&self) -> SipAgent {
        if let Some(agent) = self.settings().agent.clone() {
            return agent;
        }
        match self.user.element() {
            Some(element) => SipAgent::of_element(&element),
            None => SipAgent::shared(),
        }
    }

    fn way(&self) -> Result<Way, LineError> {
        let settings = self.settings();
        match (&settings.uri, settings.mode, &settings.call) {
            (Some(_), Mode::Listener, _) => Err(LineError::TwoRoles),
            (Some(uri), Mode::Caller, _) => Ok(Way::Dial(Box::new(Target::parse(uri)?))),
            (None, Mode::Listener, _) => Ok(Way::Listen),
            (None, Mode::Caller, Some(name)) => Ok(Way::Join(name.clone())),
            (None, Mode::Caller, None) => Err(LineError::NoRole),
        }
    }

    /// NULL→READY: opens the agent's socket. Everything a setting can get wrong is found here.
    pub(crate) fn open(&self) -> Result<(), LineError> {
        let way = self.way()?;
        {
            let settings = self.settings();
            settings.codecs()?;
            settings.headers()?;
        }
        let role = match &way {
            Way::Dial(_) => Some(Role::Caller),
            Way::Listen => Some(Role::Listener),
            Way::Join(_) => None,
        };
        let (agent, binding) = match role {
            Some(role) => {
                let agent = self.find_agent();
                agent.media_params()?;
                let binding = agent.bind(role)?;
                (Some(agent), Some(binding))
            }
            None => (None, None),
        };
        *self.state() = LineState {
            way: Some(way),
            agent,
            binding,
            ..LineState::default()
        };
        Ok(())
    }

    /// READY→PAUSED: looks out for a call made elsewhere.
    pub(crate) fn prepare(&self) {
        let Some(Way::Join(name)) = self.state().way.clone() else {
            return;
        };
        let me = self.me.clone();
        let waiter = crate::call::wait_for(&name, move |call| {
            if let Some(line) = me.upgrade() {
                line.attach(call, false);
            }
        });
        self.state().waiter = Some(waiter);
    }

    /// PAUSED→PLAYING: calls, or begins to listen; a call that is there goes on.
    pub(crate) fn start(&self) -> Result<(), LineError> {
        let way = {
            let state = self.state();
            if state.call.is_some() || state.listening.is_some() {
                return Ok(());
            }
            state.way.clone()
        };
        match way {
            Some(Way::Dial(target)) => self.dial(*target),
            Some(Way::Listen) => {
                let me: Weak<dyn crate::agent::Listener> = self.me.clone();
                let mut state = self.state();
                state.listening = state.binding.as_ref().map(|binding| binding.listen(me));
                Ok(())
            }
            Some(Way::Join(_)) | None => Ok(()),
        }
    }

    /// PAUSED→READY: forgets the call; one of its own is hung up, which the agent sees through.
    pub(crate) fn stop(&self) {
        let (call, owned, _gone) = {
            let mut state = self.state();
            let gone = (
                state.listening.take(),
                state.waiter.take(),
                state.subscription.take(),
            );
            state.pressed = None;
            if let Some(promise) = state.transfer.take() {
                promise.expire();
            }
            (
                state.call.take(),
                std::mem::take(&mut state.owns_call),
                gone,
            )
        };
        if let Some(call) = call.filter(|_| owned) {
            call.hangup(None, None);
        }
        self.telling.wait();
    }

    /// READY→NULL: releases the agent's socket.
    pub(crate) fn close(&self) {
        let state = std::mem::take(&mut *self.state());
        drop(state);
    }
}
