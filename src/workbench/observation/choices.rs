//! What a driver chooses otherwise than the driver core, where the documents are silent.

/// Choices at silent points; those of the driver core by default.
///
/// A choice is only ever about what is said and when: that a finish without a start has no effect, that no
/// counter is used twice under one key, or which key is in force, is nobody's to choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choices {
    /// Whether a refusal may have any code of failure, and not only that of the core (S-44 to S-46).
    pub any_failure: bool,
    /// Whether sessions cannot be used for decode: no decode profile goes with any cipher.
    pub no_decode: bool,
    /// Whether it is not asked for its capabilities: `GetContentProtectionCaps` is not offered.
    pub no_capabilities: bool,
    /// Whether it has entries and properties that no call of a sequence reaches, so that what it says of them
    /// is not judged.
    pub more_capabilities: bool,
    /// Whether there are no read-back keys: `GetEncryptionBltKey` is not offered.
    pub no_read_back_keys: bool,
    /// The points, by number.
    points: u128,
}

impl Choices {
    /// S-01: a second start is served, or a refused one ends the refresh that was under way.
    pub const SECOND_START: u8 = 1;
    /// S-08: a key exchange while a refresh is under way is served, or ends that refresh although it is refused.
    pub const EXCHANGE_WHILE_PENDING: u8 = 8;
    /// S-26: counters may restart with a key that is in force for the first time.
    pub const COUNTERS_RESTART: u8 = 26;
    /// S-29: uploads and read-backs have a row of counters each, which never meet.
    pub const TWO_ROWS: u8 = 29;
    /// S-50: what works need not be advertised. What is advertised works in any case.
    pub const HIDDEN_CAPABILITIES: u8 = 50;
    /// S-54: a device that was removed serves nothing any more, and not only its sessions.
    pub const REMOVED_FOR_GOOD: u8 = 54;
    /// S-48: outputs of refused calls are left as they were.
    pub const OUTPUTS_LEFT: u8 = 48;

    /// Points that nobody may choose at: that something has no effect, or comes to its end (S-02, S-03,
    /// S-17, S-18, S-79).
    pub const NEVER: [u8; 5] = [2, 3, 17, 18, 79];

    /// The same, and otherwise than the core at this silent point; `None` for a number that is none, or at
    /// which there is nothing to choose.
    #[must_use]
    pub fn with(self, point: u8) -> Option<Self> {
        let is_free = point > 0 && point <= 99 && !Self::NEVER.contains(&point);
        is_free.then(|| Self { points: self.points | 1 << point, ..self })
    }

    /// The same, and as the core at this silent point.
    #[must_use]
    pub fn without(self, point: u8) -> Self {
        Self { points: self.points & !(1 << point), ..self }
    }

    /// The points at which the driver chooses otherwise than the core, in their order.
    pub fn points(self) -> impl Iterator<Item = u8> {
        (0..128).filter(move |&point| self.has(point))
    }

    /// Whether the driver chooses otherwise than the core at this silent point.
    #[must_use]
    pub fn has(self, point: u8) -> bool {
        self.points & 1 << point != 0
    }

    /// Whether it does at one of the points among these rules: ids with blanks between them.
    #[must_use]
    pub fn has_one_of(self, rules: &str) -> bool {
        self.points != 0 && rules.split(' ').filter_map(number_of).any(|point| self.has(point))
    }
}

/// The number of a silent point: 7 for `S-07`.
#[must_use]
pub fn number_of(id: &str) -> Option<u8> {
    id.strip_prefix("S-")?.parse().ok().filter(|&number| number < 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_chosen_is_otherwise_and_some_points_are_never() {
        let choices = Choices::default().with(1).unwrap().with(48).unwrap();
        assert!(choices.has_one_of("R-16 S-01 INV-04") && choices.has(Choices::OUTPUTS_LEFT));
        assert!(
            !choices.has_one_of("S-07 S-08") && !choices.has_one_of("") && !choices.any_failure
        );
        for never in [0, 2, 3, 17, 18, 79, 100, 127, 128, 255] {
            assert_eq!(Choices::default().with(never), None, "{never}");
        }
    }
}
