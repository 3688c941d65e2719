//! What is known of an argument of a call: how it is written, which values it takes, which tempt.

use rekeylab_ddi::Limits;

use super::slot::{SessionRef, Slot};
use super::words::HandleForm;

/// An argument of a call, as its descriptor in [`call`](super::call) says.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// The word before its `=` in the text form; empty for an argument that stands by itself.
    pub key: &'static str,
    /// Where it is in a wire record.
    pub wire: WireField,
    /// Which values it takes.
    pub values: Values,
    /// Which of them mostly make sense.
    pub usual: Usual,
    /// The probability, as 1 in this, that a generated call takes a value that mostly makes no sense;
    /// 0 for never.
    pub tempts: u32,
    /// How often a mutation changes this argument, relative to the weights of the call's others.
    pub weight: u32,
    /// Whether a driver wants it to rise from call to call, as a counter does. A small value is then
    /// soon refused, so minimising makes the other arguments plain first.
    pub rises: bool,
}

/// A part of a wire record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireField {
    /// The device byte.
    Device,
    /// The session byte, with the device byte and the top bit of the mode for a device to go through,
    /// and the three bits of the mode below that for the form of the handle.
    Session,
    /// The mode, but for its top bit.
    Mode,
    /// The lower half of the mode.
    ModeLow,
    /// The upper half of the mode.
    ModeHigh,
    /// The four bytes of the size.
    Size,
    /// The first eight bytes.
    X,
    /// The last eight bytes.
    Y,
}

/// Which values an argument takes. All of them are numbers; the smallest word is 0.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// The slot of a device.
    Device,
    /// The slot of a session.
    Session,
    /// A number of 32 bits, with the values next to which drivers go wrong.
    Short(Boundaries),
    /// A number of 64 bits, with the values next to which drivers go wrong.
    Long(Boundaries),
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Which values of an argument mostly make sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usual {
    /// The plain one.
    Plain,
    /// Any of so many from the first on.
    From(u32, u32),
    /// Any word.
    AnyWord,
    /// What fits the counters of the session: the generator knows.
    Counters,
}

/// Values of a number next to which drivers go wrong.
#[derive(Clone, Copy, Debug)]
pub enum Boundaries {
    /// The same for every driver.
    Fixed(&'static [u64]),
    /// Those of the length of a buffer, which depend on the driver's limits.
    BufferLen,
}

impl Boundaries {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Fixed(values) => values.len(),
            Self::BufferLen => BUFFER_LENS,
        }
    }

    /// One of them, counted from 0.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    #[must_use]
    pub fn at(self, index: usize, limits: &Limits) -> u64 {
        match self {
            Self::Fixed(values) => values[index],
            Self::BufferLen => buffer_lens(limits)[index],
        }
    }
}

const BUFFER_LENS: usize = 12;

/// Around one block, around whole blocks, around the longest and a block more.
fn buffer_lens(limits: &Limits) -> [u64; BUFFER_LENS] {
    let longest = u64::from(limits.buffer_len_max);
    let block = u64::from(limits.block_alignment);
    let more = [longest, longest + 1, longest + block].map(|len| len.min(u32::MAX.into()));
    [0, 1, 15, 16, 17, 32, 48, 64, more[0], more[1], more[2], u32::MAX.into()]
}

impl Argument {
    const fn new(key: &'static str, wire: WireField, values: Values) -> Self {
        let usual = Usual::Plain;
        Self { key, wire, values, usual, tempts: 0, weight: 1, rises: false }
    }

    /// The session that a call is aimed at.
    pub(super) const SESSION: Self =
        Self { weight: 0, ..Self::new("", WireField::Session, Values::Session) };

    /// The device that a call names by itself.
    pub(super) const DEVICE: Self =
        Self { weight: 0, ..Self::new("", WireField::Device, Values::Device) };

    pub(super) const fn short(key: &'static str, wire: WireField, near: &'static [u64]) -> Self {
        Self::new(key, wire, Values::Short(Boundaries::Fixed(near)))
    }

    pub(super) const fn long(key: &'static str, wire: WireField, near: &'static [u64]) -> Self {
        Self::new(key, wire, Values::Long(Boundaries::Fixed(near)))
    }

    pub(super) const fn buffer_len(key: &'static str, wire: WireField) -> Self {
        Self::new(key, wire, Values::Short(Boundaries::BufferLen))
    }

    pub(super) const fn word(
        key: &'static str,
        wire: WireField,
        words: &'static [&'static str],
    ) -> Self {
        Self::new(key, wire, Values::Word(words))
    }

    pub(super) const fn usually(self, usual: Usual) -> Self {
        Self { usual, ..self }
    }

    pub(super) const fn tempting(self, tempts: u32) -> Self {
        Self { tempts, ..self }
    }

    pub(super) const fn weighing(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    pub(super) const fn rising(self) -> Self {
        Self { rises: true, ..self }
    }

    /// Whether it is a number that has an order, and not a name or a word.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(self.values, Values::Short(_) | Values::Long(_))
    }

    /// Whether it is one of some words.
    #[must_use]
    pub const fn is_word(&self) -> bool {
        matches!(self.values, Values::Word(_))
    }
}

/// An argument as a number, whatever its type.
pub(super) trait Value {
    /// Its value.
    fn number(&self) -> u64;

    /// Takes a value; false if it is none of the type.
    fn take(&mut self, number: u64) -> bool;
}

/// The type of an argument, as the parts of a wire record.
pub(super) trait Field: Copy + Value {
    /// What a record says; every record says something.
    fn read(record: &Record, field: WireField) -> Self;

    /// Writes it where it belongs.
    fn write(&self, record: &mut Record, field: WireField);

    /// The session that it names.
    fn session(&self) -> Option<SessionRef> {
        None
    }

    /// The same, to be changed.
    fn session_mut(&mut self) -> Option<&mut SessionRef> {
        None
    }

    /// The device that it names.
    fn device(&mut self) -> Option<&mut Slot> {
        None
    }
}

/// The fields of a wire record behind its opcode.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Record {
    pub(super) device: u8,
    pub(super) session: u8,
    pub(super) mode: u8,
    pub(super) size: u32,
    pub(super) x: u64,
    pub(super) y: u64,
}

/// The mode bit of a session call that goes through the device of the device byte.
pub(super) const VIA: u8 = 0x80;

/// Where the mode of a session call says what is passed in the place of the handle.
const HANDLE: (u8, u8) = (0x70, 4);

impl Record {
    /// The number of a word in a part of the mode, or in the lowest byte of a number.
    #[inline]
    pub(super) const fn mode(&self, field: WireField) -> u8 {
        match field {
            WireField::ModeLow => self.mode & 0x0F,
            WireField::ModeHigh => self.mode >> 4,
            WireField::Size => self.size.to_le_bytes()[0],
            WireField::X => self.x.to_le_bytes()[0],
            _ => self.mode & !VIA,
        }
    }

    #[inline]
    pub(super) const fn add_mode(&mut self, field: WireField, number: u8) {
        match field {
            WireField::ModeHigh => self.mode |= number << 4,
            WireField::Size => self.size |= number as u32,
            WireField::X => self.x |= number as u64,
            _ => self.mode |= number,
        }
    }
}

impl Value for Slot {
    fn number(&self) -> u64 {
        self.0.into()
    }

    fn take(&mut self, number: u64) -> bool {
        u8::try_from(number).map(|slot| self.0 = slot).is_ok()
    }
}

impl Field for Slot {
    #[inline]
    fn read(record: &Record, _field: WireField) -> Self {
        Self(record.device)
    }

    #[inline]
    fn write(&self, record: &mut Record, _field: WireField) {
        record.device = self.0;
    }

    #[inline]
    fn device(&mut self) -> Option<&mut Slot> {
        Some(self)
    }
}

impl Value for SessionRef {
    fn number(&self) -> u64 {
        self.slot.number()
    }

    fn take(&mut self, number: u64) -> bool {
        self.slot.take(number)
    }
}

impl Field for SessionRef {
    #[inline]
    fn read(record: &Record, _field: WireField) -> Self {
        let via = (record.mode & VIA != 0).then_some(Slot(record.device));
        let handle = HandleForm::from_number((record.mode & HANDLE.0) >> HANDLE.1);
        Self { slot: Slot(record.session), via, handle }
    }

    #[inline]
    fn write(&self, record: &mut Record, _field: WireField) {
        record.session = self.slot.0;
        if let Some(via) = self.via {
            record.device = via.0;
            record.mode |= VIA;
        }
        record.mode |= self.handle.number() << HANDLE.1;
    }

    #[inline]
    fn session(&self) -> Option<SessionRef> {
        Some(*self)
    }

    #[inline]
    fn session_mut(&mut self) -> Option<&mut SessionRef> {
        Some(self)
    }
}

impl Value for u32 {
    fn number(&self) -> u64 {
        (*self).into()
    }

    fn take(&mut self, number: u64) -> bool {
        Self::try_from(number).map(|value| *self = value).is_ok()
    }
}

impl Field for u32 {
    #[inline]
    fn read(record: &Record, _field: WireField) -> Self {
        record.size
    }

    #[inline]
    fn write(&self, record: &mut Record, _field: WireField) {
        record.size = *self;
    }
}

impl Value for u64 {
    fn number(&self) -> u64 {
        *self
    }

    fn take(&mut self, number: u64) -> bool {
        *self = number;
        true
    }
}

impl Field for u64 {
    #[inline]
    fn read(record: &Record, field: WireField) -> Self {
        if field == WireField::X { record.x } else { record.y }
    }

    #[inline]
    fn write(&self, record: &mut Record, field: WireField) {
        *(if field == WireField::X { &mut record.x } else { &mut record.y }) = *self;
    }
}

impl Value for bool {
    fn number(&self) -> u64 {
        (*self).into()
    }

    fn take(&mut self, number: u64) -> bool {
        *self = number == 1;
        number <= 1
    }
}

impl Field for bool {
    #[inline]
    fn read(record: &Record, field: WireField) -> Self {
        record.mode(field) & 1 != 0
    }

    #[inline]
    fn write(&self, record: &mut Record, field: WireField) {
        record.add_mode(field, (*self).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_that_tempt_follow_the_longest_buffer() {
        let mut limits = Limits {
            devices_max: 0,
            sessions_max: 0,
            generations_max: 0,
            queue_commands_max: 0,
            buffer_len_max: 1024,
            queue_len_max: 0,
            block_alignment: 16,
            key_exchange_blob_len: 0,
            entropy_draws_max: 0,
        };
        let all = |limits: &Limits| {
            let near = Boundaries::BufferLen;
            (0..near.count()).map(|index| near.at(index, limits)).collect::<Vec<_>>()
        };
        let expected = [0, 1, 15, 16, 17, 32, 48, 64, 1024, 1025, 1040, u32::MAX.into()];
        assert_eq!(all(&limits), expected);
        limits.buffer_len_max = u32::MAX;
        assert!(all(&limits).iter().all(|&len| len <= u32::MAX.into()));
    }
}
