// SPDX-License-Identifier: MPL-2.0
//! The calls of the process by name, so that two elements can share one.
//!
//! References are weak: a call that nobody holds any more frees its name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use sip_ua::agent::CallId;

use super::Call;

type Callback = Arc<dyn Fn(Arc<Call>) + Send + Sync>;

#[derive(Default)]
struct Registry {
    calls: HashMap<String, Weak<Call>>,
    waiting: HashMap<String, Vec<(u64, Callback)>>,
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The call of this name, while somebody holds it.
pub fn find(name: &str) -> Option<Arc<Call>> {
    lock().calls.get(name).and_then(Weak::upgrade)
}

/// The call that the user agent knows by this, while somebody holds it.
pub fn find_by_id(id: CallId) -> Option<Arc<Call>> {
    let calls: Vec<Arc<Call>> = lock().calls.values().filter_map(Weak::upgrade).collect();
    let is = |call: &Arc<Call>| call.handle().is_some_and(|handle| handle.id() == id);
    calls.into_iter().find(is)
}

/// A name no other call of this process has or had.
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed))
}

/// Enters a call. `false`: a living call has the name already.
pub(super) fn insert(call: &Arc<Call>) -> bool {
    let waiting = {
        let mut registry = lock();
        let taken = registry
            .calls
            .get(call.name())
            .and_then(Weak::upgrade)
            .is_some_and(|other| !other.is_over());
        if taken {
            return false;
        }
        registry
            .calls
            .insert(call.name().to_owned(), Arc::downgrade(call));
        registry
            .waiting
            .get(call.name())
            .cloned()
            .unwrap_or_default()
    };
    for (_, callback) in waiting {
        callback(call.clone());
    }
    true
}

/// Forgets the name of a call that is being dropped, unless another call took it over.
pub(super) fn forget(name: &str) {
    let mut registry = lock();
    if registry
        .calls
        .get(name)
        .is_some_and(|call| call.strong_count() == 0)
    {
        registry.calls.remove(name);
    }
}

/// Waits for calls of one name; ends when dropped.
pub struct Waiter {
    name: String,
    id: u64,
}

/// Calls `callback` with each call that gets this name, and at once with the one that has it.
pub fn wait_for(name: &str, callback: impl Fn(Arc<Call>) + Send + Sync + 'static) -> Waiter {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let callback: Callback = Arc::new(callback);
    let present = {
        let mut registry = lock();
        registry
            .waiting
            .entry(name.to_owned())
            .or_default()
            .push((id, callback.clone()));
        registry.calls.get(name).and_then(Weak::upgrade)
    };
    if let Some(call) = present.filter(|call| !call.is_over()) {
        callback(call);
    }
    Waiter {
        name: name.to_owned(),
        id,
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut registry = lock();
        if let Some(waiting) = registry.waiting.get_mut(&self.name) {
            waiting.retain(|(id, _)| *id != self.id);
            if waiting.is_empty() {
                registry.waiting.remove(&self.name);
            }
        }
    }
}
