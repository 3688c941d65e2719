//! What the model keeps about devices, sessions and work in flight.

use core::fmt;

use crate::observation::{Phase, StateHash};

/// A device slot of the sequence.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelDevice {
    pub(super) handle: u64,
    pub(super) is_open: bool,
    /// Whether the engine was reset under it, and it may serve no new sessions since (S-54).
    pub(super) was_removed: bool,
    /// Which place of the adapter's table it sits in.
    pub(super) place: usize,
    /// How many sessions each place of its table has given out, and whether one is alive there.
    pub(super) places: Vec<Place>,
}

impl ModelDevice {
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        let Self { handle, is_open, was_removed, place, places } = self;
        hash.number(*handle);
        hash.flag(*is_open);
        hash.flag(*was_removed);
        hash.count(*place);
        hash.count(places.len());
        for Place { given_out, is_taken } in places {
            hash.number(u64::from(*given_out) << 1 | u64::from(*is_taken));
        }
    }
}

/// A place in a table that gives out a bounded number of handles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) given_out: u32,
    pub(super) is_taken: bool,
}

/// A session slot of the sequence.
#[derive(Clone)]
pub struct ModelSession {
    /// The slot of the device that owns it.
    pub owner: Option<u16>,
    /// Where it stands.
    pub phase: Phase,
    /// How many refreshes were finished.
    pub epoch: u32,
    /// The call that made it.
    pub created: usize,
    /// The call that ended it, if one did.
    pub ended: Option<usize>,
    pub(super) place: usize,
    pub(super) key: [u8; 16],
    pub(super) random: [u8; 16],
    pub(super) last_random: Option<[u8; 16]>,
    /// The last read-back key that it made.
    pub(super) last_read_back_key: Option<[u8; 16]>,
    /// IV and Count of the highest block used.
    pub(super) highest: Option<(u64, u64)>,
    /// The same, whatever key was in force.
    pub(super) highest_ever: Option<(u64, u64)>,
    /// IV and Count of the highest block that a read-back used (S-29).
    pub(super) highest_read_back: Option<(u64, u64)>,
    pub(super) is_content_lost: bool,
    pub(super) is_given_up: bool,
    /// Whether the client goes on with another key than this driver, which read a silent point otherwise.
    pub(super) is_apart: bool,
}

impl ModelSession {
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        // When it was made and when it ended is for the story.
        let Self {
            owner,
            phase,
            epoch,
            created: _,
            ended: _,
            place,
            key,
            random,
            last_random,
            last_read_back_key,
            highest,
            highest_ever,
            highest_read_back: _, // of drivers whose states are not told apart
            is_content_lost,
            is_given_up,
            is_apart,
        } = self;
        hash.maybe(owner.map(u64::from));
        hash.number(*phase as u64);
        hash.number((*epoch).into());
        hash.count(*place);
        hash.bytes(key);
        hash.bytes(random);
        for last in [last_random, last_read_back_key] {
            hash.bytes(last.as_ref().map_or(&[], |drawn| &drawn[..]));
        }
        hash.maybe(highest.map(|(iv, _)| iv));
        hash.maybe(highest.map(|(_, count)| count));
        hash.maybe(highest_ever.map(|(iv, _)| iv));
        hash.maybe(highest_ever.map(|(_, count)| count));
        hash.flag(*is_content_lost);
        hash.flag(*is_given_up);
        hash.flag(*is_apart);
    }
}

impl fmt::Debug for ModelSession {
    // Without its keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSession")
            .field("owner", &self.owner)
            .field("phase", &self.phase)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// A key by session slot and epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyName {
    /// The session slot.
    pub session: u16,
    /// Its epoch.
    pub epoch: u32,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "K[s{}, epoch {}]", self.session, self.epoch)
    }
}

/// A buffer that waits for the GPU.
#[derive(Clone)]
pub(super) struct ModelCommand {
    pub(super) fence: u64,
    pub(super) submitted: usize,
    pub(super) key_name: KeyName,
    pub(super) key: [u8; 16],
    pub(super) iv: u64,
    pub(super) count: u64,
    pub(super) len: usize,
    /// The engine was reset before it completed.
    pub(super) is_lost: bool,
    /// Whether its bytes are judged when it completes.
    pub(super) is_judged: bool,
    /// Whether the client encrypted it under another key.
    pub(super) is_apart: bool,
}

impl fmt::Debug for ModelCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelCommand").field("fence", &self.fence).finish_non_exhaustive()
    }
}

impl ModelCommand {
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        let Self {
            fence,
            submitted,
            key_name: KeyName { session, epoch },
            key,
            iv,
            count,
            len,
            is_lost,
            is_judged,
            is_apart,
        } = self;
        hash.number(*fence);
        // Which payload it was follows from which call it was.
        hash.count(*submitted);
        hash.number(u64::from(*session) << 32 | u64::from(*epoch));
        hash.bytes(key);
        hash.number(*iv);
        hash.number(*count);
        hash.count(*len);
        hash.flag(*is_lost);
        hash.flag(*is_judged);
        hash.flag(*is_apart);
    }
}
