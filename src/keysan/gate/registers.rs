//! Names the registers, and says where in a capture each of them stands.

use std::fmt;

use super::LeftoverPlace;

/// Eight-byte words in the widest vector register.
pub(super) const VECTOR_WORDS: usize = 8;

/// The general registers in the order of a capture: all but the stack pointer.
const GENERAL_NAMES: [&str; 15] = [
    "rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];

/// How many general registers a capture holds.
pub(super) const GENERAL_COUNT: usize = GENERAL_NAMES.len();

/// A register of the processor, by the narrowest name that reaches the bytes in question.
///
/// Sixteen bytes of a vector register are called xmm, thirty-two ymm, all of them zmm, so that a
/// finding reads the same on processors of any width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    General(&'static str),
    Xmm(usize),
    Ymm(usize),
    Zmm(usize),
    Mask(usize),
}

/// How many numbers each kind of register has in [`Register::number`].
const NUMBERS: u16 = 64;

impl Register {
    /// Its number, the same in every version: for handing it from one process to another.
    #[must_use]
    pub fn number(self) -> u16 {
        let (kind, number) = match self.0 {
            Kind::General(name) => {
                (0, GENERAL_NAMES.iter().position(|known| *known == name).unwrap_or_default())
            }
            Kind::Xmm(number) => (1, number),
            Kind::Ymm(number) => (2, number),
            Kind::Zmm(number) => (3, number),
            Kind::Mask(number) => (4, number),
        };
        kind * NUMBERS + u16::try_from(number).unwrap_or_default()
    }

    /// The register of this number, if there is one.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Register> {
        let (kind, number) = (number / NUMBERS, usize::from(number % NUMBERS));
        let is_vector = number < 32;
        Some(Register(match kind {
            0 => Kind::General(GENERAL_NAMES.get(number)?),
            1 if is_vector => Kind::Xmm(number),
            2 if is_vector => Kind::Ymm(number),
            3 if is_vector => Kind::Zmm(number),
            4 if number < 8 => Kind::Mask(number),
            _ => return None,
        }))
    }
}

#[cfg(all(
    feature = "trace",
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu",
    not(miri)
))]
impl Register {
    /// Which of the vector registers it is, if it is one.
    pub(crate) fn vector_number(self) -> Option<usize> {
        match self.0 {
            Kind::Xmm(number) | Kind::Ymm(number) | Kind::Zmm(number) => Some(number),
            Kind::General(_) | Kind::Mask(_) => None,
        }
    }

    /// Which of the general registers it is, if it is one, in the order of a capture.
    pub(crate) fn general_number(self) -> Option<usize> {
        match self.0 {
            Kind::General(name) => GENERAL_NAMES.iter().position(|known| *known == name),
            _ => None,
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::General(name) => f.write_str(name),
            Kind::Xmm(number) => write!(f, "xmm{number}"),
            Kind::Ymm(number) => write!(f, "ymm{number}"),
            Kind::Zmm(number) => write!(f, "zmm{number}"),
            Kind::Mask(number) => write!(f, "k{number}"),
        }
    }
}

/// Which word is what among those that [`Gate::copy_leftovers`](super::Gate::copy_leftovers)
/// appended.
///
/// First come the words of the stack from the entry down, then the registers in full, those that
/// were empty as zeros. Two runs of the same code on the same machine copy the same number of
/// register words; of stack words, only if they went equally deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedLeftovers {
    /// How many words are the stack's.
    pub stack_words: usize,
    /// Words in each vector register of this machine: 2, 4 or 8.
    pub(super) vector_words: usize,
}

impl CopiedLeftovers {
    /// How many words are the registers'.
    #[must_use]
    pub fn register_words(&self) -> usize {
        let masks = if self.vector_words == VECTOR_WORDS { 8 } else { 0 };
        GENERAL_COUNT + self.vector_count() * self.vector_words + masks
    }

    /// Where the appended word `index` was, counted from the first that was appended.
    #[must_use]
    pub fn place(&self, index: usize) -> Option<LeftoverPlace> {
        let Some(index) = index.checked_sub(self.stack_words) else {
            return Some(stack_place(8 * (index + 1)));
        };
        if index < GENERAL_COUNT {
            return Some(general_place(index));
        }
        let index = index - GENERAL_COUNT;
        if index < self.vector_count() * self.vector_words {
            let (number, word) = (index / self.vector_words, index % self.vector_words);
            return Some(vector_place(number, 8 * word));
        }
        let number = index - self.vector_count() * self.vector_words;
        (number < 8 && self.vector_words == VECTOR_WORDS).then(|| mask_place(number))
    }

    pub(super) fn vector_count(&self) -> usize {
        if self.vector_words == VECTOR_WORDS { 32 } else { 16 }
    }
}

/// That many bytes below the entry.
pub(super) fn stack_place(depth: usize) -> LeftoverPlace {
    LeftoverPlace::Stack { depth: u32::try_from(depth).expect("a stack is far below 4 GiB") }
}

/// The general register at `index` of a capture.
pub(super) fn general_place(index: usize) -> LeftoverPlace {
    LeftoverPlace::Register { register: Register(Kind::General(GENERAL_NAMES[index])), offset: 0 }
}

/// Vector register `number` from byte `offset` on.
pub(super) fn vector_place(number: usize, offset: usize) -> LeftoverPlace {
    let kind = match offset {
        0..16 => Kind::Xmm(number),
        16..32 => Kind::Ymm(number),
        _ => Kind::Zmm(number),
    };
    let offset = u8::try_from(offset).expect("a vector register has 64 bytes");
    LeftoverPlace::Register { register: Register(kind), offset }
}

/// Mask register `number`.
pub(super) fn mask_place(number: usize) -> LeftoverPlace {
    LeftoverPlace::Register { register: Register(Kind::Mask(number)), offset: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_has_a_number_of_its_own() {
        let known: Vec<Register> = (0..=u16::MAX).filter_map(Register::of_number).collect();
        assert_eq!(known.len(), GENERAL_COUNT + 3 * 32 + 8);
        assert!(known.iter().all(|&it| Register::of_number(it.number()) == Some(it)));
    }
}
