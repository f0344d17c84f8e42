// SPDX-License-Identifier: MPL-2.0
//! Watches as their users see them, and the task's part in them.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use tokio::sync::watch;

use super::command::{self, Command, Commands};
use super::task::Task;
use crate::watch::{WatchConfig, WatchId, WatchState};
use crate::wire::Uri;

/// Watches servers until it is dropped.
pub struct Watch {
    id: WatchId,
    commands: Commands,
    state: watch::Receiver<WatchState>,
}

impl Watch {
    pub(super) fn begin(commands: &Commands, config: WatchConfig) -> Watch {
        let id = WatchId::unique();
        let (sender, state) = watch::channel(WatchState::default());
        commands.send(Command::Watch(Box::new(command::Watch {
            id,
            config,
            state: sender,
        })));
        Watch {
            id,
            commands: commands.clone(),
            state,
        }
    }

    /// How the servers stand.
    pub fn state(&self) -> WatchState {
        self.state.borrow().clone()
    }

    /// Follows how they stand. The sender is gone once they are watched no more.
    pub fn follow(&self) -> watch::Receiver<WatchState> {
        self.state.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.commands.send(Command::Unwatch { id: self.id });
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// What the task keeps of its watches.
pub(super) type Watchers = HashMap<WatchId, Watcher>;

pub(super) struct Watcher {
    /// Whose host is looked up.
    towards: Uri,
    state: watch::Sender<WatchState>,
}

impl Task {
    pub(super) fn watch(&mut self, now: Instant, watch: command::Watch) {
        let command::Watch { id, config, state } = watch;
        if self.is_closing() {
            return;
        }
        let first = config.route.first().map_or(&config.uri, |proxy| &proxy.uri);
        let towards = first.clone();
        self.watchers.insert(id, Watcher { towards, state });
        self.endpoint.watch(now, id, config);
    }

    /// Finds the servers of a watch: anew each time, for names move.
    pub(super) fn locate_watched(&mut self, id: WatchId) {
        let Some(towards) = self.watchers.get(&id).map(|watcher| &watcher.towards) else {
            return;
        };
        self.find(towards.clone(), move |_, found| Command::WatchedLocated {
            id,
            found,
        });
    }

    pub(super) fn tell_watched(&mut self, id: WatchId, state: WatchState) {
        if let Some(watcher) = self.watchers.get(&id) {
            watcher.state.send_replace(state);
        }
    }

    pub(super) fn unwatch(&mut self, id: WatchId) {
        self.endpoint.unwatch(id);
        self.watchers.remove(&id);
    }

    pub(super) fn unwatch_all(&mut self) {
        for id in self.endpoint.watch_ids() {
            self.unwatch(id);
        }
    }
}
