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

/// A place in an output, as its offset.
pub(super) mod place {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::Place;

    pub(crate) fn serialize<S: Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
        match place {
            Place::Output { offset } => offset.serialize(to),
            _ => Err(S::Error::custom(
                "a place in the memory of a process is for that process alone",
            )),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Place, D::Error> {
        u32::deserialize(from).map(|offset| Place::Output { offset })
    }
}
