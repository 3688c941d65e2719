//! Bounded exhaustive testing: every sequence of up to so many calls over a small alphabet, each
//! judged by every invariant.
//!
//! ```text
//! alphabet   which calls there are, and which may follow what was created
//! search     level by level over distinct states, and what came of it
//! level      one level: the prefixes, and the states that they led to
//! judge      one run, judged, and the state that it led to
//! ```
//!
//! # Why few runs stand for many sequences
//!
//! There are too many sequences to run them all, but most lead to a state that another has led to
//! before. A *state* is everything that the future depends on: the driver's complete state, which
//! the driver writes field by field ([`Dut::write_state`](crate::executor::Dut)), that of
//! the client and of the seams, the secrets that are searched for, what the model and the
//! invariants remember, and what the alphabet lets follow. All of it is deterministic. So when two
//! prefixes *of the same length* end in the same state, whatever follows both is answered and
//! judged alike, and only the first of the two is extended; how many sequences it stands for is
//! carried along, exactly. The length counts because the payload of a buffer follows from its place
//! in the sequence, and nothing is assumed about what a driver does with payloads.
//!
//! Every pair of a state and a letter is run from the beginning, with the epilogue, so that also
//! the prefix that is not extended has been judged. Behind a call that broke something nothing is
//! extended: the search ends with the level, and what it found is as short as can be.
//!
//! States are compared by 128 bits of hash. Two of `n` different states share theirs with a
//! probability of about n²/2¹²⁹; for a hundred million that is 1 in 10²².
//!
//! It holds for what the driver declares. A driver that keeps something in statics, or does not
//! write its state, does not declare it, and then every sequence is run. The layers are those of
//! the fast lane; what lies in dead stack, registers or live heap is no part of a state.

mod alphabet;
mod created;
mod judge;
mod level;
mod search;

pub use alphabet::{ALL, Alphabet};
pub use created::Created;
pub use judge::LAYERS;
pub use level::{Broken, LevelCount};
pub use search::{Outcome, Plan, Pulse, Watch, run};
