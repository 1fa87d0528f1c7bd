//! Medians, spreads, ratios within a round, the middle one of several blocks.

use super::data::Sample;

/// The middle value; of an even number, the mean of the middle two.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// A median with the smallest and the greatest value it stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Option<Spread> {
        let median = median(values)?;
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Spread { median, min, max })
    }

    /// The median of each block's median: the middle one of three blocks. With
    /// one block, the median. `values` are pairs of block and value. The spread
    /// is that of all values.
    pub fn of_blocks(values: &[(usize, f64)]) -> Option<Spread> {
        let mut blocks: Vec<usize> = values.iter().map(|(block, _)| *block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let medians: Vec<f64> = blocks
            .iter()
            .filter_map(|block| {
                let of_it = values.iter().filter(|(b, _)| b == block).map(|(_, value)| *value);
                median(&of_it.collect::<Vec<_>>())
            })
            .collect();
        let all: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        Some(Spread { median: median(&medians)?, ..Spread::of(&all)? })
    }
}

/// A metric of each sample that has it, with its block.
pub fn values(samples: &[Sample], metric: &str) -> Vec<(usize, f64)> {
    samples.iter().filter_map(|s| Some((s.block, *s.values.get(metric)?))).collect()
}

/// `of : to`, round by round: only what was measured in the same round of the
/// same block is compared, because the machine drifts between rounds.
pub fn ratios(of: &[Sample], to: &[Sample], metric: &str) -> Vec<(usize, f64)> {
    values(&ratio_samples(of, to, metric), metric)
}

/// The same as samples of that metric, to be compared further.
pub fn ratio_samples(of: &[Sample], to: &[Sample], metric: &str) -> Vec<Sample> {
    let mut ratios = Vec::new();
    for sample in of {
        let same = to.iter().find(|t| (t.block, t.round) == (sample.block, sample.round));
        let Some(partner) = same else { continue };
        if let (Some(a), Some(b)) = (sample.values.get(metric), partner.values.get(metric))
            && *b > 0.0
        {
            let values = [(metric.to_string(), a / b)].into();
            ratios.push(Sample { values, ..*sample });
        }
    }
    ratios
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(block: usize, round: usize, value: f64) -> Sample {
        Sample { block, round, values: [("x".to_string(), value)].into() }
    }

    #[test]
    fn the_median_is_the_middle_value_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn the_spread_keeps_the_extremes() {
        let spread = Spread::of(&[2.0, 8.0, 3.0]);
        assert_eq!(spread, Some(Spread { median: 3.0, min: 2.0, max: 8.0 }));
    }

    #[test]
    fn of_three_blocks_the_middle_one_counts_not_the_middle_of_all_rounds() {
        // Medians 1, 5 and 2: the middle one is 2, though most values are near 5.
        let values =
            [(1, 1.0), (2, 5.0), (2, 5.0), (2, 5.0), (2, 5.1), (2, 4.9), (3, 2.0), (3, 2.0)];
        let spread = Spread::of_blocks(&values);
        assert_eq!(spread, Some(Spread { median: 2.0, min: 1.0, max: 5.1 }));
    }

    #[test]
    fn a_ratio_compares_only_what_shares_block_and_round() {
        let ours = [sample(1, 1, 30.0), sample(1, 2, 10.0), sample(2, 1, 8.0)];
        let theirs = [sample(1, 2, 5.0), sample(1, 1, 20.0), sample(2, 2, 1.0)];
        assert_eq!(ratios(&ours, &theirs, "x"), [(1, 1.5), (1, 2.0)]);
        assert_eq!(ratios(&ours, &theirs, "y"), []);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert_eq!(ratios(&[sample(1, 1, 3.0)], &[sample(1, 1, 0.0)], "x"), []);
    }
}
