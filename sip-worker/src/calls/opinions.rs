// SPDX-License-Identifier: MPL-2.0
//! How calls sounded, all together: the E-model's opinions at their ends, by class.

use super::figures::Figures;

/// The upper bounds of the classes. 3.1 is where many users are dissatisfied, 3.6 where some are, 4.0 where
/// they are satisfied (ITU-T G.107 appendix); no narrow-band call is above 4.4.
pub const BOUNDS: [f64; 7] = [2.0, 2.6, 3.1, 3.6, 4.0, 4.3, 4.5];

/// Opinions of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Opinions {
    /// How many are in each class and in none before it.
    pub classes: [u64; BOUNDS.len()],
    /// All of them, added up.
    pub sum: f64,
    /// How many there are.
    pub count: u64,
}

impl Opinions {
    fn add(&mut self, mos: f64) {
        let class = BOUNDS.iter().position(|bound| mos <= *bound);
        if let Some(count) = class.and_then(|class| self.classes.get_mut(class)) {
            *count += 1;
        }
        self.sum += mos;
        self.count += 1;
    }
}

/// Both directions, on the phone's side.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BothOpinions {
    /// What came from phones.
    pub received: Opinions,
    /// What phones heard, where they told of it.
    pub sent: Opinions,
}

impl BothOpinions {
    /// A call with these figures is over.
    pub fn add(&mut self, figures: &Figures) {
        let Some(phone) = &figures.phone else { return };
        if let Some(mos) = phone.received.mos {
            self.received.add(mos);
        }
        if let Some(mos) = phone.sent.mos {
            self.sent.add(mos);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::PhoneFigures;
    use super::*;

    #[test]
    fn a_call_counts_in_each_direction_that_has_an_opinion() {
        let mut opinions = BothOpinions::default();
        let mut phone = PhoneFigures::default();
        opinions.add(&Figures::default());
        phone.received.mos = Some(4.0);
        opinions.add(&Figures {
            phone: Some(phone.clone()),
            room: None,
        });
        phone.received.mos = Some(1.2);
        phone.sent.mos = Some(4.41);
        opinions.add(&Figures {
            phone: Some(phone),
            room: None,
        });
        let BothOpinions { received, sent } = opinions;
        assert_eq!(received.classes, [1, 0, 0, 0, 1, 0, 0]);
        assert_eq!((received.count, received.sum), (2, 5.2));
        assert_eq!(sent.classes, [0, 0, 0, 0, 0, 0, 1]);
    }
}
