//! The letters that exhaustive sequences are spelled with, and which of them may follow.
//!
//! Two devices and two sessions on each are enough to go wrong between one and another: a bug that
//! needs a third has to tell the third from the second, and driver and model treat all slots by one
//! loop. What counts slots, the bounds, needs more calls than can be enumerated (the ninth session
//! is call ten) and belongs to the fuzzer. Every value that an argument can have beyond the ones
//! here is in one class with one of them, as far as the rules can tell.

use crate::sequence::{Blob, Call, CryptoType, DecodeProfile, EntropyFault};
use crate::sequence::{HandleForm, NullPointer, Room, SessionRef, Shape, Slot};

use super::created::Created;

/// A set of calls, and how much a sequence of them may create.
///
/// Of devices and sessions the lists name the first only; every other takes its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alphabet {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is in it.
    pub says: &'static str,
    /// Devices that a sequence may create: one or two.
    pub devices_max: u8,
    /// Sessions that it may create on each: one or two.
    pub sessions_max: u8,
    /// What is called on each session, through its own device.
    pub on_sessions: &'static [Call],
    /// What is called on each session through the other device.
    pub through_others: &'static [Call],
    /// What each device is asked to create beside plain sessions.
    pub other_sessions: &'static [Call],
    /// What concerns no device or session.
    pub others: &'static [Call],
    /// What goes wrong below the driver; at most one in a sequence.
    pub injections: &'static [Call],
}

const S: SessionRef = SessionRef::new(0);
const D: Slot = Slot(0);

const CREATE: Call = create(CryptoType::Aes128Ctr, DecodeProfile::None);
const DESTROY: Call = Call::DestroySession { session: S };
const EXCHANGE: Call = exchange(1, Blob::Good);
const EXCHANGE_OTHER: Call = exchange(2, Blob::Good);
const START: Call = start(16);
const FINISH: Call = Call::FinishRefresh { session: S };
const CAPS: Call = caps(CryptoType::Aes128Ctr, DecodeProfile::None);
const READ_BACK_KEY: Call = Call::EncryptionBltKey { session: S, size: 16, null: false };
const STATUS: Call = Call::SessionStatus { session: S };
/// Blocks 0 and 1 of IV 1. Made a second time, it uses the same counters again.
const SUBMIT: Call = submit(1, 0, 32);
/// Block 1 of IV 1: overlaps [`SUBMIT`] if that came before, and is allowed if not.
const SUBMIT_OVERLAP: Call = submit(1, 1, 16);
/// The next IV after that of [`SUBMIT`]; before it in the order of little-endian bytes.
const SUBMIT_NEXT: Call = submit(256, 0, 16);
/// An IV above all others, and below them in its low half.
const SUBMIT_FAR: Call = submit(1 << 32, 0, 16);
/// Its second block would pass 2^64.
const SUBMIT_EDGE: Call = submit(1, u64::MAX, 32);
const RETIRE_NONE: Call = retire(0, Room::Enough);
const RETIRE: Call = retire(1, Room::Enough);
const RETIRE_ALL: Call = retire(u32::MAX, Room::Enough);
const RESET: Call = Call::ResetEngine;

const fn create(crypto: CryptoType, profile: DecodeProfile) -> Call {
    Call::CreateSession { device: D, crypto, profile, handle: HandleForm::Given }
}

const fn retire(count: u32, room: Room) -> Call {
    Call::Retire { count, room }
}

const fn exchange(key: u32, blob: Blob) -> Call {
    Call::ExchangeKey { session: S, key, blob, shape: Shape::Plain }
}

const fn bad_exchange(blob: Blob) -> Call {
    exchange(1, blob)
}

const fn start(size: u32) -> Call {
    Call::StartRefresh { session: S, size, null: false }
}

const fn submit(iv: u64, count: u64, len: u32) -> Call {
    Call::SubmitBuffer { session: S, iv, count, len, null: NullPointer::None }
}

const fn submit_without(null: NullPointer) -> Call {
    Call::SubmitBuffer { session: S, iv: 1, count: 0, len: 16, null }
}

/// Which call it is makes no difference to a handle, so it is the one that any session answers and that
/// shows what was found.
const fn forged(handle: HandleForm) -> Call {
    Call::DestroySession { session: SessionRef { handle, ..S } }
}

const fn entropy(fault: EntropyFault) -> Call {
    Call::InjectEntropy { fault, draws: 1 }
}

/// Lasts for all the draws of a start.
const fn stuck_entropy(fault: EntropyFault) -> Call {
    Call::InjectEntropy { fault, draws: 4 }
}

const fn caps(crypto: CryptoType, profile: DecodeProfile) -> Call {
    Call::ContentProtectionCaps { crypto, profile, size: 40, null: false }
}

const fn caps_of_size(size: u32) -> Call {
    let (crypto, profile) = (CryptoType::Aes128Ctr, DecodeProfile::None);
    Call::ContentProtectionCaps { crypto, profile, size, null: false }
}

const fn no_memory(after: u32) -> Call {
    Call::InjectAllocationFailure { after }
}

/// Every alphabet; the first is the full one.
pub const ALL: &[Alphabet] = &[FULL, LIFECYCLE, REFRESH, READ_BACK, COUNTERS, QUEUE, CAPABILITIES];

const FULL: Alphabet = Alphabet {
    name: "full",
    says: "the capabilities; every call on two devices with two sessions each, also through the other device; \
           sessions of every type and profile; key exchange good, with another key, one byte \
           short or long, garbled, empty, NULL; start with 16, 0, 15, 17 bytes and NULL; read-back key; buffers \
           with the next IV, a far one, the same, one block of overlap, the last Count and one past \
           it, 0, 15, 17, 1024 and 1040 bytes, without IV or data; retire none, one, all, with room for \
           all, for one, for all but a byte or an entry, for nothing; reset; one injected failure of the entropy source or an allocation",
    devices_max: 2,
    sessions_max: 2,
    on_sessions: &[
        DESTROY,
        EXCHANGE,
        EXCHANGE_OTHER,
        Call::ExchangeKey { session: S, key: 1, blob: Blob::Good, shape: Shape::LeadingZero },
        bad_exchange(Blob::Short),
        bad_exchange(Blob::Long),
        bad_exchange(Blob::Corrupt),
        bad_exchange(Blob::Empty),
        bad_exchange(Blob::Null),
        bad_exchange(Blob::Absurd),
        START,
        start(0),
        start(15),
        start(17),
        Call::StartRefresh { session: S, size: 16, null: true },
        FINISH,
        READ_BACK_KEY,
        SUBMIT,
        SUBMIT_OVERLAP,
        SUBMIT_NEXT,
        SUBMIT_EDGE,
        SUBMIT_FAR,
        submit(1, u64::MAX, 16),
        submit(1, 0, 0),
        submit(1, 0, 15),
        submit(1, 0, 17),
        submit(1, 2, 1024),
        submit(1, 0, 1040),
        submit_without(NullPointer::Iv),
        submit_without(NullPointer::Data),
        STATUS,
        forged(HandleForm::WrongKind),
        forged(HandleForm::LowBit),
        forged(HandleForm::MiddleBit),
        forged(HandleForm::HighBit),
        forged(HandleForm::Null),
        forged(HandleForm::DeviceWrongKind),
        forged(HandleForm::DeviceLowBit),
    ],
    through_others: &[DESTROY, EXCHANGE, START, FINISH, READ_BACK_KEY, SUBMIT, STATUS],
    other_sessions: &[
        create(CryptoType::Null, DecodeProfile::None),
        create(CryptoType::Unknown, DecodeProfile::None),
        create(CryptoType::Proprietary, DecodeProfile::None),
        create(CryptoType::Aes128Ctr, DecodeProfile::Unknown),
        create(CryptoType::Aes128Ctr, DecodeProfile::H264),
        Call::CreateSession {
            device: D,
            crypto: CryptoType::Aes128Ctr,
            profile: DecodeProfile::None,
            handle: HandleForm::LowBit,
        },
        create(CryptoType::AlmostFirst, DecodeProfile::None),
        create(CryptoType::AlmostLast, DecodeProfile::None),
        create(CryptoType::Aes128Ctr, DecodeProfile::AlmostFirst),
        create(CryptoType::Aes128Ctr, DecodeProfile::AlmostLast),
    ],
    others: &[
        RETIRE_NONE,
        RETIRE,
        RETIRE_ALL,
        retire(u32::MAX, Room::Exact),
        retire(u32::MAX, Room::ShortSurface),
        retire(u32::MAX, Room::SurfaceForOne),
        retire(u32::MAX, Room::NoSurface),
        retire(u32::MAX, Room::ShortList),
        retire(u32::MAX, Room::NoList),
        RESET,
        CAPS,
        Call::CloseAdapter,
    ],
    injections: &[
        entropy(EntropyFault::Fail),
        entropy(EntropyFault::Zero),
        entropy(EntropyFault::Repeat),
        entropy(EntropyFault::Restore),
        entropy(EntropyFault::Again),
        entropy(EntropyFault::EqualHalves),
        stuck_entropy(EntropyFault::ZeroThenAgain),
        stuck_entropy(EntropyFault::Zero),
        stuck_entropy(EntropyFault::Repeat),
        no_memory(0),
        no_memory(1),
    ],
};

const LIFECYCLE: Alphabet = Alphabet {
    name: "lifecycle",
    says: "create, destroy, key exchange, start, finish and status on two devices with two \
           sessions each, also through the other device; reset",
    devices_max: 2,
    sessions_max: 2,
    on_sessions: &[DESTROY, EXCHANGE, START, FINISH, STATUS],
    through_others: &[DESTROY, FINISH],
    other_sessions: &[],
    others: &[RESET],
    injections: &[],
};

const REFRESH: Alphabet = Alphabet {
    name: "refresh",
    says: "key exchange, start, finish, one buffer and retire on one device with one session; \
           reset; one entropy failure: none, zeros, a repetition, the first key restored",
    devices_max: 1,
    sessions_max: 1,
    on_sessions: &[EXCHANGE, START, FINISH, SUBMIT, SUBMIT_NEXT],
    through_others: &[],
    other_sessions: &[],
    others: &[RETIRE_ALL, RESET],
    injections: &[
        entropy(EntropyFault::Fail),
        entropy(EntropyFault::Zero),
        entropy(EntropyFault::Repeat),
        entropy(EntropyFault::Restore),
    ],
};

const READ_BACK: Alphabet = Alphabet {
    name: "read-back",
    says: "key exchange, start, finish, read-back key and destroy on one device with two sessions; reset; \
           one entropy failure: none, zeros, a repetition, the session's last again",
    devices_max: 1,
    sessions_max: 2,
    on_sessions: &[DESTROY, EXCHANGE, START, FINISH, READ_BACK_KEY],
    through_others: &[],
    other_sessions: &[],
    others: &[RESET],
    injections: &[
        entropy(EntropyFault::Fail),
        entropy(EntropyFault::Zero),
        entropy(EntropyFault::Repeat),
        entropy(EntropyFault::Again),
    ],
};

const COUNTERS: Alphabet = Alphabet {
    name: "counters",
    says: "buffers with the next IV, a far one, the same, one block of overlap and the last Count, between \
           start, finish and retire, on one device with one session; one restored key or refused \
           allocation",
    devices_max: 1,
    sessions_max: 1,
    on_sessions: &[EXCHANGE, START, FINISH, SUBMIT, SUBMIT_OVERLAP, SUBMIT_NEXT, SUBMIT_EDGE],
    through_others: &[],
    other_sessions: &[],
    others: &[RETIRE],
    injections: &[entropy(EntropyFault::Restore), no_memory(0)],
};

const QUEUE: Alphabet = Alphabet {
    name: "queue",
    says: "buffers of two sessions with different keys on one device, between start, finish, \
           destroy, retire none, one and all, also without room for all, and reset; one refused \
           allocation",
    devices_max: 1,
    sessions_max: 2,
    on_sessions: &[DESTROY, EXCHANGE, EXCHANGE_OTHER, START, FINISH, SUBMIT, SUBMIT_NEXT],
    through_others: &[],
    other_sessions: &[],
    others: &[
        RETIRE_NONE,
        RETIRE,
        RETIRE_ALL,
        retire(u32::MAX, Room::ShortSurface),
        retire(u32::MAX, Room::ShortList),
        RESET,
    ],
    injections: &[no_memory(0)],
};

const CAPABILITIES: Alphabet = Alphabet {
    name: "capabilities",
    says: "the capabilities of every cipher and every decode profile, with 40, 0, 39 and 41 bytes and NULL; \
           on one device with one session: key exchange, start, finish; reset",
    devices_max: 1,
    sessions_max: 1,
    on_sessions: &[EXCHANGE, START, FINISH],
    through_others: &[],
    other_sessions: &[],
    others: &[
        CAPS,
        caps(CryptoType::Null, DecodeProfile::None),
        caps(CryptoType::Null, DecodeProfile::H264),
        caps(CryptoType::Unknown, DecodeProfile::None),
        caps(CryptoType::Proprietary, DecodeProfile::None),
        caps(CryptoType::AlmostFirst, DecodeProfile::None),
        caps(CryptoType::AlmostLast, DecodeProfile::None),
        caps(CryptoType::Aes128Ctr, DecodeProfile::H264),
        caps(CryptoType::Aes128Ctr, DecodeProfile::Unknown),
        caps(CryptoType::Aes128Ctr, DecodeProfile::AlmostFirst),
        caps(CryptoType::Aes128Ctr, DecodeProfile::AlmostLast),
        caps_of_size(0),
        caps_of_size(39),
        caps_of_size(41),
        Call::ContentProtectionCaps {
            crypto: CryptoType::Aes128Ctr,
            profile: DecodeProfile::None,
            size: 40,
            null: true,
        },
        RESET,
    ],
    injections: &[],
};

impl Alphabet {
    /// The alphabet of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|alphabet| alphabet.name == name)
    }

    /// Every letter, each at a place that names it for as long as the alphabet stays as it is.
    ///
    /// # Panics
    ///
    /// When there is more than a letter's number has room for, or more may be created than two
    /// devices with two sessions each.
    #[must_use]
    pub fn letters(&self) -> Vec<Call> {
        assert!(self.devices_max <= 2 && self.sessions_max <= 2, "{}: too many slots", self.name);
        let mut letters = vec![Call::CreateDevice];
        for device in (0..self.devices_max).map(Slot) {
            letters.push(Call::destroy_device(device));
            let creations = [CREATE].into_iter().chain(self.other_sessions.iter().copied());
            letters.extend(creations.map(|call| match call {
                Call::CreateSession { crypto, profile, handle, .. } => {
                    Call::CreateSession { device, crypto, profile, handle }
                }
                other => other,
            }));
        }
        for slot in 0..self.devices_max * self.sessions_max {
            let own = SessionRef::new(slot);
            letters.extend(self.on_sessions.iter().map(|call| aimed(*call, own)));
            if self.devices_max == 1 {
                continue;
            }
            for device in (0..self.devices_max).map(Slot) {
                let foreign = SessionRef { via: Some(device), ..own };
                letters.extend(self.through_others.iter().map(|call| aimed(*call, foreign)));
            }
        }
        letters.extend(self.others);
        letters.extend(self.injections);
        assert!(letters.len() <= 256, "{}: a letter is a byte", self.name);
        letters
    }

    /// Whether a letter may follow calls that have created this.
    #[must_use]
    pub fn allows(&self, created: &Created, letter: &Call) -> bool {
        // Before the first creation a slot names the NULL handle, which is worth trying too.
        let is_device = |Slot(device): Slot| device < created.device_count.max(1);
        if created.is_closed {
            return false;
        }
        if letter.is_injection() {
            return !created.is_injected;
        }
        if let Some(session) = letter.session() {
            return Self::allows_session(created, letter, session);
        }
        match *letter {
            Call::CreateDevice => created.device_count < self.devices_max,
            Call::CreateSession { device: Slot(device), .. } => {
                let owner = (device < created.device_count).then_some(device);
                let there = created.owners().filter(|other| *other == owner).count();
                // Without a device nothing can be created; once is enough.
                let most = if owner.is_some() { self.sessions_max } else { 1 };
                let room = self.devices_max * self.sessions_max;
                is_device(Slot(device)) && there < usize::from(most) && created.session_count < room
            }
            call => call.device().is_none_or(is_device),
        }
    }

    /// Whether a letter on a session may follow.
    fn allows_session(created: &Created, letter: &Call, session: SessionRef) -> bool {
        let SessionRef { slot: Slot(slot), via, handle: _ } = session;
        match (created.owners().nth(slot.into()), via) {
            (Some(_), None) => true,
            (Some(owner), Some(Slot(via))) => via < created.device_count && owner != Some(via),
            // Refused for its handle, whatever the other arguments are: one of each kind.
            (None, None) => {
                let of_each_kind =
                    [DESTROY, EXCHANGE, START, FINISH, READ_BACK_KEY, SUBMIT, STATUS];
                slot == 0 && of_each_kind.contains(letter)
            }
            (None, Some(_)) => false,
        }
    }
}

/// The same call on another session.
fn aimed(mut call: Call, session: SessionRef) -> Call {
    if let Some(target) = call.session_mut() {
        *target = SessionRef { handle: target.handle, ..session };
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    fn following(alphabet: &Alphabet, calls: &[Call]) -> Vec<String> {
        let created = Created::by(calls);
        let letters = alphabet.letters();
        let follow = letters.iter().filter(|letter| alphabet.allows(&created, letter));
        follow.map(ToString::to_string).collect()
    }

    #[test]
    fn every_letter_has_a_place_of_its_own() {
        for alphabet in ALL {
            let letters = alphabet.letters();
            let different: std::collections::HashSet<_> = letters.iter().collect();
            assert_eq!(different.len(), letters.len(), "{}", alphabet.name);
        }
    }

    #[test]
    fn the_first_call_can_name_nothing_but_null() {
        let first = following(&FULL, &[]);
        assert_eq!(first.len(), 1 + 12 + 7 + 11 + 12, "{first:?}");
        assert!(first.contains(&"create-session d0".to_owned()));
        assert!(!first.iter().any(|letter| letter.contains("d1") || letter.contains("s1")));
    }

    #[test]
    fn a_slot_can_be_named_once_it_was_created_and_through_the_other_device_once_there_is_one() {
        let one = [Call::CreateDevice, CREATE];
        let letters = following(&FULL, &one);
        assert!(letters.contains(&"finish-refresh s0".to_owned()));
        assert!(!letters.iter().any(|letter| letter.contains("via") || letter.contains("s1")));
        let letters = following(&FULL, &[one[0], one[1], Call::CreateDevice]);
        assert!(letters.contains(&"finish-refresh s0 via=d1".to_owned()));
        assert!(!letters.contains(&"finish-refresh s0 via=d0".to_owned()));
    }

    #[test]
    fn two_devices_two_sessions_each_and_one_failure_are_the_most() {
        let full = [Call::CreateDevice, CREATE, CREATE, no_memory(0), Call::CreateDevice];
        let letters = following(&FULL, &full);
        assert!(!letters.contains(&"create-device".to_owned()));
        assert!(!letters.contains(&"create-session d0".to_owned()));
        assert!(letters.contains(&"create-session d1".to_owned()));
        assert!(!letters.iter().any(|letter| letter.starts_with("inject")));
    }
}
