// SPDX-License-Identifier: MPL-2.0
//! The one thread on which all user agents of elements run.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

const THREAD_NAME: &str = "sipbridge-agent";

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The runtime of the process, started at the first call: one thread, however many agents.
///
/// It is never shut down: a BYE may still be on its way when the last element goes.
pub fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = runtime.as_ref() {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(THREAD_NAME)
        .enable_all()
        .build()?;
    let handle = started.handle().clone();
    *runtime = Some(started);
    Ok(handle)
}

/// Whether this is the agents' own thread, which must not wait for itself.
pub fn is_current_thread() -> bool {
    std::thread::current().name() == Some(THREAD_NAME)
}
