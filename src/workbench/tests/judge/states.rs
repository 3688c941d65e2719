//! What the core writes as its state is enough: cores that write the same go on alike.
//!
//! `Adapter::write_state` says so of seams in the same state. Here they have none, since what they
//! answer comes with the call; and there is no client, whose own state would tell most states of the
//! core apart.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use rekeylab::observation::{StateHash, StateId, UNTOUCHED};
use rekeylab_ddi::{
    CheckCryptoSessionStatus, Completion, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, CtrIv, DeviceHandle, Guid, Hresult, Retire, SessionHandle,
    SessionStatus, StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::{
    Adapter, Bounds, Entropy, EntropyError, KeyUnwrap, SoftwareEngine, UnwrapError,
};

/// Behind every sequence of some letters, each letter comes to what it comes to behind any other
/// sequence that left the same written; and a call that is refused changes nothing of that.
pub(crate) fn what_is_written_is_enough() {
    let handles = Handles::of_a_new_core();
    for alphabet in ALPHABETS {
        let mut search = Search { alphabet, handles, known: HashMap::new(), sequences: 0 };
        let mut calls = search.alphabet.before.to_vec();
        let state = search.run(&calls).state;
        search.go_on(&mut calls, state);
        // Otherwise little is compared, because what goes on alike is written differently.
        let (name, states) = (search.alphabet.name, search.known.len());
        let sequences = search.sequences;
        assert!(5 * states < sequences, "{name}: {states} states behind {sequences} sequences");
    }
}

/// Calls of which every sequence is made.
struct Alphabet {
    name: &'static str,
    /// What each sequence begins with.
    before: &'static [Letter],
    letters: &'static [Letter],
    /// How many letters follow.
    depth: usize,
}

/// A call with all that the core is given in it.
#[derive(Clone, Copy, Debug)]
enum Letter {
    CreateDevice,
    DestroyDevice {
        device: usize,
    },
    CreateSession {
        device: usize,
    },
    DestroySession(Session),
    /// With a key that is all of this byte.
    Exchange(Session, u8),
    /// With a random number that is all of this byte.
    Start(Session, u8),
    Finish(Session),
    /// With zeros and this last byte.
    Submit {
        session: Session,
        iv: u64,
        count: u64,
        len: u32,
        last: u8,
    },
    Status(Session),
    Retire {
        count: u32,
    },
    Reset,
}

/// A session, by the handles that a new core gives out first.
#[derive(Clone, Copy, Debug)]
enum Session {
    /// The first of the first device.
    A,
    /// The second of the first device.
    B,
    /// The first of the second device.
    C,
}

use Session::{A, B, C};

/// A home without a key holds the same, so that it does not say whether there is one.
const ZEROS: u8 = 0;
const KEY: u8 = 0x3C;
/// Does not unwrap, and leaves a part of itself behind.
const BAD_KEY: u8 = 0xBA;
const RANDOM: u8 = 0x51;
const OTHER_RANDOM: u8 = 0x95;

const DATA_LEN_MAX: u32 = 384;

const CREATE: Letter = Letter::CreateSession { device: 0 };
const RETIRE_ONE: Letter = Letter::Retire { count: 1 };
const RETIRE_ALL: Letter = Letter::Retire { count: u32::MAX };

const fn submit(session: Session, iv: u64, count: u64, len: u32) -> Letter {
    Letter::Submit { session, iv, count, len, last: 0 }
}

/// Other data with the counters of [`submit`].
const fn submit_other(session: Session, iv: u64, count: u64, len: u32) -> Letter {
    Letter::Submit { session, iv, count, len, last: 1 }
}

const ALPHABETS: [Alphabet; 6] = [
    Alphabet {
        name: "the life of devices and a session",
        before: &[],
        letters: &[
            Letter::CreateDevice,
            Letter::DestroyDevice { device: 0 },
            CREATE,
            Letter::DestroySession(A),
            Letter::Exchange(A, ZEROS),
            Letter::Exchange(A, KEY),
            Letter::Exchange(A, BAD_KEY),
            Letter::Start(A, RANDOM),
            Letter::Reset,
        ],
        depth: 5,
    },
    Alphabet {
        name: "keys",
        before: &[Letter::CreateDevice, CREATE, Letter::Exchange(A, ZEROS)],
        letters: &[
            Letter::Start(A, RANDOM),
            Letter::Start(A, OTHER_RANDOM),
            Letter::Start(A, ZEROS),
            Letter::Finish(A),
            submit(A, 1, 0, 16),
            RETIRE_ALL,
            Letter::Reset,
        ],
        depth: 5,
    },
    Alphabet {
        name: "counters",
        before: &[Letter::CreateDevice, CREATE, Letter::Exchange(A, ZEROS)],
        letters: &[
            submit(A, 0, 0, 16),
            submit(A, 1, 0, 16),
            submit_other(A, 1, 0, 16),
            submit(A, 1, 0, 32),
            submit(A, 1, 1, 16),
            submit(A, 2, 0, 16),
            RETIRE_ALL,
            Letter::DestroySession(A),
            Letter::Reset,
            Letter::Status(A),
        ],
        depth: 4,
    },
    Alphabet {
        name: "work of two sessions",
        before: &[
            Letter::CreateDevice,
            CREATE,
            CREATE,
            Letter::Exchange(A, ZEROS),
            Letter::Exchange(B, ZEROS),
        ],
        letters: &work_of(A, B),
        depth: 4,
    },
    Alphabet {
        name: "work of two devices",
        before: &[
            Letter::CreateDevice,
            CREATE,
            Letter::CreateDevice,
            Letter::CreateSession { device: 1 },
            Letter::Exchange(A, ZEROS),
            Letter::Exchange(C, ZEROS),
        ],
        letters: &work_of(A, C),
        depth: 4,
    },
    Alphabet {
        name: "data that wraps around in the queue's memory",
        before: &[
            Letter::CreateDevice,
            CREATE,
            Letter::Exchange(A, ZEROS),
            submit(A, 0, 0, DATA_LEN_MAX),
            submit(A, 1, 0, 16),
            RETIRE_ONE,
        ],
        letters: &[
            submit(A, 2, 0, 256),
            submit_other(A, 2, 0, 256),
            Letter::Start(A, RANDOM),
            RETIRE_ALL,
            Letter::Status(A),
        ],
        depth: 4,
    },
];

/// Buffers of two sessions with one key and one counter, the lowest, and whatever ends them.
const fn work_of(one: Session, other: Session) -> [Letter; 9] {
    [
        submit(one, 0, 0, 16),
        submit(one, 0, 0, 32),
        submit(other, 0, 0, 16),
        submit(other, 0, 0, 32),
        Letter::Status(one),
        Letter::Status(other),
        RETIRE_ONE,
        Letter::DestroyDevice { device: 0 },
        Letter::Reset,
    ]
}

/// A search through the sequences of an alphabet.
struct Search {
    alphabet: Alphabet,
    handles: Handles,
    /// For each state that was written, the first calls that led to it, and what each letter then
    /// came to.
    known: HashMap<StateId, (Vec<Letter>, Vec<Outcome>)>,
    sequences: usize,
}

/// What a call came to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Outcome {
    code: Hresult,
    /// Whatever else is answered.
    answer: StateId,
    /// What the core then writes.
    state: StateId,
}

impl Search {
    /// Makes each letter behind these calls, which led to `state`, and goes on behind it.
    fn go_on(&mut self, calls: &mut Vec<Letter>, state: StateId) {
        let letters = self.alphabet.letters;
        let is_last = calls.len() + 1 == self.alphabet.before.len() + self.alphabet.depth;
        let mut outcomes = Vec::with_capacity(letters.len());
        for &letter in letters {
            calls.push(letter);
            let outcome = self.run(calls);
            // What is kept for planted faults may change with any call.
            let must_be_the_same = !outcome.code.is_ok() && cfg!(not(feature = "faults"));
            assert!(
                outcome.state == state || !must_be_the_same,
                "the last of {calls:?} is refused and changes what is written"
            );
            if !is_last {
                self.go_on(calls, outcome.state);
            }
            calls.pop();
            outcomes.push(outcome);
        }
        self.sequences += 1;
        let Some((first, known)) = self.known.get(&state) else {
            self.known.insert(state, (calls.clone(), outcomes));
            return;
        };
        for (letter, (outcome, known)) in letters.iter().zip(outcomes.iter().zip(known)) {
            assert!(
                outcome == known,
                "the core writes one state behind {first:?} and behind {calls:?}, and {letter:?} \
                 then comes to something else"
            );
        }
    }

    /// Makes the calls on a new core; what the last of them came to.
    fn run(&self, calls: &[Letter]) -> Outcome {
        let (mut core, random) = open();
        let (mut code, mut answer) = (Hresult::S_OK, StateHash::default());
        for call in calls {
            answer = StateHash::default();
            code = self.handles.make(call, &mut core, &random, &mut answer);
        }
        let mut state = StateHash::default();
        core.write_state(&mut |value| state.bytes(value));
        Outcome { code, answer: answer.finish(), state: state.finish() }
    }
}

/// The handles that a new core gives out first: two devices, and two sessions on each.
#[derive(Clone, Copy)]
struct Handles {
    devices: [DeviceHandle; 2],
    sessions: [[SessionHandle; 2]; 2],
}

impl Handles {
    fn of_a_new_core() -> Self {
        let (mut core, _) = open();
        let devices = [(); 2].map(|()| {
            let mut args = CreateDevice::default();
            assert_eq!(core.create_device(&mut args), Hresult::S_OK, "a new core has room");
            args.device
        });
        let sessions = devices.map(|device| {
            [(); 2].map(|()| {
                let mut args = plain_session();
                let code = core.create_crypto_session(device, &mut args);
                assert_eq!(code, Hresult::S_OK, "a new device has room");
                args.session
            })
        });
        Self { devices, sessions }
    }

    fn of(&self, session: Session) -> (DeviceHandle, SessionHandle) {
        let (device, session) = match session {
            A => (0, 0),
            B => (0, 1),
            C => (1, 0),
        };
        (self.devices[device], self.sessions[device][session])
    }

    /// Makes a call and writes what is answered beside the code.
    fn make(
        &self,
        call: &Letter,
        core: &mut Adapter,
        random: &Cell<[u8; 16]>,
        answer: &mut StateHash,
    ) -> Hresult {
        match *call {
            Letter::CreateDevice => {
                let mut args = CreateDevice::default();
                let code = core.create_device(&mut args);
                answer.number(args.device.0);
                code
            }
            Letter::DestroyDevice { device } => core.destroy_device(self.devices[device]),
            Letter::CreateSession { device } => {
                let mut args = plain_session();
                let code = core.create_crypto_session(self.devices[device], &mut args);
                answer.number(args.session.0);
                code
            }
            Letter::DestroySession(session) => {
                let (device, session) = self.of(session);
                core.destroy_crypto_session(device, session)
            }
            Letter::Exchange(session, key) => {
                let (device, session) = self.of(session);
                let blob = Some(&[key; 16][..]);
                let args = CryptoSessionKeyExchange { session, blob, blob_len: 16 };
                core.crypto_session_key_exchange(device, &args)
            }
            Letter::Start(session, byte) => {
                let (device, session) = self.of(session);
                random.set([byte; 16]);
                let mut out = [UNTOUCHED; 16];
                let random_number = Some(&mut out[..]);
                let mut args =
                    StartSessionKeyRefresh { session, random_number, random_number_len: 16 };
                let code = core.start_session_key_refresh(device, &mut args);
                answer.bytes(&out);
                code
            }
            Letter::Finish(session) => {
                let (device, session) = self.of(session);
                core.finish_session_key_refresh(device, session)
            }
            Letter::Submit { session, iv, count, len, last } => {
                let (device, session) = self.of(session);
                let (iv, mut data) = (CtrIv::new(iv, count), [0; DATA_LEN_MAX as usize]);
                data[len as usize - 1] = last;
                let (iv, data) = (Some(&iv), Some(&data[..]));
                let mut args = SubmitBuffer { session, iv, data, data_len: len, fence: 0 };
                let code = core.submit_buffer(device, &mut args);
                answer.number(args.fence);
                code
            }
            Letter::Status(session) => {
                let (device, session) = self.of(session);
                let mut args = CheckCryptoSessionStatus { session, status: SessionStatus::OK };
                let code = core.check_crypto_session_status(device, &mut args);
                answer.number(args.status.0.into());
                code
            }
            Letter::Retire { count } => {
                let mut completions = [Completion::EMPTY; 8];
                let mut surface = [UNTOUCHED; 2 * DATA_LEN_MAX as usize];
                let mut args = Retire {
                    count,
                    completions: &mut completions,
                    completed_count: 0,
                    surface: &mut surface,
                    surface_len: 0,
                };
                let code = core.retire(&mut args);
                answer.number(args.completed_count.into());
                answer.number(args.surface_len.into());
                for Completion { fence, code, offset, len } in completions {
                    answer.number(fence);
                    answer.number(code.0.into());
                    answer.number(offset.into());
                    answer.number(len.into());
                }
                answer.bytes(&surface);
                code
            }
            Letter::Reset => core.reset_engine(),
        }
    }
}

/// A new core, and what its entropy source answers.
fn open() -> (Adapter, Rc<Cell<[u8; 16]>>) {
    let random = Rc::default();
    let entropy = Told(Rc::clone(&random));
    (Adapter::new(entropy, SoftwareEngine, KeyInTheClear, Bounds::default()), random)
}

fn plain_session() -> CreateCryptoSession {
    CreateCryptoSession {
        crypto_type: Guid::CRYPTO_TYPE_AES128_CTR,
        decode_profile: Guid::NULL,
        session: SessionHandle::NULL,
    }
}

/// An entropy source that answers what it was told to.
struct Told(Rc<Cell<[u8; 16]>>);

impl Entropy for Told {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        *random = self.0.get();
        Ok(())
    }
}

/// A mechanism whose blob is the key.
struct KeyInTheClear;

impl KeyUnwrap for KeyInTheClear {
    fn exchange_type(&self) -> Guid {
        Guid::KEY_EXCHANGE_PLAIN
    }

    fn blob_len(&self) -> usize {
        16
    }

    fn unwrap_key(&mut self, blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        let is_good = blob != [BAD_KEY; 16];
        let len = if is_good { 16 } else { 8 };
        key[..len].copy_from_slice(&blob[..len]);
        if is_good { Ok(()) } else { Err(UnwrapError) }
    }
}
