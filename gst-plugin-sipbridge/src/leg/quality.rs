// SPDX-License-Identifier: MPL-2.0
//! How well a call sounds, by the E-model (ITU-T G.107) from what was measured.
//!
//! Everything but delay and loss is taken at the standard's defaults. All codecs are rated on the
//! narrow-band scale, on which the best that can be is 4.4; a wide-band call sounds better than its
//! figure.

/// The rating of a call without delay, loss or codec: the defaults of G.107 together.
const BEST: f64 = 93.2;

/// Packet-loss robustness Bpl of G.711 with concealment (G.113 appendix I). That appendix knows no
/// other codec of ours; each is concealed at least as well.
const ROBUSTNESS: f64 = 25.1;

/// Fewer packets make no percentage.
const ENOUGH: u64 = 50;

/// One way through the network and its buffers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Way {
    /// Packets heard.
    pub(super) heard: u64,
    /// Packets that were not, though sent, and in how many runs.
    pub(super) missed: u64,
    pub(super) runs: u64,
    /// From mouth to ear, as far as it is known.
    pub(super) delay_ms: f64,
}

/// The mean opinion of this way, from 1 to 4.4; `None` while there is too little to judge by.
pub(super) fn mos(way: &Way) -> Option<f64> {
    let all = way.heard + way.missed;
    (all >= ENOUGH).then(|| mos_of(rating(way)))
}

/// The rating R.
fn rating(way: &Way) -> f64 {
    let loss = way.missed as f64 / (way.heard + way.missed).max(1) as f64;
    // How long runs are, over how long they would be by chance (G.107 section 3.5).
    let burst = if way.runs == 0 {
        1.0
    } else {
        (way.missed as f64 / way.runs as f64 * (1.0 - loss)).max(1.0)
    };
    let percent = loss * 100.0;
    let equipment = 95.0 * percent / (percent / burst + ROBUSTNESS);
    BEST - delay_impairment(way.delay_ms) - equipment
}

/// Idd (G.107 section 3.4): delay is not noticed up to 100 ms.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let sixth = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// Annex B of G.107.
fn mos_of(rating: f64) -> f64 {
    if rating <= 0.0 {
        return 1.0;
    }
    let rating = rating.min(100.0);
    let mos = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    mos.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(missed: u64, runs: u64, delay_ms: f64) -> f64 {
        let way = Way {
            heard: 1_000 - missed,
            missed,
            runs,
            delay_ms,
        };
        mos(&way).unwrap()
    }

    #[test]
    fn the_standards_own_figures_come_out() {
        // The default rating and its opinion (G.107 section 4 and annex B).
        assert!((way(0, 0, 0.0) - 4.41).abs() < 0.01);
        assert!((mos_of(80.0) - 4.03).abs() < 0.01);
        assert!((mos_of(50.0) - 2.58).abs() < 0.01);
        assert_eq!(mos_of(-5.0), 1.0);
        // Idd at 200 and 400 ms.
        assert!(
            (delay_impairment(200.0) - 3.0).abs() < 0.2,
            "{}",
            delay_impairment(200.0)
        );
        assert!(
            (delay_impairment(400.0) - 24.0).abs() < 1.5,
            "{}",
            delay_impairment(400.0)
        );
        assert_eq!(delay_impairment(100.0), 0.0);
    }

    #[test]
    fn loss_costs_and_bursts_cost_more() {
        let chance = way(50, 48, 50.0);
        let bursts = way(50, 10, 50.0);
        assert!((3.7..4.1).contains(&chance), "{chance}");
        assert!(bursts < chance - 0.05, "{bursts}");
        assert!(way(200, 160, 50.0) < 3.0);
        assert!(way(50, 48, 400.0) < chance - 0.5);
    }

    #[test]
    fn a_moment_is_no_opinion() {
        let way = Way {
            heard: 20,
            ..Way::default()
        };
        assert_eq!(mos(&way), None);
    }
}
