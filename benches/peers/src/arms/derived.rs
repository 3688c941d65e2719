//! The enum with derived `Arbitrary` that both plain harnesses take from the engine's bytes.
//!
//! Arguments are as somebody who knows the interface would write them: mostly right, sometimes a
//! tempting value, sometimes anything. Only the type of the handles differs between the two.

use arbitrary::{Arbitrary, Result, Unstructured};
use rekeylab::generate::sketch::Sketch;
use rekeylab::sequence::{
    Blob, Call, CryptoType, DecodeProfile, EntropyFault, HandleForm, NullPointer, Room, SessionRef,
    Shape, Slot,
};

/// One call; `H` is what a handle is.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants and fields are those of `Call`")]
pub enum Op<H> {
    CreateDevice,
    DestroyDevice {
        device: H,
    },
    CreateSession {
        device: H,
        #[arbitrary(with = |u: &mut Unstructured<'_>| mostly(u, CryptoType::ALL))]
        crypto: CryptoType,
        #[arbitrary(with = |u: &mut Unstructured<'_>| mostly(u, DecodeProfile::ALL))]
        profile: DecodeProfile,
    },
    DestroySession {
        target: Target<H>,
    },
    ExchangeKey {
        target: Target<H>,
        key: u8,
        #[arbitrary(with = |u: &mut Unstructured<'_>| mostly(u, Blob::ALL))]
        blob: Blob,
    },
    StartRefresh {
        target: Target<H>,
        #[arbitrary(with = size)]
        size: u32,
        #[arbitrary(with = rarely)]
        null: bool,
    },
    FinishRefresh {
        target: Target<H>,
    },
    SubmitBuffer {
        target: Target<H>,
        iv: Iv,
        #[arbitrary(with = count)]
        count: u64,
        #[arbitrary(with = len)]
        len: u32,
        #[arbitrary(with = |u: &mut Unstructured<'_>| mostly(u, NullPointer::ALL))]
        null: NullPointer,
    },
    SessionStatus {
        target: Target<H>,
    },
    Retire {
        count: u8,
    },
    ResetEngine,
    InjectEntropy {
        #[arbitrary(with = |u: &mut Unstructured<'_>| u.choose(EntropyFault::ALL).copied())]
        fault: EntropyFault,
        draws: u8,
    },
    InjectAllocationFailure {
        after: u8,
    },
}

/// A session, and now and then another device to go through.
#[derive(Clone, Copy, Debug)]
pub struct Target<H> {
    /// The session.
    pub session: H,
    /// The device to go through; `None` is the one that created the session.
    pub via: Option<H>,
}

/// The IV of a buffer, as the client of a decoder chooses it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Iv {
    /// Above all before.
    Next,
    /// The last one again.
    Again,
    /// Any.
    Any(u64),
}

impl<'a, H: Arbitrary<'a>> Arbitrary<'a> for Target<H> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let session = H::arbitrary(u)?;
        let via = if rarely(u)? { Some(H::arbitrary(u)?) } else { None };
        Ok(Self { session, via })
    }
}

impl<H: Copy> Op<H> {
    /// The call, or `None` if one of its handles was never given out.
    ///
    /// `device` and `session` say which slot a handle means; `sketch` stands before the call.
    pub(super) fn call(
        self,
        sketch: &Sketch,
        device: impl Fn(H) -> Option<Slot>,
        session: impl Fn(H) -> Option<Slot>,
    ) -> Option<Call> {
        let aim = |target: Target<H>| {
            let via = match target.via {
                Some(via) => Some(device(via)?),
                None => None,
            };
            Some(SessionRef { slot: session(target.session)?, via, ..SessionRef::default() })
        };
        Some(match self {
            Self::CreateDevice => Call::CreateDevice,
            Self::DestroyDevice { device: handle } => Call::destroy_device(device(handle)?),
            Self::CreateSession { device: handle, crypto, profile } => Call::CreateSession {
                device: device(handle)?,
                crypto,
                profile,
                handle: HandleForm::Given,
            },
            Self::DestroySession { target } => Call::DestroySession { session: aim(target)? },
            Self::ExchangeKey { target, key, blob } => Call::ExchangeKey {
                session: aim(target)?,
                key: key.into(),
                blob,
                shape: Shape::Plain,
            },
            Self::StartRefresh { target, size, null } => {
                Call::StartRefresh { session: aim(target)?, size, null }
            }
            Self::FinishRefresh { target } => Call::FinishRefresh { session: aim(target)? },
            Self::SubmitBuffer { target, iv, count, len, null } => {
                let session = aim(target)?;
                let next =
                    sketch.session(session.slot).map_or(1, |index| sketch.sessions[index].next_iv);
                let iv = match iv {
                    Iv::Next => next,
                    Iv::Again => next.saturating_sub(1),
                    Iv::Any(iv) => iv,
                };
                Call::SubmitBuffer { session, iv, count, len, null }
            }
            Self::SessionStatus { target } => Call::SessionStatus { session: aim(target)? },
            Self::Retire { count } => Call::Retire { count: count.into(), room: Room::Enough },
            Self::ResetEngine => Call::ResetEngine,
            Self::InjectEntropy { fault, draws } => {
                Call::InjectEntropy { fault, draws: draws.into() }
            }
            Self::InjectAllocationFailure { after } => {
                Call::InjectAllocationFailure { after: after.into() }
            }
        })
    }
}

/// One of these; mostly the first, which is the right one.
fn mostly<T: Copy>(u: &mut Unstructured<'_>, values: &[T]) -> Result<T> {
    if u.ratio(7, 8)? { Ok(values[0]) } else { u.choose(values).copied() }
}

fn rarely(u: &mut Unstructured<'_>) -> Result<bool> {
    u.ratio(1, 16)
}

/// Of the random-number buffer, in bytes: 16 is right.
fn size(u: &mut Unstructured<'_>) -> Result<u32> {
    match u.int_in_range(0..=15)? {
        0 => u.arbitrary(),
        1 | 2 => u.choose(&[0, 15, 17, 32]).copied(),
        _ => Ok(16),
    }
}

/// Of the data, in bytes: one to four blocks are usual.
fn len(u: &mut Unstructured<'_>) -> Result<u32> {
    match u.int_in_range(0..=15)? {
        0 => u.arbitrary(),
        1 | 2 => u.choose(&[0, 1, 15, 17, 1024, 1025]).copied(),
        _ => Ok(16 * u.int_in_range(1..=4)?),
    }
}

/// The first block's count: mostly 0, as each buffer has an IV of its own.
fn count(u: &mut Unstructured<'_>) -> Result<u64> {
    match u.int_in_range(0..=7)? {
        0 => u.arbitrary(),
        1 => u.choose(&[1, 2, u64::MAX - 1, u64::MAX]).copied(),
        _ => Ok(0),
    }
}
