// SPDX-License-Identifier: MPL-2.0
//! How many connections there may be, and how much they may hold.

/// What bounds the memory that connections take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// Connections at once.
    pub flows: usize,
    /// Of these, ones that others opened and that were not given a word yet. One more takes the place of
    /// the oldest one from where the most are.
    pub strangers: usize,
    /// Of these, ones whose handshake is not done. One more takes the place of the oldest: an honest
    /// one is done long before its turn to go comes.
    pub handshakes: usize,
    /// Octets of messages that are not there whole, over all connections.
    pub buffered: usize,
    /// Octets that one far end may leave unread before its connection is given up.
    pub unwritten: usize,
}

impl Default for FlowLimits {
    fn default() -> Self {
        FlowLimits {
            flows: 8192,
            // Those of two seconds at 2,000 a second, where callers connect faster than they speak.
            strangers: 4096,
            handshakes: 64,
            buffered: 32 << 20,
            unwritten: 1 << 20,
        }
    }
}

impl FlowLimits {
    /// Those that leave a process which may hold this many descriptors enough for all else.
    pub fn within(descriptors: usize) -> FlowLimits {
        let most = FlowLimits::default();
        FlowLimits {
            flows: most.flows.min(descriptors / 4 * 3),
            strangers: most.strangers.min(descriptors / 2),
            ..most
        }
    }
}
