//! The Mann-Whitney test, exact also where values are equal: every way to deal the ranks is counted.
//!
//! Samples of a benchmark are small and misses are all equal, which is where the usual normal
//! approximation is worst.

use super::number;

/// The two-sided p-value: how likely ranks that are at least as far apart would be by chance.
///
/// Misses are equal among each other and above every catch. It is 1 if one side has no values.
/// Time grows with the fourth power of the number of values: fine for tens, not for thousands.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sums of ranks of small samples")]
pub fn rank_sum(a: &[Option<f64>], b: &[Option<f64>]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let ranks = doubled_ranks(a.iter().chain(b).map(|value| number(*value)).collect());
    let observed: usize = ranks[..a.len()].iter().sum();
    // Doubled ranks of all values add up to n (n + 1), so this many are expected on one side.
    let expected = (a.len() * (ranks.len() + 1)) as f64;
    let distance = (observed as f64 - expected).abs();
    let ways = ways(&ranks, a.len());
    let all: f64 = ways.iter().sum();
    let extreme = ways.iter().enumerate().filter(|(sum, _)| {
        // Both are whole numbers, so equal ones are exactly equal.
        (*sum as f64 - expected).abs() >= distance
    });
    extreme.map(|(_, ways)| ways).sum::<f64>() / all
}

/// Twice the rank of each value; equal values share the mean of their ranks, hence twice.
fn doubled_ranks(values: Vec<f64>) -> Vec<usize> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    values.iter().map(rank).collect()
}

/// For each sum, in how many ways `count` of the ranks add up to it.
fn ways(ranks: &[usize], count: usize) -> Vec<f64> {
    let sum_max: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; sum_max + 1]; count + 1];
    ways[0][0] = 1.0;
    for (seen, &rank) in ranks.iter().enumerate() {
        for chosen in (1..=count.min(seen + 1)).rev() {
            for sum in (rank..=sum_max).rev() {
                let fewer = ways[chosen - 1][sum - rank];
                ways[chosen][sum] += fewer;
            }
        }
    }
    ways.swap_remove(count)
}

#[cfg(test)]
mod tests {
    use super::rank_sum;

    fn check(a: &[f64], b: &[f64], expected: f64) {
        // Infinity stands for a miss.
        let sample = |values: &[f64]| -> Vec<Option<f64>> {
            values.iter().map(|&value| value.is_finite().then_some(value)).collect()
        };
        let p = rank_sum(&sample(a), &sample(b));
        assert!((p - expected).abs() < 1e-12, "{p} instead of {expected} for {a:?} and {b:?}");
        let turned = rank_sum(&sample(b), &sample(a));
        assert!((p - turned).abs() < 1e-12, "{p} one way and {turned} the other");
    }

    const MISS: f64 = f64::INFINITY;

    #[test]
    fn samples_that_do_not_overlap_have_the_two_extreme_deals() {
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 2.0 / 20.0);
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0], 2.0 / 252.0);
        let (low, high): (Vec<f64>, Vec<f64>) =
            ((0..10).map(f64::from).collect(), (10..20).map(f64::from).collect());
        check(&low, &high, 2.0 / 184_756.0);
    }

    #[test]
    fn the_tables_of_the_statistic_agree() {
        // U = 2 of sizes 4 and 5: P(U <= 2) is 4/126 in Mann and Whitney's table.
        check(&[1.0, 2.0, 3.0, 6.0], &[4.0, 5.0, 7.0, 8.0, 9.0], 8.0 / 126.0);
        // U = 0 of sizes 2 and 3.
        check(&[1.0, 2.0], &[3.0, 4.0, 5.0], 2.0 / 10.0);
    }

    #[test]
    fn equal_values_share_their_rank() {
        check(&[1.0, 1.0], &[1.0, 1.0], 1.0);
        // Ranks 1.5, 1.5 | 3.5, 3.5: of six deals, two are as far apart.
        check(&[1.0, 1.0], &[2.0, 2.0], 2.0 / 6.0);
        // Ranks 1, 2.5 | 2.5, 4: the sum 3.5 against the expected 5; only 6.5 is as far, and each
        // of the two comes about in two ways.
        check(&[1.0, 2.0], &[2.0, 3.0], 4.0 / 6.0);
    }

    #[test]
    fn misses_count_as_the_worst_and_are_equal() {
        check(&[1.0, 2.0, 3.0], &[MISS, MISS, MISS], 2.0 / 20.0);
        check(&[MISS, MISS], &[MISS, MISS, MISS], 1.0);
        check(&[], &[1.0], 1.0);
    }
}
