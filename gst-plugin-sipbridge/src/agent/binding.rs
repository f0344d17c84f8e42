// SPDX-License-Identifier: MPL-2.0
//! A running user agent and those who use it: callers, and listeners that take calls in turn.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, AgentError, IncomingCall, Listen, Registration, RegistrationConfig, Screen,
    Verdict,
};
use sip_ua::wire::Method;

use super::access::AccessList;
use super::registering::{self, RegistrarAddress, RegistrationNews};
use super::runtime;
use super::settings::{AgentSettingsError, Settings};

/// What a user of the agent wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Caller,
    Listener,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A property is not right.
    #[error(transparent)]
    Settings(#[from] AgentSettingsError),
    /// No thread.
    #[error("cannot start the thread of the user agent: {0}")]
    Runtime(#[from] std::io::Error),
    /// No socket.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The thread that should have opened the socket is gone.
    #[error("the user agent did not start")]
    Gone,
}

/// Takes calls that come in.
pub(crate) trait Listener: Send + Sync {
    /// `Some` gives the call back: this listener is busy, another may want it.
    fn offer(&self, incoming: IncomingCall) -> Option<IncomingCall>;

    /// The agent is registered, or is not.
    fn registration(&self, news: &RegistrationNews);

    /// Somebody outside of `accept-from` tried to call.
    fn turned_away(&self, source: SocketAddr, accept_from: &str);
}

type Listeners = Mutex<Vec<(u64, Weak<dyn Listener>)>>;

/// A user agent on its socket.
pub(super) struct Shared {
    agent: Agent,
    listeners: Arc<Listeners>,
    /// Where to register while somebody listens.
    account: Option<RegistrationConfig>,
    registration: Mutex<Option<Arc<Registration>>>,
    registrar: RegistrarAddress,
}

/// How long the far end has to answer our BYE before the socket goes.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a change to NULL may take so that a BYE or CANCEL leaves before the process does, and the
/// port is free again (rtspsrc's `teardown-timeout` has the same default).
const TEARDOWN: Duration = Duration::from_millis(100);

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

fn lock(listeners: &Listeners) -> MutexGuard<'_, Vec<(u64, Weak<dyn Listener>)>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

fn living(listeners: &Listeners) -> Vec<Arc<dyn Listener>> {
    lock(listeners)
        .iter()
        .filter_map(|(_, listener)| listener.upgrade())
        .collect()
}

impl Shared {
    pub(super) fn open(settings: &Settings, port: u16) -> Result<Arc<Shared>, BindError> {
        let listeners: Arc<Listeners> = Arc::default();
        let addr = SocketAddr::new(settings.address()?, port);
        let account = registering::config(settings)?;
        let registrar = RegistrarAddress::default();
        let config = AgentConfig {
            listen: settings
                .transports()?
                .into_iter()
                .map(|transport| Listen { transport, addr })
                .collect(),
            advertise: settings.advertise.clone(),
            user_agent: settings.user_agent.clone(),
            screen: screen(settings.accept_from()?, &listeners, &registrar),
            ..AgentConfig::default()
        };
        let runtime = runtime::handle()?;
        // The caller may be on a thread of some runtime, where blocking on a future is forbidden.
        // Opening a socket waits for nothing outside of this machine.
        let within = runtime.clone();
        let opened = std::thread::spawn(move || within.block_on(Agent::bind(config))).join();
        let (agent, mut incoming) = opened.map_err(|_| BindError::Gone)??;
        let for_calls = listeners.clone();
        runtime.spawn(async move {
            while let Some(call) = incoming.recv().await {
                dispatch(&for_calls, call);
            }
        });
        Ok(Arc::new(Shared {
            agent,
            listeners,
            account,
            registration: Mutex::default(),
            registrar,
        }))
    }

    /// Registers where the first listener came, takes it back where the last has gone.
    fn update_registration(&self) {
        let mut registration = self
            .registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let wanted = self.account.as_ref();
        let wanted = wanted.filter(|_| !lock(&self.listeners).is_empty());
        match (wanted, registration.is_some()) {
            (Some(account), false) => {
                let listeners = Arc::downgrade(&self.listeners);
                let tell = move |news: RegistrationNews| {
                    for listener in listeners.upgrade().iter().flat_map(|all| living(all)) {
                        listener.registration(&news);
                    }
                };
                *registration =
                    registering::begin(&self.agent, account.clone(), self.registrar.clone(), tell);
            }
            (None, true) => *registration = None,
            _ => {}
        }
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.agent.local_addr()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Ok(runtime) = runtime::handle() else {
            return;
        };
        let agent = self.agent.clone();
        let (tell, told) = mpsc::channel();
        runtime.spawn(async move {
            agent.close(PATIENCE).await;
            let _ = tell.send(());
        });
        if !runtime::is_current_thread() {
            let _ = told.recv_timeout(TEARDOWN);
        }
    }
}

/// Who is not on the list gets silence; the listeners hear of the first, so that their user learns
/// why nobody gets through.
fn screen(accept: AccessList, listeners: &Arc<Listeners>, registrar: &RegistrarAddress) -> Screen {
    let listeners = Arc::downgrade(listeners);
    let registrar = registrar.clone();
    let told = AtomicBool::new(false);
    Arc::new(move |request, source| {
        let Some(listeners) = listeners.upgrade() else {
            return Verdict::Silent;
        };
        let living = living(&listeners);
        if living.is_empty() {
            return Verdict::Silent;
        }
        let registrar = *registrar.lock().unwrap_or_else(PoisonError::into_inner);
        if accept.allows(source.ip()) || registrar == Some(source.ip().to_canonical()) {
            return Verdict::Allow;
        }
        if request.method == Method::Invite && !told.swap(true, Ordering::Relaxed) {
            let accept = accept.to_string();
            living
                .iter()
                .for_each(|listener| listener.turned_away(source, &accept));
        }
        Verdict::Silent
    })
}

/// The first listener that is free takes the call.
fn dispatch(listeners: &Listeners, call: IncomingCall) {
    let handle = call.call.handle.clone();
    let mut call = Some(call);
    for listener in living(listeners) {
        let Some(incoming) = call.take() else { return };
        call = listener.offer(incoming);
    }
    if call.is_some() {
        handle.reject(486, None);
    }
}

/// One user's share in a running agent.
pub(crate) struct Binding {
    shared: Arc<Shared>,
}

/// Ends listening when dropped.
pub(crate) struct Listening {
    shared: Weak<Shared>,
    id: u64,
}

impl Binding {
    pub(super) fn join(shared: Arc<Shared>) -> Binding {
        Binding { shared }
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.shared.agent
    }

    /// Offers calls that come in to `listener`, in turn with others.
    pub(crate) fn listen(&self, listener: Weak<dyn Listener>) -> Listening {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.listeners).push((id, listener));
        self.shared.update_registration();
        Listening {
            shared: Arc::downgrade(&self.shared),
            id,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            lock(&shared.listeners).retain(|(id, _)| *id != self.id);
            shared.update_registration();
        }
    }
}
