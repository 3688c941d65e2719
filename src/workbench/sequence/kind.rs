//! What there is to call: every kind by its word and by its opcode.

use super::call::CallKind;

impl CallKind {
    /// The word that begins the call in the text form.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.descriptor().word
    }

    /// What the call does, in one line.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.descriptor().summary
    }

    /// The opcode on the wire.
    #[must_use]
    pub const fn opcode(self) -> u8 {
        self as u8
    }

    /// The kind with this opcode, or `None` for numbers that are unknown or reserved.
    #[inline]
    #[must_use]
    pub fn from_opcode(opcode: u8) -> Option<Self> {
        BY_OPCODE[usize::from(opcode)]
    }

    /// Its place in [`CallKind::ALL`].
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        INDICES[usize::from(self.opcode())]
    }
}

/// Opcodes have gaps: those of the interface's other entries are kept for them.
static BY_OPCODE: [Option<CallKind>; 256] = {
    let mut by_opcode = [None; 256];
    let mut index = 0;
    while index < CallKind::ALL.len() {
        let kind = CallKind::ALL[index];
        by_opcode[kind.opcode() as usize] = Some(kind);
        index += 1;
    }
    by_opcode
};

/// The place of each kind, by its opcode.
static INDICES: [usize; 256] = {
    let mut indices = [0; 256];
    let mut index = 0;
    while index < CallKind::ALL.len() {
        indices[CallKind::ALL[index].opcode() as usize] = index;
        index += 1;
    }
    indices
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::call::RESERVED;
    use super::*;

    #[test]
    fn every_opcode_and_word_means_one_thing() {
        let opcodes: Vec<u8> = CallKind::ALL.iter().map(|kind| kind.opcode()).collect();
        let reserved = RESERVED.iter().map(|&(opcode, _)| opcode);
        let all: Vec<u8> = opcodes.iter().copied().chain(reserved).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let words: Vec<&str> = CallKind::ALL.iter().map(|kind| kind.word()).collect();
        let all: Vec<&str> =
            words.iter().copied().chain(RESERVED.iter().map(|&(_, word)| word)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn an_opcode_names_its_kind_and_a_reserved_one_names_none() {
        for &kind in CallKind::ALL {
            assert_eq!(CallKind::from_opcode(kind.opcode()), Some(kind));
        }
        for &(opcode, word) in RESERVED {
            assert_eq!(CallKind::from_opcode(opcode), None, "{word}");
        }
        assert_eq!(CallKind::from_opcode(0), None);
        assert_eq!(CallKind::from_opcode(b'#'), None);
    }
}
