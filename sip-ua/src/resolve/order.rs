// SPDX-License-Identifier: MPL-2.0
//! In which order the servers of one SRV name are tried (RFC 2782).

use rand::{Rng, RngExt};

use super::Srv;

/// By priority; within one, each by the chance that its weight gives it.
pub(super) fn ordered(mut records: Vec<Srv>, rng: &mut impl Rng) -> Vec<Srv> {
    records.sort_by_key(|record| record.priority);
    let mut ordered = Vec::with_capacity(records.len());
    let mut rest = records.into_iter().peekable();
    while let Some(priority) = rest.peek().map(|record| record.priority) {
        let mut group = Vec::new();
        while let Some(record) = rest.next_if(|record| record.priority == priority) {
            group.push(record);
        }
        // Those without weight stand first, so that they have a small chance beside the others.
        group.sort_by_key(|record| record.weight > 0);
        while !group.is_empty() {
            let sum: u32 = group.iter().map(|record| u32::from(record.weight)).sum();
            let drawn = rng.random_range(0..=sum);
            let mut running = 0;
            let at = group.iter().position(|record| {
                running += u32::from(record.weight);
                running >= drawn
            });
            ordered.push(group.remove(at.unwrap_or_default()));
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv {
            priority,
            weight,
            port: 5060,
            target: target.to_owned(),
        }
    }

    #[test]
    fn a_lower_priority_always_comes_first() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let records = vec![
                srv(20, 65_535, "last"),
                srv(1, 0, "first"),
                srv(10, 5, "then"),
            ];
            let names: Vec<String> = ordered(records, &mut rng)
                .into_iter()
                .map(|record| record.target)
                .collect();
            assert_eq!(names, ["first", "then", "last"]);
        }
    }

    #[test]
    fn weights_are_chances() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut first = [0; 3];
        for _ in 0..10_000 {
            let records = vec![srv(1, 75, "0"), srv(1, 25, "1"), srv(1, 0, "2")];
            let order = ordered(records, &mut rng);
            assert_eq!(order.len(), 3);
            first[order[0].target.parse::<usize>().unwrap()] += 1;
        }
        assert!((7_200..7_700).contains(&first[0]), "{first:?}");
        assert!((2_200..2_700).contains(&first[1]), "{first:?}");
        // One in a hundred and one.
        assert!((50..200).contains(&first[2]), "{first:?}");
    }

    #[test]
    fn without_any_weight_all_of_them_are_there() {
        let mut rng = StdRng::seed_from_u64(1);
        let records = vec![srv(1, 0, "a"), srv(1, 0, "b"), srv(0, 0, "c")];
        let order = ordered(records, &mut rng);
        assert_eq!(order.len(), 3);
        assert_eq!(order[0].target, "c");
    }
}
