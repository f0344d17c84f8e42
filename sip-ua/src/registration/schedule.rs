// SPDX-License-Identifier: MPL-2.0
//! When to send the next REGISTER.

use std::time::Duration;

/// The first pause after a failure; each further failure in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause of that row, and the pause after a refusal that time alone does not mend:
/// registrars lock out those who keep guessing.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The longest a `Retry-After` is obeyed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// What the pauses grow from, and to, that RFC 5626 §4.5 asks for.
const FLOW_BASE_TIME: Duration = Duration::from_secs(30);
const FLOW_MAX_TIME: Duration = Duration::from_secs(1800);
/// How long before its end a long binding is refreshed: time for a transaction to give up and for
/// another try.
const LEAD: Duration = Duration::from_secs(60);

/// How long to wait before a binding is refreshed that was granted for so long. `roll` (0–999)
/// spreads many registrations made at once.
pub(super) fn refresh_after(granted: Duration, roll: u32) -> Duration {
    let latest = (granted * 3 / 4).max(granted.saturating_sub(LEAD));
    latest - spread(latest / 20, roll)
}

/// How long to wait after this many failures in a row, this one included.
pub(super) fn retry_after(
    status: Option<u16>,
    asked: Option<Duration>,
    failures: u32,
    roll: u32,
) -> Duration {
    if let Some(asked) = asked {
        return asked.clamp(Duration::from_secs(1), LONGEST_RETRY_AFTER);
    }
    let longest = match status {
        Some(status) if !passes_by_itself(status) => LONGEST_PAUSE,
        _ => FIRST_PAUSE
            .saturating_mul(1 << failures.saturating_sub(1).min(16))
            .min(LONGEST_PAUSE),
    };
    // Half to all of it (RFC 5626 §4.5), so that a registrar that comes back is not stormed.
    longest - spread(longest / 2, roll)
}

/// How long to wait before the connection is made anew that a registration had, after this many
/// failures in a row (RFC 5626 §4.5): a registration has one only, so all of them have failed.
pub(super) fn flow_retry_after(failures: u32, roll: u32) -> Duration {
    let longest = FLOW_BASE_TIME
        .saturating_mul(1 << failures.min(16))
        .min(FLOW_MAX_TIME);
    longest - spread(longest / 2, roll)
}

/// Whether the same request may succeed a little later.
fn passes_by_itself(status: u16) -> bool {
    matches!(
        status,
        408 | 429 | 480 | 486 | 491 | 500 | 502..=504 | 580 | 600
    )
}

fn spread(span: Duration, roll: u32) -> Duration {
    span * (roll % 1000) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_binding_is_refreshed_well_before_its_end() {
        for (granted, latest, earliest) in [(60, 45, 42), (120, 90, 85), (3600, 3540, 3363)] {
            assert_eq!(refresh_after(s(granted), 0), s(latest));
            let early = refresh_after(s(granted), 999);
            assert!(early > s(earliest) && early < s(latest), "{early:?}");
        }
    }

    #[test]
    fn pauses_grow_to_five_minutes() {
        let pauses: Vec<_> = (1..9)
            .map(|n| retry_after(None, None, n, 0).as_secs())
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(retry_after(None, None, u32::MAX, 0), s(300));
        assert!(retry_after(None, None, 1, 999) > s(2));
    }

    #[test]
    fn a_flow_is_made_anew_as_rfc_5626_says() {
        let pauses: Vec<_> = (1..8).map(|n| flow_retry_after(n, 0).as_secs()).collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1800, 1800]);
        assert_eq!(flow_retry_after(u32::MAX, 0), s(1800));
        assert!(flow_retry_after(1, 999) >= s(30));
    }

    #[test]
    fn a_refusal_for_good_is_not_hammered_at() {
        assert_eq!(retry_after(Some(403), None, 1, 0), s(300));
        assert_eq!(retry_after(Some(503), None, 1, 0), s(5));
    }

    #[test]
    fn the_registrar_says_when() {
        assert_eq!(retry_after(Some(503), Some(s(17)), 4, 999), s(17));
        assert_eq!(retry_after(Some(503), Some(s(0)), 4, 999), s(1));
        assert_eq!(retry_after(Some(503), Some(s(99_999)), 4, 0), s(3600));
    }
}
