//! Where planted faults leave the queue's honest path.

use std::collections::VecDeque;

use super::{Command, Queue, key_index};
use crate::device::SessionPlace;
use crate::home::Home;
use crate::seams::Engine;

impl Queue {
    /// Binds another key to the command that completes next.
    pub(crate) fn bind_front(&mut self, key: &Home) {
        if let Some(command) = self.commands.front().filter(|command| !command.is_lost) {
            self.keys[key_index(command.fence)].copy_from(key);
        }
    }

    /// Throws the work of a session away.
    pub(crate) fn drop_work_of(&mut self, session: SessionPlace) {
        self.drop_bytes_of(session);
        self.commands.retain(|command| command.session != session);
    }

    /// Loses the work of a session, as if the engine had been reset under it alone.
    pub(crate) fn lose_work_of(&mut self, session: SessionPlace, engine: &mut dyn Engine) {
        self.drop_bytes_of(session);
        for command in self.commands.iter_mut().filter(|command| command.session == session) {
            if !command.is_lost {
                self.keys[key_index(command.fence)].wipe();
                engine.release(command.len);
            }
            command.is_lost = true;
        }
    }

    /// Wipes the captured keys of a session, and leaves its work in the queue.
    pub(crate) fn wipe_keys_of(&mut self, session: SessionPlace) {
        for command in self.commands.iter().filter(|command| command.session == session) {
            self.keys[key_index(command.fence)].wipe();
        }
    }

    /// How many bytes of a session wait.
    pub(crate) fn len_of(&self, session: SessionPlace) -> usize {
        let is_live = |command: &&Command| command.session == session && !command.is_lost;
        self.commands.iter().filter(is_live).map(|command| command.len).sum()
    }

    /// How many bytes the lost commands had.
    pub(crate) fn lost_len(&self) -> usize {
        self.commands.iter().filter(|command| command.is_lost).map(|command| command.len).sum()
    }

    /// Whether a session with this one's slot and device has work in flight, dead or alive.
    pub(crate) fn has_work_of_slot(&self, session: SessionPlace) -> bool {
        let is_here = |place: SessionPlace| {
            place.device == session.device && place.session.index == session.session.index
        };
        self.commands.iter().any(|command| is_here(command.session) && !command.is_lost)
    }

    /// Puts the key of the session's oldest work in flight in the place of the newest one's.
    pub(crate) fn bind_oldest_key(&mut self, session: SessionPlace, fence: u64) {
        let oldest =
            self.commands.iter().find(|command| command.session == session && !command.is_lost);
        if let Some(oldest) = oldest {
            let key = *self.keys[key_index(oldest.fence)].bytes();
            *self.keys[key_index(fence)].bytes_mut() = key;
        }
    }

    /// Puts another key in the place of a captured one.
    pub(crate) fn rebind(&mut self, fence: u64, key: &[u8; 16]) {
        *self.keys[key_index(fence)].bytes_mut() = *key;
    }

    /// Puts the command that completed last back.
    pub(crate) fn repeat(&mut self, completed: &Command) {
        self.commands.push_front(Command { is_lost: true, ..*completed });
    }

    fn drop_bytes_of(&mut self, session: SessionPlace) {
        let mut kept = VecDeque::new();
        for command in &self.commands {
            let data = self.data.drain(..if command.is_lost { 0 } else { command.len });
            if command.session != session {
                kept.extend(data);
            }
        }
        self.data = kept;
    }
}
