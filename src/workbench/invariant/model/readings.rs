//! The states that a driver may be in: a silent point adds some, and what is seen takes them away.

use super::state::ModelSession;
use super::{Effect, Model};
use crate::observation::{Choices, Observation, Phase, StateHash, Trace};
use crate::sequence::{Blob, Call};

impl Model {
    /// Compares one call with what each state predicts. A state that it contradicts is none that the driver can
    /// be in; when it contradicts all of them, the driver has done what no reading of the documents allows.
    pub(super) fn observe(
        &mut self,
        trace: &Trace,
        index: usize,
        seen: &Observation,
        effect: Effect,
    ) {
        if self.others.is_empty() && self.other_reading(trace, seen).is_none() {
            return self.step(trace, index, seen, effect);
        }
        let mut states = vec![self.fork()];
        states.append(&mut self.others);
        let known_count = self.divergences.len();
        let mut next: Vec<Self> = Vec::new();
        let mut contradicted = None;
        for mut state in states {
            let reading = state.other_reading(trace, seen);
            state.step(trace, index, seen, effect);
            if state.divergences.len() > known_count {
                contradicted.get_or_insert(state);
                continue;
            }
            let other = reading.map(|reading| state.read_otherwise(seen, reading));
            for state in [Some(state), other].into_iter().flatten() {
                if !next.iter().any(|known| known.is_same(&state)) {
                    next.push(state);
                }
            }
        }
        if next.len() > STATES_MAX {
            // Too much is possible for any answer to say something about this session.
            next.truncate(1);
            next.iter_mut().for_each(|state| state.give_up_on(seen.session_slot));
        }
        let mut next = next.into_iter().chain(contradicted);
        if let Some(first) = next.next() {
            self.go_on_in(first);
        }
        self.others.extend(next.filter(|state| state.divergences.len() == known_count));
    }

    /// In what other way than the usual one the driver may have taken a call, of those that its choices allow and
    /// that its answer does not tell apart.
    fn other_reading(&self, trace: &Trace, seen: &Observation) -> Option<Reading> {
        let may = |point| trace.choices.has(point);
        let asks = match seen.call {
            Call::StartRefresh { size: 16, null: false, .. } => may(Choices::SECOND_START),
            Call::ExchangeKey { blob: Blob::Good | Blob::Corrupt, .. } => {
                may(Choices::EXCHANGE_WHILE_PENDING)
            }
            _ => false,
        };
        if !asks {
            return None;
        }
        let session = self.live_session(seen).ok()?;
        if session.phase != Phase::Pending || session.is_given_up || self.is_lost {
            return None;
        }
        match (seen.call, seen.code?.is_ok()) {
            (Call::StartRefresh { .. }, true) => Some(Reading::Accumulated(session.random)),
            (_, false) => Some(Reading::Cancelled),
            _ => None,
        }
    }

    /// The state behind a call that this one is behind, had the driver taken it in another way.
    fn read_otherwise(&self, seen: &Observation, reading: Reading) -> Self {
        let mut other = self.fork();
        let slot = seen.session_slot.map(usize::from);
        if let Some(session) = slot.and_then(|slot| other.sessions.get_mut(slot)) {
            session.take(reading);
        }
        other
    }

    /// The same state, without the others.
    fn fork(&self) -> Self {
        Self {
            devices: self.devices.clone(),
            sessions: self.sessions.clone(),
            queue: self.queue.clone(),
            queued_len: self.queued_len,
            last_fence: self.last_fence,
            keys: self.keys.clone(),
            is_lost: self.is_lost,
            divergences: self.divergences.clone(),
            ..Self::default()
        }
    }

    /// Takes the place of the state, and keeps what only saves time.
    fn go_on_in(&mut self, state: Self) {
        let before = std::mem::replace(self, state);
        self.key_ring = before.key_ring;
        self.scratch = before.scratch;
    }

    fn is_same(&self, other: &Self) -> bool {
        let hash = |state: &Self| {
            let mut hash = StateHash::default();
            state.write_state(&mut hash);
            hash.finish()
        };
        hash(self) == hash(other)
    }
}

impl ModelSession {
    fn take(&mut self, reading: Reading) {
        match reading {
            Reading::Cancelled => {
                self.random = [0; 16];
                self.phase = Phase::Keyed;
            }
            Reading::Accumulated(first) => {
                self.random.iter_mut().zip(first).for_each(|(random, first)| *random ^= first);
                self.is_apart = true;
            }
        }
    }
}

/// Another way to take a call.
#[derive(Clone, Copy)]
enum Reading {
    /// It was refused, and ended the refresh that was under way (S-01, S-08).
    Cancelled,
    /// A second start was served, and both random numbers go into the key (S-01).
    Accumulated([u8; 16]),
}

/// More states than this are not followed.
const STATES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::super::testing::{process_with, rings, trace_of};
    use super::*;
    use crate::sequence::Shape;
    use crate::sequence::expand::{World, session_key};

    /// What a driver with this choice rings.
    fn rings_of(calls: &str, point: u8) -> Vec<&'static str> {
        let mut trace = trace_of(calls);
        trace.choices.any_failure = true;
        trace.choices = trace.choices.with(point).unwrap();
        rings(&trace)
    }

    const PENDING: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        start-refresh s0 -> ok\n";

    #[test]
    fn a_refused_start_may_end_the_refresh_or_leave_it() {
        for finished in ["ok", "D3DDDIERR_INVALIDCALL"] {
            let calls = format!(
                "{PENDING}start-refresh s0 -> D3DDDIERR_INVALIDCALL\nfinish-refresh s0 -> {finished}\n"
            );
            assert!(rings_of(&calls, Choices::SECOND_START).is_empty(), "{finished}");
        }
        // It cannot do both, and nobody who has not said so may end it.
        let both = format!(
            "{PENDING}start-refresh s0 -> D3DDDIERR_INVALIDCALL\nfinish-refresh s0 -> D3DDDIERR_INVALIDCALL\n\
             finish-refresh s0 -> ok\n"
        );
        assert_eq!(rings_of(&both, Choices::SECOND_START), ["wrong-answer"]);
        let ended = format!(
            "{PENDING}start-refresh s0 -> D3DDDIERR_INVALIDCALL\nfinish-refresh s0 -> D3DDDIERR_INVALIDCALL\n"
        );
        assert!(!rings_of(&ended, Choices::OUTPUTS_LEFT).is_empty());
    }

    #[test]
    fn a_refused_exchange_may_end_the_refresh_and_an_accepted_one_does() {
        for (exchanged, finished, is_honest) in [
            ("D3DDDIERR_INVALIDCALL", "ok", true),
            ("D3DDDIERR_INVALIDCALL", "D3DDDIERR_INVALIDCALL", true),
            ("ok", "D3DDDIERR_INVALIDCALL", true),
            ("ok", "ok", false),
        ] {
            let calls = format!(
                "{PENDING}exchange-key s0 key=8 -> {exchanged}\nfinish-refresh s0 -> {finished}\n"
            );
            let rung = rings_of(&calls, Choices::EXCHANGE_WHILE_PENDING);
            assert_eq!(rung.is_empty(), is_honest, "{exchanged} {finished}: {rung:?}");
        }
    }

    #[test]
    fn a_second_start_that_is_served_replaces_the_number_or_adds_to_it() {
        let calls = format!(
            "{PENDING}start-refresh s0 -> ok\nfinish-refresh s0 -> ok\n\
             submit-buffer s0 iv=1 count=0 len=16 -> ok\nretire 1 -> ok\n\
             submit-buffer s0 iv=2 count=0 len=16 -> ok\nretire 1 -> ok\n"
        );
        let mut trace = trace_of(&calls);
        trace.choices = Choices::default().with(Choices::SECOND_START).unwrap();
        let mut key = [0; 16];
        session_key(World::default(), 7, Shape::Plain, &mut key);
        let refreshed_by = |starts: &[usize]| {
            let mut grown = key;
            for &started in starts {
                let random = trace.buffer_of(&trace.calls[started]);
                grown.iter_mut().zip(random).for_each(|(key, random)| *key ^= random);
            }
            grown
        };
        let (last, both) = (refreshed_by(&[4]), refreshed_by(&[3, 4]));
        // Both starts' numbers, in both buffers: the driver adds them up.
        process_with(&mut trace, 6, 7, &both);
        process_with(&mut trace, 8, 9, &both);
        assert!(rings(&trace).is_empty());
        // First the one, then the other, is no reading; nor is the old key.
        process_with(&mut trace, 8, 9, &last);
        assert_eq!(rings(&trace), ["wrong-key-epoch"]);
        process_with(&mut trace, 6, 7, &key);
        assert_eq!(rings(&trace)[0], "wrong-key-epoch");
    }
}
