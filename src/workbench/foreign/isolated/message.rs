//! What is said between a command and the process of a driver.
//!
//! A request goes through a socket: its length and its bytes. So do signals, of twelve bytes each. Answers lie in
//! shared memory before their signal comes, and so does the stage of a run at every moment: a process that
//! dies in the middle of writing has said nothing wrong.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::observation::{Layers, Stage, Trace};
use crate::sequence::{Call, CallSequence, wire};

/// A run that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The calls.
    pub(super) calls: &'a [Call],
    /// How many of them are run.
    pub(super) calls_max: usize,
    /// What is looked into.
    pub(super) layers: Layers,
    /// Where the run ends, because another ended there.
    pub(super) ends_at: Option<Stage>,
    /// Whether what the library counts is wanted.
    pub(super) counts_edges: bool,
    /// Whether it is the last of its worker.
    pub(super) is_last: bool,
}

/// A [`Request`] on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    calls_max: usize,
    layers: Layers,
    ends_at: Option<Stage>,
    counts_edges: bool,
    is_last: bool,
    /// The wire form of the calls.
    calls: Vec<u8>,
}

/// A [`Request`] that has arrived.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) sequence: CallSequence,
    pub(super) calls_max: usize,
    pub(super) layers: Layers,
    pub(super) ends_at: Option<Stage>,
    pub(super) counts_edges: bool,
    pub(super) is_last: bool,
}

impl Request<'_> {
    pub(super) fn send(&self, mut to: impl Write) -> io::Result<()> {
        let Self { calls, calls_max, layers, ends_at, counts_edges, is_last } = *self;
        let calls = calls.iter().flat_map(wire::encode_call).collect();
        let sent = Sent { calls_max, layers, ends_at, counts_edges, is_last, calls };
        let mut bytes = vec![0; 4];
        postcard::to_io(&sent, &mut bytes).map_err(io::Error::other)?;
        let len = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        to.write_all(&bytes)
    }
}

impl Received {
    /// The next request; `None` when there will be none.
    pub(super) fn read(mut from: impl Read) -> io::Result<Option<Self>> {
        let mut len = [0; 4];
        match from.read_exact(&mut len) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
        from.read_exact(&mut bytes)?;
        let sent: Sent = postcard::from_bytes(&bytes).map_err(io::Error::other)?;
        let Sent { calls_max, layers, ends_at, counts_edges, is_last, calls } = sent;
        let mut sequence = CallSequence::default();
        wire::decode_up_to(usize::MAX, &calls, &mut sequence);
        Ok(Some(Self { sequence, calls_max, layers, ends_at, counts_edges, is_last }))
    }
}

/// What the process of a driver signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    /// It is ready for requests, and has said in so many bytes of shared memory what it cannot look into, and how
    /// many counters the library has.
    Ready(u32),
    /// The driver cannot be driven: so many bytes of shared memory say why.
    CannotStart(u32),
    /// The run has ended: so many bytes of shared memory are its trace.
    Done(u32),
    /// The same, and it was the last one of its worker.
    DoneForGood(u32),
    /// The run does not go on: the time limit is over.
    Hung,
    /// The worker was ended by this signal of the system, and there is another.
    Killed(i32),
    /// The worker ended with this exit code, and there is another.
    Exited(i32),
}

impl Signal {
    const LEN: usize = 12;

    pub(super) fn send(self, mut to: impl Write) -> io::Result<()> {
        let (kind, value) = match self {
            Self::Ready(len) => (0, len.cast_signed()),
            Self::CannotStart(len) => (1, len.cast_signed()),
            Self::Done(len) => (2, len.cast_signed()),
            Self::Hung => (3, 0),
            Self::Killed(signal) => (4, signal),
            Self::Exited(code) => (5, code),
            Self::DoneForGood(len) => (6, len.cast_signed()),
        };
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&i32::to_le_bytes(kind));
        bytes[8..].copy_from_slice(&value.to_le_bytes());
        // At once, so that those of a worker and of its server never mix.
        to.write_all(&bytes)
    }

    /// The next signal; `None` when the process is gone.
    pub(super) fn read(mut from: impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; Self::LEN];
        match from.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let number = |at: usize| {
            let mut number = [0; 4];
            number.copy_from_slice(&bytes[at..at + 4]);
            i32::from_le_bytes(number)
        };
        let value = number(8);
        let signal = match number(4) {
            0 => Self::Ready(value.cast_unsigned()),
            1 => Self::CannotStart(value.cast_unsigned()),
            2 => Self::Done(value.cast_unsigned()),
            3 => Self::Hung,
            4 => Self::Killed(value),
            5 => Self::Exited(value),
            6 => Self::DoneForGood(value.cast_unsigned()),
            _ => return Err(io::Error::other("the driver wrote to its own process")),
        };
        if number(0) != MAGIC {
            return Err(io::Error::other("the driver wrote to its own process"));
        }
        Ok(Some(signal))
    }
}

/// With it begins every signal.
const MAGIC: i32 = 0x5265_6B31;

/// A file that is memory of both processes: the stage of the run, the number of the worker, and behind them
/// the answer.
#[derive(Debug)]
pub(super) struct Shared(pub(super) File);

/// Where the number of the worker's process is, in bytes.
const WORKER: u64 = 8;

/// Where the answer begins, in bytes.
const ANSWER: u64 = 64;

impl Shared {
    pub(super) fn note_stage(&self, stage: Stage) {
        // Of a stage that cannot be noted is only known that the run had come to the one before.
        let _ = self.0.write_all_at(&stage.number().to_le_bytes(), 0);
    }

    pub(super) fn stage(&self) -> io::Result<Stage> {
        let mut number = [0; 4];
        self.0.read_exact_at(&mut number, 0)?;
        Ok(Stage::of_number(u32::from_le_bytes(number)))
    }

    /// Says which process this is.
    pub(super) fn note_worker(&self) {
        // Of a worker that cannot be named, the server is ended with it.
        let _ = self.0.write_all_at(&std::process::id().to_le_bytes(), WORKER);
    }

    /// Which process the worker is, if there was one.
    pub(super) fn worker(&self) -> Option<i32> {
        let mut number = [0; 4];
        self.0.read_exact_at(&mut number, WORKER).ok()?;
        Some(i32::from_le_bytes(number)).filter(|&number| number > 0)
    }

    /// Writes an answer; how many bytes it has.
    pub(super) fn write_answer(&self, answer: &impl Serialize) -> io::Result<u32> {
        let bytes = postcard::to_stdvec(answer).map_err(io::Error::other)?;
        self.0.write_all_at(&bytes, ANSWER)?;
        u32::try_from(bytes.len()).map_err(io::Error::other)
    }

    /// Writes counters behind an answer of so many bytes.
    pub(super) fn write_counters(&self, answer_len: u32, counters: &[u8]) -> io::Result<()> {
        self.0.write_all_at(counters, ANSWER + u64::from(answer_len))
    }

    /// Reads so many counters from behind an answer.
    pub(super) fn counters(
        &self,
        answer_len: u32,
        count: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        into.clear();
        into.resize(count, 0);
        self.0.read_exact_at(into, ANSWER + u64::from(answer_len))
    }

    pub(super) fn answer<'a, T: Deserialize<'a>>(
        &self,
        len: u32,
        bytes: &'a mut Vec<u8>,
    ) -> io::Result<T> {
        bytes.clear();
        bytes.resize(len as usize, 0);
        self.0.read_exact_at(bytes, ANSWER)?;
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }

    /// What a run saw.
    pub(super) fn trace(&self, len: u32, trace: &mut Trace) -> io::Result<()> {
        *trace = self.answer(len, &mut Vec::new())?;
        Ok(())
    }
}
