//! When each secret of a trace was born and when it was dead, as the client of the driver knows it.

use core::fmt;

use rekeylab_ddi::Hresult;

use super::{Observation, Phase, SecretKind, SecretName, Standings, Trace};
use crate::sequence::Call;

/// The life of one secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetime {
    /// The call with which it came into the driver.
    pub born: u32,
    /// The call after which nothing of it may be left; `None` if it lived to the end.
    pub died: Option<u32>,
    /// Why.
    pub cause: Cause,
}

/// What ended the life of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Nothing did.
    Alive,
    /// The call that brought it was refused.
    Refused,
    /// It exists during a call only.
    Transient,
    /// A refresh was finished: the old key, the random number and the read-back key are spent.
    Finished,
    /// Another read-back key took its place.
    Replaced,
    /// Its session or device was destroyed.
    Destroyed,
    /// The engine was reset.
    Reset,
    /// The last command that was bound to it completed.
    Completed,
}

impl Trace {
    /// The life of each secret, in the order of [`Trace::secrets`].
    #[must_use]
    pub fn lifetimes(&self) -> Vec<Lifetime> {
        let mut lives =
            Lives { trace: self, standings: Standings::default(), in_flight: Vec::new() };
        let mut lifetimes: Vec<_> = self.secrets.iter().map(|_| None).collect();
        for (index, seen) in self.calls.iter().enumerate() {
            let call = u32::try_from(index).unwrap_or(u32::MAX);
            lives.note(call, seen, &mut lifetimes);
            lives.standings.follow(index, seen);
        }
        let unborn = Lifetime { born: 0, died: None, cause: Cause::Alive };
        lifetimes.into_iter().map(|lifetime| lifetime.unwrap_or(unborn)).collect()
    }
}

/// What the client knows while it goes through the calls.
struct Lives<'a> {
    trace: &'a Trace,
    /// Where everything stood before the call.
    standings: Standings,
    in_flight: Vec<Bound>,
}

/// A command in flight and the key that it was submitted under.
#[derive(Clone, Copy)]
struct Bound {
    fence: u64,
    session: u16,
    epoch: u32,
}

type Lifetimes = [Option<Lifetime>];

impl Lives<'_> {
    fn note(&mut self, call: u32, seen: &Observation, lifetimes: &mut Lifetimes) {
        let slot = seen.session_slot.unwrap_or_default();
        let epoch = self.standings.session(Some(slot)).epoch;
        match seen.call {
            Call::ExchangeKey { .. } => {
                self.bear(call, SecretKind::Key, slot, 0, seen.code, lifetimes);
            }
            Call::StartRefresh { .. } => {
                self.bear(call, SecretKind::Random, slot, epoch, seen.code, lifetimes);
            }
            Call::EncryptionBltKey { .. } => {
                let made = self.standings.session(Some(slot)).read_back_keys;
                let kind = SecretKind::ReadBackKey;
                self.bear(call, kind, slot, made + 1, seen.code, lifetimes);
                if seen.is_ok() {
                    self.bury(call, kind, slot, made, Cause::Replaced, lifetimes);
                }
            }
            Call::FinishRefresh { .. } => self.finish(call, seen, slot, lifetimes),
            Call::SubmitBuffer { .. } if seen.is_ok() => {
                self.in_flight.push(Bound { fence: seen.scalar, session: slot, epoch });
                self.bear(call, SecretKind::Keystream, slot, epoch, seen.code, lifetimes);
            }
            Call::DestroySession { .. } if seen.is_ok() => {
                self.end(call, slot, Cause::Destroyed, lifetimes);
            }
            Call::DestroyDevice { .. } if seen.is_ok() => {
                for slot in self.slots() {
                    if self.standings.session(Some(slot)).device == seen.device_slot {
                        self.end(call, slot, Cause::Destroyed, lifetimes);
                    }
                }
            }
            Call::ResetEngine if seen.is_ok() => {
                let standings = &self.standings;
                let is_spared = |session| seen.spares(standings.session(Some(session)).device);
                let (spared, bound): (Vec<_>, Vec<_>) = std::mem::take(&mut self.in_flight)
                    .into_iter()
                    .partition(|bound: &Bound| is_spared(bound.session));
                let lost: Vec<u16> = self.slots().filter(|&slot| !is_spared(slot)).collect();
                self.in_flight = spared;
                for slot in lost {
                    self.end(call, slot, Cause::Reset, lifetimes);
                }
                for Bound { session, epoch, .. } in bound {
                    self.bury(call, SecretKind::Key, session, epoch, Cause::Reset, lifetimes);
                }
            }
            Call::Retire { .. } => self.complete(call, seen, lifetimes),
            _ => {}
        }
    }

    fn slots(&self) -> core::ops::Range<u16> {
        0..u16::try_from(self.standings.sessions().len()).unwrap_or(u16::MAX)
    }

    fn finish(&self, call: u32, seen: &Observation, slot: u16, lifetimes: &mut Lifetimes) {
        let session = self.standings.session(Some(slot));
        if session.phase() != Phase::Pending {
            return;
        }
        let epoch = session.epoch;
        self.bear(call, SecretKind::Key, slot, epoch + 1, seen.code, lifetimes);
        if seen.is_ok() {
            self.bury(call, SecretKind::Random, slot, epoch, Cause::Finished, lifetimes);
            self.bury_read_back_key(call, slot, Cause::Finished, lifetimes);
            self.bury_key(call, slot, epoch, Cause::Finished, lifetimes);
        }
    }

    /// The session ends: its secrets die, but for keys that commands in flight still need.
    fn end(&self, call: u32, slot: u16, cause: Cause, lifetimes: &mut Lifetimes) {
        let session = self.standings.session(Some(slot));
        if session.is_in_force() {
            self.bury_key(call, slot, session.epoch, cause, lifetimes);
        }
        if session.phase() == Phase::Pending {
            self.bury(call, SecretKind::Random, slot, session.epoch, cause, lifetimes);
        }
        self.bury_read_back_key(call, slot, cause, lifetimes);
    }

    fn bury_read_back_key(&self, call: u32, slot: u16, cause: Cause, lifetimes: &mut Lifetimes) {
        let number = self.standings.session(Some(slot)).read_back_keys;
        self.bury(call, SecretKind::ReadBackKey, slot, number, cause, lifetimes);
    }

    /// Commands complete; a key whose last command it was, and which is in force nowhere, dies.
    fn complete(&mut self, call: u32, seen: &Observation, lifetimes: &mut Lifetimes) {
        for completion in self.trace.completions_of(seen) {
            let Some(place) =
                self.in_flight.iter().position(|bound| bound.fence == completion.fence)
            else {
                continue;
            };
            let Bound { session, epoch, .. } = self.in_flight.remove(place);
            let standing = self.standings.session(Some(session));
            if !standing.is_in_force() || standing.epoch != epoch {
                self.bury_key(call, session, epoch, Cause::Completed, lifetimes);
            }
        }
    }

    /// A secret is born with a call, and dies with it if the call is refused.
    fn bear(
        &self,
        call: u32,
        kind: SecretKind,
        session: u16,
        epoch: u32,
        code: Option<Hresult>,
        lifetimes: &mut Lifetimes,
    ) {
        let is_ok = code.is_some_and(Hresult::is_ok);
        for place in self.places(session, epoch) {
            let name = &self.trace.secrets[place];
            let is_made_of_it = kind == SecretKind::Key && name.kind == SecretKind::RoundKey;
            if name.kind != kind && !is_made_of_it || is_ok_life(&lifetimes[place]) {
                continue;
            }
            let is_transient = name.kind.is_transient();
            let died = (is_transient || !is_ok).then_some(call);
            let cause = match (is_transient, is_ok) {
                (true, _) => Cause::Transient,
                (false, false) => Cause::Refused,
                (false, true) => Cause::Alive,
            };
            lifetimes[place] = Some(Lifetime { born: call, died, cause });
        }
    }

    fn bury_key(
        &self,
        call: u32,
        session: u16,
        epoch: u32,
        cause: Cause,
        lifetimes: &mut Lifetimes,
    ) {
        let is_bound =
            self.in_flight.iter().any(|bound| (bound.session, bound.epoch) == (session, epoch));
        if !is_bound {
            self.bury(call, SecretKind::Key, session, epoch, cause, lifetimes);
        }
    }

    fn bury(
        &self,
        call: u32,
        kind: SecretKind,
        session: u16,
        epoch: u32,
        cause: Cause,
        lifetimes: &mut Lifetimes,
    ) {
        for place in self.places(session, epoch) {
            if self.trace.secrets[place].kind == kind
                && let Some(lifetime) = &mut lifetimes[place]
                && lifetime.died.is_none()
            {
                (lifetime.died, lifetime.cause) = (Some(call), cause);
            }
        }
    }

    fn places(&self, session: u16, epoch: u32) -> impl Iterator<Item = usize> + use<'_> {
        let is_it = move |name: &SecretName| (name.session, name.epoch) == (session, epoch);
        let secrets = self.trace.secrets.iter().enumerate();
        secrets.filter(move |(_, name)| is_it(name)).map(|(place, _)| place)
    }
}

/// Whether the secret is already known to have lived; a refused try before that does not count.
fn is_ok_life(lifetime: &Option<Lifetime>) -> bool {
    lifetime.is_some_and(|lifetime| lifetime.cause != Cause::Refused)
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "alive",
            Self::Refused => "the call that brought it was refused",
            Self::Transient => "it may exist during a call only",
            Self::Finished => "the refresh was finished",
            Self::Replaced => "another read-back key took its place",
            Self::Destroyed => "its session was destroyed",
            Self::Reset => "the engine was reset",
            Self::Completed => "the last command under it completed",
        })
    }
}
