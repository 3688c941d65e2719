//! The driver core: a hardened, executable answer to what a driver should do about session keys.
//!
//! [`Adapter`] implements [`CryptoSessionDdi`](rekeylab_ddi::CryptoSessionDdi). Above it sits a
//! caller; below it sit three seams that the caller supplies: [`Entropy`], [`Engine`] and
//! [`KeyUnwrap`]. The core itself has no clock, no threads, no global state and no `unsafe`.
//!
//! Where the documents are silent, a comment that begins "Semantics decision:" says what was
//! decided and cites the silent point. The decisions together are the *hardened* profile.
//!
//! ```text
//! Adapter ── Device ── Session: State, CounterTrack, SessionSecrets (the key's one home)
//!    └────── Queue: commands, each with the key captured at submission
//! ```

#![forbid(unsafe_code)]

mod adapter;
mod capabilities;
mod counter;
mod device;
mod engine;
mod home;
#[cfg(feature = "homes")]
mod homes;
mod limits;
#[cfg(feature = "homes")]
mod observe;
mod queue;
mod seams;
mod secrets;
mod session;
mod state;
mod table;

pub use adapter::Adapter;
pub use engine::SoftwareEngine;
#[cfg(feature = "homes")]
pub use homes::HomeOf;
pub use limits::{
    BLOCK_ALIGNMENT, Bounds, DEVICES_MAX, ENTROPY_DRAWS_MAX, QUEUE_COMMANDS_MAX, SESSIONS_MAX,
};
pub use seams::{Engine, Entropy, EntropyError, KeyUnwrap, OsEntropy, OutOfMemory, UnwrapError};
pub use state::{Event, Refusal, State, step};
