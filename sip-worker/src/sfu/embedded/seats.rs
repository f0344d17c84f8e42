// SPDX-License-Identifier: MPL-2.0
//! Which tracks are heard on which lines of a connection. No I/O here.
//!
//! A browser makes its offer before it knows who will be there, and WHEP lets nobody but it offer. So it
//! offers as many lines as it likes to hear at once, and who talks gets one: that of whoever was silent
//! longest. Where there are lines enough everybody keeps theirs.

use std::time::Instant;

use super::splice::Splice;
use crate::sfu::TrackId;

/// A line, and who is heard on it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) line: usize,
    track: Option<TrackId>,
    /// When its track began to talk last.
    talked: Option<Instant>,
    pub(super) splice: Splice,
}

/// All lines of a connection that hears.
#[derive(Debug)]
pub(super) struct Seats {
    seats: Vec<Seat>,
    /// Whoever is there is seated; otherwise one track alone, which was asked for.
    open: bool,
}

impl Seats {
    /// Lines for whoever is there.
    pub(super) fn open(lines: impl IntoIterator<Item = usize>) -> Seats {
        Seats {
            seats: lines.into_iter().map(|line| Seat::at(line, None)).collect(),
            open: true,
        }
    }

    /// The first line for one track.
    pub(super) fn reserved(track: TrackId) -> Seats {
        Seats {
            seats: vec![Seat::at(0, Some(track))],
            open: false,
        }
    }

    /// Where a track is heard.
    pub(super) fn of(&mut self, track: &TrackId) -> Option<&mut Seat> {
        self.seats
            .iter_mut()
            .find(|seat| seat.track.as_ref() == Some(track))
    }

    /// Seats a track where nobody is. Returns whether it is heard now and was not before.
    pub(super) fn admit(&mut self, track: &TrackId) -> bool {
        if !self.open || self.of(track).is_some() {
            return false;
        }
        match self.seats.iter_mut().find(|seat| seat.track.is_none()) {
            Some(seat) => {
                seat.give(track.clone(), None);
                true
            }
            None => false,
        }
    }

    /// A track begins to talk. Where it has no seat, it gets that of whoever talked last the longest ago;
    /// returns whose that was.
    pub(super) fn talks(&mut self, now: Instant, track: &TrackId) -> Option<TrackId> {
        if !self.open {
            return None;
        }
        if let Some(seat) = self.of(track) {
            seat.talked = Some(now);
            return None;
        }
        let seat = self.seats.iter_mut().min_by_key(|seat| seat.talked)?;
        seat.give(track.clone(), Some(now))
    }

    /// A track is no more. Returns whether its seat is free for another now.
    pub(super) fn remove(&mut self, track: &TrackId) -> bool {
        match self.of(track) {
            Some(seat) => {
                (seat.track, seat.talked) = (None, None);
                self.open
            }
            None => false,
        }
    }
}

impl Seat {
    fn at(line: usize, track: Option<TrackId>) -> Seat {
        Seat {
            line,
            track,
            talked: None,
            splice: Splice::default(),
        }
    }

    fn give(&mut self, track: TrackId, talked: Option<Instant>) -> Option<TrackId> {
        self.splice.cut();
        self.talked = talked;
        self.track.replace(track)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(name: &str) -> TrackId {
        TrackId(name.to_owned())
    }

    #[test]
    fn whoever_is_there_keeps_a_line_while_there_are_enough() {
        let mut seats = Seats::open([0, 2]);
        assert!(seats.admit(&id("ann")));
        assert!(seats.admit(&id("bob")));
        assert!(!seats.admit(&id("bob")), "seated already");
        assert!(!seats.admit(&id("carl")), "no seat is left");
        assert_eq!(seats.of(&id("bob")).unwrap().line, 2);
        assert!(seats.remove(&id("ann")));
        assert!(seats.admit(&id("carl")));
        assert_eq!(seats.of(&id("carl")).unwrap().line, 0);
    }

    #[test]
    fn who_talks_gets_the_line_of_the_longest_silent() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut seats = Seats::open([0, 1]);
        seats.admit(&id("ann"));
        seats.admit(&id("bob"));
        assert_eq!(seats.talks(at(1), &id("ann")), None);
        assert_eq!(
            seats.talks(at(2), &id("carl")),
            Some(id("bob")),
            "never talked"
        );
        assert_eq!(seats.talks(at(3), &id("bob")), Some(id("ann")));
        assert_eq!(seats.talks(at(4), &id("ann")), Some(id("carl")));
    }

    #[test]
    fn what_was_asked_for_alone_stays_alone() {
        let mut seats = Seats::reserved(id("ann"));
        assert!(!seats.admit(&id("bob")));
        assert_eq!(seats.talks(Instant::now(), &id("bob")), None);
        assert_eq!(seats.of(&id("ann")).unwrap().line, 0);
        assert!(!seats.remove(&id("ann")));
        assert!(!seats.admit(&id("bob")));
    }
}
