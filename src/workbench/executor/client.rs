//! The client's side: what a player knows of its devices, sessions and keys.

use std::collections::VecDeque;

use rekeylab_ddi::{DeviceHandle, Guid, Hresult, SessionHandle};

use crate::observation::Observation;
use crate::sequence::expand::KeyRing;
use crate::sequence::{CryptoType, DecodeProfile};

/// Everything the client remembers between calls.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) devices: Vec<ClientDevice>,
    pub(super) sessions: Vec<ClientSession>,
    /// Lengths of the accepted buffers that have not completed, in bytes.
    pub(super) in_flight: VecDeque<usize>,
    /// Kept from run to run.
    pub(super) key_ring: KeyRing,
}

#[derive(Debug)]
pub(super) struct ClientDevice {
    pub(super) handle: DeviceHandle,
    pub(super) is_open: bool,
}

/// One session as the client sees it.
pub(super) struct ClientSession {
    pub(super) handle: SessionHandle,
    pub(super) device_slot: Option<u16>,
    /// How many refreshes the client has finished.
    pub(super) epoch: u32,
    /// The random number of the start that waits for its finish.
    pub(super) random: Option<[u8; 16]>,
    key: Option<[u8; 16]>,
    first_key: [u8; 16],
}

impl Client {
    pub(super) fn clear(&mut self) {
        self.devices.clear();
        self.sessions.clear();
        self.in_flight.clear();
    }

    pub(super) fn add_device(&mut self, handle: DeviceHandle, code: Hresult) {
        self.devices.push(ClientDevice { handle, is_open: code.is_ok() });
    }

    pub(super) fn add_session(&mut self, handle: SessionHandle, device_slot: Option<u16>) {
        self.sessions.push(ClientSession {
            handle,
            device_slot,
            epoch: 0,
            random: None,
            key: None,
            first_key: [0; 16],
        });
    }

    /// The session that a call is aimed at.
    pub(super) fn session_mut(&mut self, seen: &Observation) -> Option<&mut ClientSession> {
        self.sessions.get_mut(usize::from(seen.session_slot?))
    }
}

impl ClientSession {
    /// The driver has taken the key; from now on both sides hold it.
    pub(super) fn take_key(&mut self, key: &[u8; 16]) {
        self.key = Some(*key);
        self.first_key = *key;
    }

    /// The random number that would bring the session's first key back.
    pub(super) fn restoring(&self) -> [u8; 16] {
        let mut random = self.first_key;
        xor(&mut random, &self.key.unwrap_or(self.first_key));
        random
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
            self.epoch += 1;
        }
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
    }
}

/// The GUID of a decode profile.
pub(super) fn decode_profile(profile: DecodeProfile) -> Guid {
    match profile {
        DecodeProfile::None => Guid::NULL,
        DecodeProfile::H264 => Guid::DECODE_PROFILE_H264_VLD,
        DecodeProfile::Unknown => UNKNOWN,
    }
}

/// A GUID that stands for nothing in any document.
const UNKNOWN: Guid = Guid::new(0x7265_6B65, 0x796C, 0x6162, 0x7265_6B65_796C_6162);
