//! Logarithmic places in a figure, and numbers as people read them.

/// A logarithmic axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The value at the left end, and the one at the right end; both positive.
    pub(super) values: (f64, f64),
    /// Where they are.
    pub(super) places: (f64, f64),
}

impl Scale {
    /// Where a value is; values beyond the ends are at the ends.
    pub(super) fn place(self, value: f64) -> f64 {
        let (low, high) = self.values;
        let part = (value.clamp(low, high) / low).ln() / (high / low).ln();
        self.places.0 + part * (self.places.1 - self.places.0)
    }

    /// The powers of ten on the axis.
    pub(super) fn decades(self) -> impl Iterator<Item = f64> {
        let (low, high) = self.values;
        std::iter::successors(Some(1.0), |decade| Some(decade * 10.0))
            .skip_while(move |&decade| decade < low)
            .take_while(move |&decade| decade <= high)
    }
}

/// The power of ten at or above a value, at least ten.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm of a count is small")]
pub(super) fn decade_above(value: f64) -> f64 {
    10_f64.powi(value.max(10.0).log10().ceil() as i32)
}

/// A count in three digits at most.
pub(super) fn count(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 999.5e6 => (value / 1e9, "G"),
        value if value >= 999.5e3 => (value / 1e6, "M"),
        value if value >= 999.5 => (value / 1e3, "k"),
        value => (value, ""),
    };
    if value >= 9.95 || value.fract() == 0.0 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

/// A ratio.
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.995 => format!("×{ratio:.2}"),
        ratio if ratio < 9.95 => format!("×{ratio:.1}"),
        ratio => format!("×{ratio:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_is_everywhere_as_wide() {
        let scale = Scale { values: (1.0, 1000.0), places: (30.0, 330.0) };
        let places =
            [0.1, 1.0, 10.0, 100.0, 1000.0, 5000.0].map(|value| scale.place(value).round());
        assert_eq!(places, [30.0, 30.0, 130.0, 230.0, 330.0, 330.0]);
        assert_eq!(scale.decades().count(), 4);
    }

    #[test]
    fn numbers_are_short() {
        let counts = [1.0, 7.5, 40.0, 999.0, 1234.0, 45_678.0, 1.2e6, 1e9].map(count);
        assert_eq!(counts, ["1", "7.5", "40", "999", "1.2k", "46k", "1.2M", "1G"]);
        assert_eq!([0.5, 1.0, 21.3].map(times), ["×0.50", "×1.0", "×21"]);
        assert_eq!([3.0, 10.0, 11.0].map(decade_above), [10.0, 10.0, 100.0]);
    }
}
