//! The driver core behind the device table, opened and called as the runtime does.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::PathBuf;

use rekeylab_abi::table::index;
use rekeylab_abi::{Convention, Device, DriverHandle, Library, LibraryError, SystemMemory};
use rekeylab_ddi::{CtrIv, Guid, Hresult};
use rekeylab_umd::{BLOB_LEN, BLOB_TAG};

/// The shared library that was built along with this test.
fn library() -> Library {
    let test = std::env::current_exe().unwrap();
    let name =
        format!("{}rekeylab_umd{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let places = test.ancestors().skip(1).map(|folder| folder.join(&name));
    let path: PathBuf = places.into_iter().find(|path| path.is_file()).unwrap();
    Library::load(&path, Convention::Native).unwrap()
}

/// A player with one session on a device.
struct Player {
    device: Device,
    session: DriverHandle,
    key: [u8; 16],
    source: SystemMemory,
    surface: DriverHandle,
    next_iv: u64,
}

const LEN: u32 = 48;

impl Player {
    fn new(key: [u8; 16]) -> Self {
        let adapter = library().open_adapter().unwrap();
        let device = adapter.create_device().unwrap();
        let created = device
            .create_crypto_session(Guid::CRYPTO_TYPE_AES128_CTR, Guid::DECODE_PROFILE_H264_VLD);
        let (code, session) = created.unwrap();
        assert_eq!(code, Hresult::S_OK);
        let session = session.unwrap();
        let mut wrapped = [BLOB_TAG.as_slice(), &key].concat();
        let code =
            device.key_exchange(session, Some(&mut wrapped), u32::try_from(BLOB_LEN).unwrap());
        assert_eq!(code, Some(Hresult::S_OK));
        let source = device.create_system_memory(LEN).unwrap().1.unwrap();
        let surface = device.create_surface(LEN).unwrap().1.unwrap();
        Self { device, session, key, source, surface, next_iv: 1 }
    }

    /// Uploads text that is encrypted under a key.
    fn upload(&mut self, text: &[u8; LEN as usize], key: &[u8; 16]) -> Hresult {
        let mut bytes = *text;
        rekeylab_cipher::ctr_xor(key, self.next_iv, 0, &mut bytes).unwrap();
        self.source.write(&bytes);
        let counter = CtrIv::new(self.next_iv, 0);
        self.next_iv += 1;
        let Self { device, session, source, surface, .. } = self;
        device.decryption_blt(*session, source, *surface, LEN, Some(counter)).unwrap()
    }

    fn surface(&self) -> Vec<u8> {
        let (code, bytes) = self.device.read_surface(self.surface, LEN as usize).unwrap();
        assert_eq!(code, Hresult::S_OK);
        bytes.unwrap()
    }

    /// Starts a refresh; the key that the finish will make.
    fn start(&self) -> [u8; 16] {
        let mut random = [0; 16];
        let code = self.device.start_session_key_refresh(self.session, Some(&mut random), 16);
        assert_eq!(code, Some(Hresult::S_OK));
        let mut updated = self.key;
        updated.iter_mut().zip(random).for_each(|(key, random)| *key ^= random);
        updated
    }
}

/// A read-back key, unwrapped under this key.
fn read_back_key(player: &Player, key: &[u8; 16]) -> [u8; 16] {
    let mut wrapped = [0xEE; 17];
    let code = player.device.get_encryption_blt_key(player.session, Some(&mut wrapped), 16);
    assert_eq!((code, wrapped[16]), (Some(Hresult::S_OK), 0xEE));
    let mut block = *wrapped.first_chunk().unwrap();
    rekeylab_cipher::decrypt_block(key, &mut block);
    block
}

#[test]
fn each_read_back_key_is_new_and_needs_sixteen_bytes() {
    let player = Player::new([7; 16]);
    let first = read_back_key(&player, &player.key);
    let updated = player.start();
    let second = read_back_key(&player, &player.key);
    assert_eq!(player.device.finish_session_key_refresh(player.session), Some(Hresult::S_OK));
    let third = read_back_key(&player, &updated);
    assert!(first != second && second != third && first != third);
    for (size, is_there) in [(0, true), (15, true), (17, true), (u32::MAX, true), (16, false)] {
        let mut wrapped = [0xEE; 17];
        let buffer = is_there.then_some(&mut wrapped[..]);
        let code = player.device.get_encryption_blt_key(player.session, buffer, size);
        assert_eq!((code, wrapped), (Some(Hresult::E_INVALIDARG), [0xEE; 17]), "{size}");
    }
}

const OLD: &[u8; LEN as usize] = b"what was accepted before uses the key of before.";
const NEW: &[u8; LEN as usize] = b"and from the finish on all use the updated key..";

#[test]
fn a_buffer_keeps_the_key_of_the_moment_over_a_finish() {
    let mut player = Player::new([7; 16]);
    let first = player.key;
    let updated = player.start();
    assert_eq!(player.upload(OLD, &first), Hresult::S_OK);
    assert_eq!(player.device.finish_session_key_refresh(player.session), Some(Hresult::S_OK));
    assert_eq!(player.surface(), OLD);
    assert_eq!(player.upload(NEW, &updated), Hresult::S_OK);
    assert_eq!(player.device.flush(), Some(Hresult::S_OK));
    assert_eq!(player.surface(), NEW);
}

#[test]
fn a_device_that_is_gone_takes_its_keys_along() {
    let mut player = Player::new([7; 16]);
    let key = player.key;
    assert_eq!(player.upload(OLD, &key), Hresult::S_OK);
    player.device.runtime().lose(true);
    assert_eq!(player.device.flush(), Some(Hresult::D3DDDIERR_DEVICEREMOVED));
    player.device.runtime().lose(false);
    assert_eq!(player.surface(), [0; LEN as usize]);
    assert_eq!(player.upload(OLD, &key), Hresult::D3DDDIERR_INVALIDCALL);
    assert_eq!(player.device.destroy_crypto_session(player.session), Some(Hresult::S_OK));
}

#[test]
fn the_core_answers_through_the_table_as_it_does_without() {
    let player = Player::new([7; 16]);
    let Player { device, session, .. } = &player;
    let invalid_call = Some(Hresult::D3DDDIERR_INVALIDCALL);
    assert_eq!(device.finish_session_key_refresh(*session), invalid_call);
    for size in [0, 15, 17, u32::MAX] {
        let mut random = [0xEE; 17];
        let code = device.start_session_key_refresh(*session, Some(&mut random), size);
        assert_eq!((code, random), (Some(Hresult::E_INVALIDARG), [0xEE; 17]));
    }
    let code = device.start_session_key_refresh(*session, None, 16);
    assert_eq!(code, Some(Hresult::E_INVALIDARG));
    let mut random = [0xEE; 17];
    assert_eq!(
        device.start_session_key_refresh(*session, Some(&mut random), 16),
        Some(Hresult::S_OK)
    );
    assert_eq!(random[16], 0xEE);
    assert_ne!(random[..16], [0xEE; 16]);
    assert_eq!(device.destroy_crypto_session(*session), Some(Hresult::S_OK));
    let dead = Some(Hresult::D3DDDIERR_INVALIDHANDLE);
    assert_eq!(device.destroy_crypto_session(*session), dead);
    assert_eq!(device.finish_session_key_refresh(*session), dead);
    let (code, session) = device.create_crypto_session(Guid::NULL, Guid::NULL).unwrap();
    assert_eq!((code, session), (Hresult::D3DDDIERR_NOTAVAILABLE, Some(DriverHandle(0))));
}

#[test]
fn what_is_offered_is_told_and_what_is_not_is_a_stub() {
    let adapter = library().open_adapter().unwrap();
    assert_eq!((adapter.version(), adapter.promised()), (0x2003, 121));
    // Nothing but the structure is written, and a refused one is zeros.
    for (crypto_type, size, expected) in [
        (Guid::CRYPTO_TYPE_AES128_CTR, 40, (Hresult::S_OK, 0x1A1)),
        (Guid::NULL, 40, (Hresult::S_OK, 0x1A1)),
        (Guid([7; 16]), 40, (Hresult::D3DDDIERR_NOTAVAILABLE, 0)),
        (Guid::CRYPTO_TYPE_PROPRIETARY, 40, (Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO, 0)),
        (Guid::CRYPTO_TYPE_AES128_CTR, 39, (Hresult::E_INVALIDARG, 0xEEEE_EEEE)),
        (Guid::CRYPTO_TYPE_AES128_CTR, 41, (Hresult::E_INVALIDARG, 0xEEEE_EEEE)),
    ] {
        let mut bytes = [0xEE; 48];
        let caps = Some(&mut bytes[..]);
        let code = adapter.get_content_protection_caps(crypto_type, Guid::NULL, caps, size);
        let bits = bytes.first_chunk().map(|it| u32::from_le_bytes(*it));
        assert_eq!((code, bits), (Some(expected.0), Some(expected.1)), "{size}");
        assert_eq!(bytes[40..], [0xEE; 8]);
        assert_eq!(bytes[28..32] == [0; 4], size == 40, "the padding");
    }
    let player = Player::new([7; 16]);
    let (code, _) =
        player.device.encryption_blt(player.session, player.surface, &player.source).unwrap();
    assert_eq!(code, Hresult::E_NOTIMPL);
    assert!(!player.device.has_entry(index::CREATE_RESOURCE2), "no version promised it");
    let called: Vec<_> = player.device.runtime().called();
    assert_eq!(called.iter().map(|callback| callback.name).collect::<Vec<_>>(), ["CreateContext"]);
}

#[test]
fn a_library_that_is_no_driver_is_refused_in_words() {
    let missing = Library::load("/nowhere/lib.so".as_ref(), Convention::Native).unwrap_err();
    assert!(missing.to_string().starts_with("cannot be loaded: "), "{missing}");
    assert!(matches!(missing, LibraryError::Load { .. }));
}
