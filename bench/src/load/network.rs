// SPDX-License-Identifier: MPL-2.0
//! What a network does to the packets of a stream, the same in each run.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Packets that are lost one after the other, in the mean.
const BURST: f64 = 3.5;

/// A kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Network {
    /// Nothing happens to any packet.
    #[default]
    Clean,
    /// So many percent are lost, each by itself.
    Loss(f64),
    /// So many percent are lost, several in a row (a Gilbert model).
    Bursts(f64),
    /// Each packet is delayed by itself by anything up to so many milliseconds: where that is more than
    /// the time between two, they overtake each other.
    Jitter(f64),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::Clean => write!(f, "clean"),
            Network::Loss(percent) => write!(f, "{percent} % lost"),
            Network::Bursts(percent) => write!(f, "{percent} % lost in bursts"),
            Network::Jitter(ms) => write!(f, "{ms} ms jitter"),
        }
    }
}

/// One stream's way through a network.
pub struct Passage {
    network: Network,
    random: StdRng,
    losing: bool,
}

impl Passage {
    /// Streams of another `seed` fare differently.
    pub fn new(network: Network, seed: u64) -> Passage {
        Passage {
            network,
            random: StdRng::seed_from_u64(seed),
            losing: false,
        }
    }

    /// How long the next packet takes; none: it is lost.
    pub fn next(&mut self) -> Option<Duration> {
        let chance: f64 = self.random.random();
        match self.network {
            Network::Clean => Some(Duration::ZERO),
            Network::Loss(percent) => (chance >= percent / 100.0).then_some(Duration::ZERO),
            Network::Bursts(percent) => {
                let share = percent / 100.0;
                let ends = 1.0 / BURST;
                let begins = ends * share / (1.0 - share);
                let changes = if self.losing { ends } else { begins };
                self.losing ^= chance < changes;
                (!self.losing).then_some(Duration::ZERO)
            }
            Network::Jitter(ms) => Some(Duration::from_secs_f64(chance * ms / 1_000.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: usize = 200_000;

    fn through(network: Network) -> Vec<Option<Duration>> {
        let mut passage = Passage::new(network, 7);
        (0..PACKETS).map(|_| passage.next()).collect()
    }

    fn lost_percent(fates: &[Option<Duration>]) -> f64 {
        100.0 * fates.iter().filter(|fate| fate.is_none()).count() as f64 / fates.len() as f64
    }

    #[test]
    fn as_much_is_lost_as_is_said() {
        for percent in [1.0, 10.0] {
            let lost = lost_percent(&through(Network::Loss(percent)));
            assert!((lost - percent).abs() < percent / 10.0, "{lost}");
        }
        let fates = through(Network::Bursts(5.0));
        let lost = lost_percent(&fates);
        assert!((lost - 5.0).abs() < 0.5, "{lost}");
        let bursts = fates
            .windows(2)
            .filter(|pair| pair[0].is_some() && pair[1].is_none());
        let length = lost / 100.0 * PACKETS as f64 / bursts.count() as f64;
        assert!((length - BURST).abs() < 0.3, "{length}");
    }

    #[test]
    fn jitter_is_spread_and_loses_nothing() {
        let fates = through(Network::Jitter(60.0));
        let mut ms: Vec<f64> = fates
            .into_iter()
            .map(|fate| fate.unwrap().as_secs_f64() * 1e3)
            .collect();
        ms.sort_by(f64::total_cmp);
        assert!(ms[0] < 1.0 && ms[PACKETS - 1] > 59.0);
        assert!((ms[PACKETS / 2] - 30.0).abs() < 1.0);
    }

    #[test]
    fn the_same_happens_again_to_the_same_stream_alone() {
        let fates = |seed| {
            let mut passage = Passage::new(Network::Jitter(30.0), seed);
            std::array::from_fn::<_, 8, _>(|_| passage.next())
        };
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }
}
