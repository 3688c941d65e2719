//! The client's side: what a player knows of its devices, sessions and keys.

use std::collections::VecDeque;

use rekeylab_ddi::{DeviceHandle, Guid, Hresult, SessionHandle};

use zeroize::Zeroize;

use super::seams::Known;
use crate::observation::{Home, Observation, StateHash};
use crate::sequence::expand::KeyRing;
use crate::sequence::{CryptoType, DecodeProfile, HandleForm};

/// Everything the client remembers between calls.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) devices: Vec<ClientDevice>,
    pub(super) sessions: Vec<ClientSession>,
    /// The accepted buffers that have not completed.
    pub(super) in_flight: VecDeque<InFlight>,
    /// Kept from run to run.
    pub(super) key_ring: KeyRing,
}

#[derive(Debug)]
pub(super) struct ClientDevice {
    pub(super) handle: DeviceHandle,
    pub(super) is_open: bool,
}

/// An accepted buffer that has not completed.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    /// Length in bytes.
    pub(super) len: usize,
    pub(super) fence: u64,
    /// Which secret it was submitted under; `None` when that is not searched for.
    pub(super) key_secret: Option<u32>,
    /// The slot of its session's device.
    pub(super) device_slot: Option<u16>,
    /// Whether the engine was reset meanwhile.
    pub(super) is_lost: bool,
}

/// One session as the client sees it.
pub(super) struct ClientSession {
    pub(super) handle: SessionHandle,
    pub(super) device_slot: Option<u16>,
    /// Whether the driver gave it out and nobody ended it.
    pub(super) is_alive: bool,
    /// Whether the engine was reset under it, so that it holds nothing any more.
    pub(super) is_lost: bool,
    /// Which secret the key in force is; `None` when there is none that is searched for.
    pub(super) key_secret: Option<u32>,
    /// Which secret the random number is that waits for finish.
    pub(super) random_secret: Option<u32>,
    /// Which secret the read-back key is that it has now.
    pub(super) read_back_secret: Option<u32>,
    /// How many refreshes the client has finished.
    pub(super) epoch: u32,
    /// How many read-back keys it was given.
    pub(super) read_back_keys: u32,
    /// The random number of the start that waits for its finish.
    pub(super) random: Option<[u8; 16]>,
    /// The random number that its last start answered; zeros before the first.
    pub(super) last_random: [u8; 16],
    /// The read-back key, until finish.
    read_back_key: Option<[u8; 16]>,
    /// The last one; zeros before the first.
    last_read_back_key: [u8; 16],
    key: Option<[u8; 16]>,
    first_key: [u8; 16],
}

impl Client {
    pub(super) fn clear(&mut self) {
        // The key ring only saves time, and is the same for every run.
        let Self { devices, sessions, in_flight, key_ring: _ } = self;
        devices.clear();
        sessions.clear();
        in_flight.clear();
    }

    /// Writes all that the client's calls to come depend on.
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        // The key ring only saves time.
        let Self { devices, sessions, in_flight, key_ring: _ } = self;
        hash.count(devices.len());
        for ClientDevice { handle, is_open } in devices {
            hash.number(handle.0);
            hash.flag(*is_open);
        }
        hash.count(sessions.len());
        sessions.iter().for_each(|session| session.write_state(hash));
        hash.count(in_flight.len());
        // Whose device it is counts where resets spare some, which no driver does that declares its state.
        for InFlight { len, fence, key_secret: _, device_slot: _, is_lost } in in_flight {
            hash.count(*len);
            hash.number(*fence);
            hash.flag(*is_lost);
        }
    }

    /// Forgets every key, in memory too.
    pub(super) fn wipe(&mut self) {
        for session in &mut self.sessions {
            session.key.zeroize();
            session.first_key.zeroize();
            session.random.zeroize();
            session.last_random.zeroize();
            session.read_back_key.zeroize();
            session.last_read_back_key.zeroize();
        }
        self.key_ring.wipe();
    }

    pub(super) fn add_device(&mut self, handle: DeviceHandle, code: Hresult) {
        self.devices.push(ClientDevice { handle, is_open: code.is_ok() });
    }

    pub(super) fn add_session(&mut self, handle: SessionHandle, device_slot: Option<u16>) {
        self.sessions.push(ClientSession {
            handle,
            device_slot,
            is_alive: handle != SessionHandle::NULL,
            is_lost: false,
            key_secret: None,
            random_secret: None,
            read_back_secret: None,
            epoch: 0,
            read_back_keys: 0,
            random: None,
            last_random: [0; 16],
            read_back_key: None,
            last_read_back_key: [0; 16],
            key: None,
            first_key: [0; 16],
        });
    }

    /// A device was destroyed, and its sessions with it.
    pub(super) fn end_device(&mut self, slot: u16) {
        self.devices[usize::from(slot)].is_open = false;
        for session in self.sessions.iter_mut().filter(|one| one.device_slot == Some(slot)) {
            session.is_alive = false;
        }
    }

    /// Whatever was secret is gone.
    pub(super) fn lose_everything(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.is_lost = true);
        self.in_flight.iter_mut().for_each(|buffer| buffer.is_lost = true);
    }

    /// The engine was reset: whatever was secret is gone (S-52, S-54), but on devices that were spared.
    pub(super) fn lose_all_but_spared(&mut self, reset: &Observation) {
        for session in &mut self.sessions {
            session.is_lost |= !reset.spares(session.device_slot);
        }
        for buffer in &mut self.in_flight {
            buffer.is_lost |= !reset.spares(buffer.device_slot);
        }
    }

    /// The slot of the session that a handle stands for; the youngest, should there be several.
    pub(super) fn slot_of(&self, handle: SessionHandle) -> Option<usize> {
        self.sessions.iter().rposition(|session| session.handle == handle)
    }

    /// Passes something else than the handles that a call names, and says what it names then: whatever
    /// the driver gave that value to, and nothing if it gave it to nobody.
    #[cold]
    pub(super) fn forge(&self, form: HandleForm, seen: &mut Observation) {
        let is_aimed = seen.call.session().is_some();
        let (device, session) = (seen.device.0, seen.session.0);
        let other_kind = match (is_aimed, seen.device_slot) {
            (true, _) => device,
            (false, slot) => {
                let mut sessions = self.sessions.iter().rev();
                sessions.find(|one| one.device_slot == slot).map_or(0, |one| one.handle.0)
            }
        };
        let forged = |given: u64| match form {
            HandleForm::Given => given,
            HandleForm::WrongKind => other_kind,
            HandleForm::LowBit | HandleForm::DeviceLowBit => given ^ 1,
            HandleForm::MiddleBit => given ^ 1 << 32,
            HandleForm::HighBit => given ^ 1 << 63,
            HandleForm::Null => 0,
            HandleForm::DeviceWrongKind if is_aimed => session,
            HandleForm::DeviceWrongKind => other_kind,
        };
        let is_about_device =
            matches!(form, HandleForm::DeviceWrongKind | HandleForm::DeviceLowBit);
        if is_aimed && !is_about_device {
            seen.session = SessionHandle(forged(session));
            let slot = self.slot_of(seen.session).filter(|_| seen.session != SessionHandle::NULL);
            seen.session_slot = slot.map(super::short);
        } else {
            seen.device = DeviceHandle(forged(device));
            let mut devices = self.devices.iter();
            let slot = devices.rposition(|one| one.handle == seen.device && one.handle.0 != 0);
            seen.device_slot = slot.map(super::short);
        }
    }

    /// The secret that has to be in a home now, among those that are searched for.
    pub(super) fn expected_in(&self, home: Home) -> Option<u32> {
        match home {
            Home::Key { session } => self.live(session)?.key_secret,
            Home::Random { session } => self.live(session)?.waiting_random(),
            Home::ReadBackKey { session } => self.live(session)?.read_back_secret,
            Home::LastMark { .. } | Home::ReadBackMark { .. } => None,
            Home::BoundKey { fence } => {
                let is_it = |buffer: &&InFlight| buffer.fence == fence && !buffer.is_lost;
                self.in_flight.iter().find(is_it)?.bound_secret()
            }
        }
    }

    /// Whether some secret has to be in a home now, searched for or not.
    pub(super) fn is_occupied(&self, home: Home) -> bool {
        match home {
            Home::Key { session } => self.live(session).is_some_and(|one| one.key.is_some()),
            Home::Random { session } => self.live(session).is_some_and(|one| one.random.is_some()),
            Home::ReadBackKey { session } => {
                self.live(session).is_some_and(|one| one.read_back_key.is_some())
            }
            Home::LastMark { .. } | Home::ReadBackMark { .. } => false,
            Home::BoundKey { fence } => {
                self.in_flight.iter().any(|buffer| buffer.fence == fence && !buffer.is_lost)
            }
        }
    }

    /// Every home that has to hold a secret now.
    pub(super) fn occupied_homes(&self) -> impl Iterator<Item = (Home, u32)> {
        let slots = (0..self.sessions.len()).filter_map(|slot| u16::try_from(slot).ok());
        let homes = slots.flat_map(|session| {
            [Home::Key { session }, Home::Random { session }, Home::ReadBackKey { session }]
        });
        let bound = self.in_flight.iter().filter_map(|buffer| {
            Some((Home::BoundKey { fence: buffer.fence }, buffer.bound_secret()?))
        });
        homes.filter_map(|home| Some((home, self.expected_in(home)?))).chain(bound)
    }

    /// How many homes that is.
    pub(super) fn occupied_count(&self) -> usize {
        let sessions = self.sessions.iter().filter(|session| session.is_live());
        let in_sessions: usize = sessions
            .map(|one| {
                let secrets = [one.key_secret, one.waiting_random(), one.read_back_secret];
                secrets.into_iter().flatten().count()
            })
            .sum();
        let bound = self.in_flight.iter().filter(|buffer| buffer.bound_secret().is_some());
        in_sessions + bound.count()
    }

    /// Whether a secret lives somewhere now.
    pub(super) fn is_live(&self, secret: u32) -> bool {
        self.occupied_homes().any(|(_, occupant)| occupant == secret)
    }

    fn live(&self, slot: u16) -> Option<&ClientSession> {
        self.sessions.get(usize::from(slot)).filter(|session| session.is_live())
    }

    /// The session that a call is aimed at.
    pub(super) fn session_mut(&mut self, seen: &Observation) -> Option<&mut ClientSession> {
        self.sessions.get_mut(usize::from(seen.session_slot?))
    }
}

impl InFlight {
    /// How many bytes its completion delivers: none when the engine was reset meanwhile.
    pub(super) fn result_len(&self) -> usize {
        if self.is_lost { 0 } else { self.len }
    }

    /// Which secret the driver has to keep for the buffer now.
    pub(super) fn bound_secret(&self) -> Option<u32> {
        self.key_secret.filter(|_| !self.is_lost)
    }
}

impl ClientSession {
    fn write_state(&self, hash: &mut StateHash) {
        // Which secrets they are, and how many there were, is a matter of names: what is searched for is
        // written elsewhere.
        let Self {
            handle,
            device_slot,
            is_alive,
            is_lost,
            key_secret: _,
            random_secret: _,
            read_back_secret: _,
            epoch,
            read_back_keys: _,
            random,
            last_random,
            read_back_key,
            last_read_back_key,
            key,
            first_key,
        } = self;
        hash.number(handle.0);
        hash.maybe(device_slot.map(u64::from));
        hash.flag(*is_alive);
        hash.flag(*is_lost);
        hash.number((*epoch).into());
        for secret in [random, read_back_key, key] {
            hash.bytes(secret.as_ref().map_or(&[], |bytes| &bytes[..]));
        }
        hash.bytes(first_key);
        hash.bytes(last_random);
        hash.bytes(last_read_back_key);
    }

    /// Whether the driver has to keep its secrets.
    pub(super) fn is_live(&self) -> bool {
        self.is_alive && !self.is_lost
    }

    /// Which secret the random number is that a finish would consume.
    pub(super) fn waiting_random(&self) -> Option<u32> {
        self.random_secret.filter(|_| self.random.is_some())
    }

    /// The driver has taken the key; from now on both sides hold it.
    pub(super) fn take_key(&mut self, key: &[u8; 16]) {
        self.key = Some(*key);
        self.first_key = *key;
    }

    /// What an entropy fault may answer when a read-back key is drawn: the last one again, or, before the
    /// first, the last random number.
    pub(super) fn known_of_read_back_keys(&self) -> Known {
        let last = [self.last_read_back_key, self.last_random];
        let again = last.into_iter().find(|last| *last != [0; 16]).unwrap_or_default();
        Known { again, ..self.known() }
    }

    /// Takes a read-back key out of its wrap, and keeps it as the one in use.
    pub(super) fn take_read_back_key(&mut self, wrapped: &[u8; 16]) -> [u8; 16] {
        let mut read_back_key = *wrapped;
        if let Some(key) = &self.key {
            rekeylab_cipher::decrypt_block(key, &mut read_back_key);
        }
        self.read_back_key = Some(read_back_key);
        self.last_read_back_key = read_back_key;
        self.read_back_keys += 1;
        read_back_key
    }

    /// The random numbers that an entropy fault may answer a start with.
    pub(super) fn known(&self) -> Known {
        let mut restoring = self.first_key;
        xor(&mut restoring, &self.key.unwrap_or(self.first_key));
        Known { restoring, again: self.last_random }
    }

    /// The key after the refresh that is under way.
    pub(super) fn updated_key(&self) -> [u8; 16] {
        let mut key = self.key.unwrap_or_default();
        xor(&mut key, &self.random.unwrap_or_default());
        key
    }

    /// The driver has finished the refresh; the client does the same XOR.
    pub(super) fn finish(&mut self) {
        if self.random.is_some() {
            self.key = Some(self.updated_key());
            self.random = None;
            // The read-back key ends with the key that it was delivered under (S-19).
            self.read_back_key = None;
            self.read_back_secret = None;
            self.epoch += 1;
        }
    }

    /// The keystream of the first block of a buffer, if the client holds a key.
    pub(super) fn first_keystream(&self, iv: u64, count: u64) -> Option<[u8; 16]> {
        let mut block = (u128::from(iv) << 64 | u128::from(count)).to_be_bytes();
        rekeylab_cipher::encrypt_block(self.key.as_ref()?, &mut block);
        Some(block)
    }

    /// Encrypts a payload in place under the key that the client holds, if it holds one.
    ///
    /// A Count that would pass 2^64 cannot be encrypted; the driver has to refuse it (S-33).
    pub(super) fn encrypt(&self, iv: u64, count: u64, payload: &mut [u8]) {
        if let Some(key) = &self.key {
            let _ = rekeylab_cipher::ctr_xor(key, iv, count, payload);
        }
    }
}

impl core::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClientSession")
            .field("handle", &self.handle)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

fn xor(bytes: &mut [u8; 16], mask: &[u8; 16]) {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// The GUID of a crypto type.
pub(super) fn crypto_type(crypto: CryptoType) -> Guid {
    match crypto {
        CryptoType::Aes128Ctr => Guid::CRYPTO_TYPE_AES128_CTR,
        CryptoType::Null => Guid::NULL,
        CryptoType::Unknown => UNKNOWN,
        CryptoType::Proprietary => Guid::CRYPTO_TYPE_PROPRIETARY,
        CryptoType::AlmostFirst => almost(Guid::CRYPTO_TYPE_AES128_CTR, 0),
        CryptoType::AlmostLast => almost(Guid::CRYPTO_TYPE_AES128_CTR, 15),
    }
}

/// The GUID of a decode profile.
pub(super) fn decode_profile(profile: DecodeProfile) -> Guid {
    match profile {
        DecodeProfile::None => Guid::NULL,
        DecodeProfile::H264 => Guid::DECODE_PROFILE_H264_VLD,
        DecodeProfile::Unknown => UNKNOWN,
        DecodeProfile::AlmostFirst => almost(Guid::DECODE_PROFILE_H264_VLD, 0),
        DecodeProfile::AlmostLast => almost(Guid::DECODE_PROFILE_H264_VLD, 15),
    }
}

/// A GUID that differs from this one in a bit of one byte.
fn almost(mut guid: Guid, byte: usize) -> Guid {
    guid.0[byte] ^= 1;
    guid
}

/// A GUID that stands for nothing in any document.
const UNKNOWN: Guid = Guid::new(0x7265_6B65, 0x796C, 0x6162, 0x7265_6B65_796C_6162);
