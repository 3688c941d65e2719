//! The submission queue: work that waits for the GPU, each with the key it was submitted under.

use core::fmt;
use std::collections::{TryReserveError, VecDeque};

use rekeylab_ddi::{Completion, CtrIv, Hresult};

use crate::device::SessionPlace;
use crate::home::Home;
use crate::limits::QUEUE_COMMANDS_MAX;
use crate::seams::Engine;
#[cfg(feature = "homes")]
use crate::table::Place;

/// How many short commands the queue has memory for before it first grows.
const FIRST_COMMANDS: usize = 8;

/// Commands in order of submission. Everything it holds is captured by value (S-17, S-43).
pub(crate) struct Queue {
    commands: VecDeque<Command>,
    /// The captured keys. A command's key is at its fence modulo the length, from submission to
    /// completion: outstanding fences are consecutive and never more than there are homes.
    keys: Box<[Home; QUEUE_COMMANDS_MAX]>,
    /// The captured data of all commands that still have some, end to end.
    data: VecDeque<u8>,
    len_max: u32,
    last_fence: u64,
}

/// One submitted buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) session: SessionPlace,
    pub(crate) counter: CtrIv,
    pub(crate) len: usize,
    fence: u64,
    is_lost: bool,
}

impl Queue {
    /// An empty queue. The keys have their homes from the start, because homes never move; what is
    /// no secret gets its memory when it is first needed, up to the bounds.
    pub(crate) fn new(len_max: u32) -> Self {
        Self {
            commands: VecDeque::with_capacity(FIRST_COMMANDS),
            keys: Box::new([const { Home::empty() }; QUEUE_COMMANDS_MAX]),
            data: VecDeque::with_capacity(FIRST_COMMANDS * 64),
            len_max,
            last_fence: 0,
        }
    }

    /// Whether a buffer of `len` bytes would still fit.
    ///
    /// Semantics decision: a full queue answers as a GPU that is still busy; the caller retries
    /// after time has passed.
    pub(crate) fn admit(&self, len: usize) -> Result<(), Hresult> {
        let is_full = self.commands.len() == QUEUE_COMMANDS_MAX
            || self.data.len() + len > self.len_max as usize;
        if is_full { Err(Hresult::D3DDDIERR_WASSTILLDRAWING) } else { Ok(()) }
    }

    /// Gets the memory for a buffer of `len` bytes, so that [`push`](Self::push) needs none.
    pub(crate) fn make_room(&mut self, len: usize) -> Result<(), TryReserveError> {
        self.commands.try_reserve(1)?;
        self.data.try_reserve(len)
    }

    /// Queues a buffer that [`admit`](Self::admit) let in; `bind` puts the session's key in place.
    ///
    /// Returns the fence.
    pub(crate) fn push(
        &mut self,
        session: SessionPlace,
        counter: CtrIv,
        data: &[u8],
        bind: impl FnOnce(&mut Home),
    ) -> u64 {
        self.last_fence += 1;
        let fence = self.last_fence;
        bind(&mut self.keys[key_index(fence)]);
        self.commands.push_back(Command {
            session,
            counter,
            len: data.len(),
            fence,
            is_lost: false,
        });
        self.data.extend(data);
        fence
    }

    /// The command that completes next.
    pub(crate) fn front(&self) -> Option<&Command> {
        self.commands.front()
    }

    /// Completes the next command: its plaintext into `buffer`, its bytes back to the engine.
    ///
    /// `buffer` has the length of what the command yields; see [`Command::result_len`].
    pub(crate) fn complete_front(
        &mut self,
        engine: &mut dyn Engine,
        buffer: &mut [u8],
    ) -> Completion {
        let command = self.commands.pop_front().expect("the caller has seen the front");
        if command.is_lost {
            let code = Hresult::D3DDDIERR_DEVICEREMOVED;
            return Completion { fence: command.fence, code, offset: 0, len: 0 };
        }
        let (front, back) = self.data.as_slices();
        let front_len = front.len().min(command.len);
        let (head, tail) = buffer.split_at_mut(front_len);
        head.copy_from_slice(&front[..front_len]);
        tail.copy_from_slice(&back[..tail.len()]);
        self.data.drain(..command.len);
        let key = &mut self.keys[key_index(command.fence)];
        engine.execute(key.bytes(), command.counter, buffer);
        // The captured key has done its work (S-79).
        key.wipe();
        engine.release(command.len);
        let len = u32::try_from(command.len).expect("bounded by the longest buffer");
        Completion { fence: command.fence, code: Hresult::S_OK, offset: 0, len }
    }

    /// The engine was reset: what waits is lost, and its keys with it (S-54, S-79).
    ///
    /// Returns how many commands that were.
    pub(crate) fn lose_everything(&mut self, engine: &mut dyn Engine) -> usize {
        let mut lost_count = 0;
        for command in &mut self.commands {
            if command.is_lost {
                continue;
            }
            command.is_lost = true;
            lost_count += 1;
            self.keys[key_index(command.fence)].wipe();
            engine.release(command.len);
        }
        self.data.clear();
        lost_count
    }

    /// The homes of the captured keys, each with its command's fence.
    #[cfg(feature = "homes")]
    pub(crate) fn bound_keys(&self) -> impl Iterator<Item = (u64, &Home)> {
        let held = self.commands.iter().filter(|command| !command.is_lost);
        held.map(|command| (command.fence, &self.keys[key_index(command.fence)]))
    }

    /// Writes the queue's state; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self {
            commands,
            keys,
            data,
            len_max: _, // never changes
            last_fence,
        } = self;
        sink.count(commands.len());
        for command in commands {
            let Command { session: SessionPlace { device, session }, counter, len, fence, is_lost } =
                *command;
            for Place { index, generation } in [device, session] {
                sink.number((index as u64) << 32 | u64::from(generation));
            }
            sink.bytes(&counter.iv);
            sink.bytes(&counter.count);
            sink.count(len);
            sink.number(fence);
            sink.flag(is_lost);
        }
        // Every home, because one that was not wiped may be read again.
        keys.iter().for_each(|key| sink.bytes(key.bytes()));
        // Where the bytes lie in their ring shows where they wrap around; the core looks at both
        // parts. What is beyond that is the standard library's, and taken at its word.
        let (front, back) = data.as_slices();
        sink.count(data.capacity());
        sink.bytes(front);
        sink.bytes(back);
        sink.number(*last_fence);
    }

    /// Whether the session has work in flight that can still be lost.
    pub(crate) fn has_work_of(&self, session: SessionPlace) -> bool {
        self.commands.iter().any(|command| command.session == session && !command.is_lost)
    }
}

impl Command {
    /// How many bytes its completion delivers: none when the engine was reset meanwhile.
    pub(crate) fn result_len(&self) -> usize {
        if self.is_lost { 0 } else { self.len }
    }
}

fn key_index(fence: u64) -> usize {
    usize::try_from(fence % QUEUE_COMMANDS_MAX as u64).expect("below QUEUE_COMMANDS_MAX")
}

impl fmt::Debug for Queue {
    // Counts only: the data is content, and the keys are keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Queue");
        out.field("commands", &self.commands.len()).field("bytes", &self.data.len());
        out.finish_non_exhaustive()
    }
}
