//! How what has no form of its own for serde is handed from one process to another.

/// A call, as its record of the wire form.
pub(super) mod call {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::sequence::{Call, wire};

    pub(crate) fn serialize<S: Serializer>(call: &Call, to: S) -> Result<S::Ok, S::Error> {
        wire::encode_call(call).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Call, D::Error> {
        let record = <[u8; wire::RECORD_LEN]>::deserialize(from)?;
        wire::decode_call(&record).ok_or_else(|| D::Error::custom("a call of no kind"))
    }
}

/// A device, as its number.
pub(super) mod device {
    use rekeylab_ddi::DeviceHandle;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        device: &DeviceHandle,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        device.0.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<DeviceHandle, D::Error> {
        u64::deserialize(from).map(DeviceHandle)
    }
}

/// A session, as its number.
pub(super) mod session {
    use rekeylab_ddi::SessionHandle;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        session: &SessionHandle,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        session.0.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<SessionHandle, D::Error> {
        u64::deserialize(from).map(SessionHandle)
    }
}

/// An answer, as its number.
pub(super) mod code {
    use rekeylab_ddi::Hresult;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        code: &Option<Hresult>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        code.map(|code| code.0).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Hresult>, D::Error> {
        Option::deserialize(from).map(|code| code.map(Hresult))
    }
}

/// Completions, as their numbers.
pub(super) mod completions {
    use rekeylab_ddi::{Completion, Hresult};
    use serde::{Deserialize, Deserializer, Serializer};

    type Numbers = (u64, u32, u32, u32);

    pub(crate) fn serialize<S: Serializer>(all: &[Completion], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            all.iter().map(|&Completion { fence, code, offset, len }| (fence, code.0, offset, len)),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Completion>, D::Error> {
        let all = Vec::<Numbers>::deserialize(from)?.into_iter();
        Ok(all
            .map(|(fence, code, offset, len)| Completion {
                fence,
                code: Hresult(code),
                offset,
                len,
            })
            .collect())
    }
}

/// A block of the heap, as its numbers.
pub(super) mod block {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::Block;

    pub(super) type Numbers = (u32, u32, u32, Option<u32>);

    pub(super) fn numbers(block: &Block) -> Numbers {
        let Block { number, len, allocated_in, freed_in } = *block;
        (number, len, allocated_in, freed_in)
    }

    pub(super) fn of_numbers((number, len, allocated_in, freed_in): Numbers) -> Block {
        Block { number, len, allocated_in, freed_in }
    }

    pub(crate) fn serialize<S: Serializer>(block: &Block, to: S) -> Result<S::Ok, S::Error> {
        numbers(block).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Block, D::Error> {
        Numbers::deserialize(from).map(of_numbers)
    }
}

/// A place where a driver in a shared library leaves something.
pub(super) mod place {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, PoisonError};

    use keysan::text::Encoding;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::{Place, Register};
    use super::block;

    #[derive(Serialize, Deserialize)]
    enum Sent {
        Output { offset: u32 },
        Log { line: u32, encoding: u8 },
        Panic { encoding: u8 },
        FreedHeap { block: block::Numbers, offset: u32 },
        Heap { block: block::Numbers, offset: u32 },
        Stack { depth: u32 },
        Register { register: u16, offset: u32 },
        Static { name: String, offset: u32 },
        ThreadLocal { name: String, offset: u32 },
    }

    pub(crate) fn serialize<S: Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
        let sent = match *place {
            Place::Output { offset } => Sent::Output { offset },
            Place::Log { line, encoding } => Sent::Log { line, encoding: number_of(encoding) },
            Place::Panic { encoding } => Sent::Panic { encoding: number_of(encoding) },
            Place::FreedHeap { ref block, offset } => {
                Sent::FreedHeap { block: block::numbers(block), offset }
            }
            Place::Heap { ref block, offset } => {
                Sent::Heap { block: block::numbers(block), offset }
            }
            Place::Stack { depth } => Sent::Stack { depth },
            Place::Register { register, offset } => {
                Sent::Register { register: register.number(), offset }
            }
            Place::Static { name, offset } => Sent::Static { name: name.to_owned(), offset },
            Place::ThreadLocal { name, offset } => {
                Sent::ThreadLocal { name: name.to_owned(), offset }
            }
            Place::Debug { .. } | Place::Home { .. } | Place::Shape { .. } => {
                return Err(S::Error::custom("a driver in a shared library has no such place"));
            }
        };
        sent.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Place, D::Error> {
        let encoding = |number: u8| {
            let encoding = ENCODINGS.get(usize::from(number)).copied();
            encoding.ok_or_else(|| D::Error::custom("an encoding of no kind"))
        };
        Ok(match Sent::deserialize(from)? {
            Sent::Output { offset } => Place::Output { offset },
            Sent::Log { line, encoding: number } => {
                Place::Log { line, encoding: encoding(number)? }
            }
            Sent::Panic { encoding: number } => Place::Panic { encoding: encoding(number)? },
            Sent::FreedHeap { block, offset } => {
                Place::FreedHeap { block: block::of_numbers(block), offset }
            }
            Sent::Heap { block, offset } => Place::Heap { block: block::of_numbers(block), offset },
            Sent::Stack { depth } => Place::Stack { depth },
            Sent::Register { register, offset } => {
                let register = Register::of_number(register);
                let register = register.ok_or_else(|| D::Error::custom("a register of no kind"))?;
                Place::Register { register, offset }
            }
            Sent::Static { name, offset } => Place::Static { name: for_good(name), offset },
            Sent::ThreadLocal { name, offset } => {
                Place::ThreadLocal { name: for_good(name), offset }
            }
        })
    }

    const ENCODINGS: [Encoding; 7] = [
        Encoding::Raw,
        Encoding::Hex,
        Encoding::HexInteger,
        Encoding::DecimalList,
        Encoding::DecimalInteger,
        Encoding::Base64,
        Encoding::Escaped,
    ];

    fn number_of(encoding: Encoding) -> u8 {
        let number = ENCODINGS.iter().position(|known| *known == encoding);
        number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
    }

    /// The name of a variable, kept for the life of this process: a driver has so and so many.
    fn for_good(name: String) -> &'static str {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name.as_str()) {
            return known;
        }
        let kept = String::leak(name);
        names.insert(kept);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Block, Place, Register, Sighting};

    #[test]
    fn places_in_memory_arrive_as_they_were() {
        let block = Block { number: 3, len: 64, allocated_in: 1, freed_in: Some(4) };
        let register = Register::of_number(5).unwrap();
        for place in [
            Place::Output { offset: 7 },
            Place::Log { line: 2, encoding: keysan::text::Encoding::Base64 },
            Place::FreedHeap { block, offset: 8 },
            Place::Heap { block: Block { freed_in: None, ..block }, offset: 8 },
            Place::Stack { depth: 312 },
            Place::Register { register, offset: 8 },
            Place::Static { name: "vendor::last_key", offset: 0 },
            Place::ThreadLocal { name: "libvendor.so+0x10", offset: 0 },
        ] {
            let sent = Sighting { secret: 1, window: 8, call: 3, place };
            let bytes = postcard::to_stdvec(&sent).unwrap();
            assert_eq!(postcard::from_bytes::<Sighting>(&bytes).unwrap(), sent);
        }
    }
}
