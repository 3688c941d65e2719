//! The core says of every secret where it is, and of nothing else.
#![cfg(feature = "homes")]

mod plain_seams;

use std::collections::BTreeMap;

use plain_seams::{RANDOM, adapter, device, keyed_session, read_back_key, retire, start, submit};
use rekeylab_ddi::{CryptoSessionDdi, Hresult, StartSessionKeyRefresh};
use rekeylab_driver::{Adapter, HomeOf};

const KEY: [u8; 16] = [0x11; 16];
const OTHER_KEY: [u8; 16] = [0x22; 16];
const NOTHING: [u8; 16] = [0; 16];

fn homes(adapter: &Adapter) -> BTreeMap<HomeOf, [u8; 16]> {
    let mut homes = BTreeMap::new();
    adapter.for_each_home(&mut |home, bytes| {
        assert_eq!(homes.insert(home, *bytes), None, "{home:?} is shown twice");
    });
    homes
}

fn updated() -> [u8; 16] {
    core::array::from_fn(|index| KEY[index] ^ RANDOM[index])
}

#[test]
fn a_session_has_five_homes_from_its_creation_to_its_end() {
    let mut adapter = adapter();
    assert_eq!(homes(&adapter), BTreeMap::new());
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    let expected = [
        (HomeOf::Key(session), KEY),
        (HomeOf::Random(session), NOTHING),
        (HomeOf::LastMark(session), NOTHING),
        (HomeOf::ReadBackKey(session), NOTHING),
        (HomeOf::ReadBackMark(session), NOTHING),
    ];
    assert_eq!(homes(&adapter), BTreeMap::from(expected));
    assert_eq!(adapter.destroy_crypto_session(device, session), Hresult::S_OK);
    assert_eq!(homes(&adapter), BTreeMap::new());
}

#[test]
fn a_refresh_moves_the_random_number_into_the_key() {
    let mut adapter = adapter();
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    start(&mut adapter, device, session);
    let pending = homes(&adapter);
    assert_eq!(pending[&HomeOf::Key(session)], KEY);
    assert_eq!(pending[&HomeOf::Random(session)], RANDOM);
    assert_eq!(adapter.finish_session_key_refresh(device, session), Hresult::S_OK);
    let finished = homes(&adapter);
    assert_eq!(finished[&HomeOf::Key(session)], updated());
    assert_eq!(finished[&HomeOf::Random(session)], NOTHING);
    let mark = finished[&HomeOf::LastMark(session)];
    assert!(mark != NOTHING && mark != RANDOM, "a mark does not lead back to what it marks");
}

#[test]
fn a_read_back_key_has_a_home_until_finish_and_its_wrap_leads_back_to_it() {
    let mut adapter = adapter();
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    let mut wrapped = read_back_key(&mut adapter, device, session);
    assert_ne!(wrapped, RANDOM, "wrapped it shows nothing");
    rekeylab_cipher::decrypt_block(&KEY, &mut wrapped);
    assert_eq!(wrapped, RANDOM, "the wrap is one block of AES-ECB under the session key (R-33)");
    let made = homes(&adapter);
    assert_eq!(made[&HomeOf::ReadBackKey(session)], RANDOM);
    let mark = made[&HomeOf::ReadBackMark(session)];
    assert!(mark != NOTHING && mark != RANDOM, "a mark does not lead back to what it marks");
    // The source has one number only, which may not become the random number too (S-12).
    let mut random = NOTHING;
    let mut args =
        StartSessionKeyRefresh { session, random_number: Some(&mut random), random_number_len: 16 };
    assert_eq!(adapter.start_session_key_refresh(device, &mut args), Hresult::E_FAIL);
    assert_eq!(homes(&adapter)[&HomeOf::ReadBackKey(session)], RANDOM);
}

#[test]
fn a_command_has_a_home_from_submission_to_completion() {
    let mut adapter = adapter();
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    let first = submit(&mut adapter, device, session, 1);
    start(&mut adapter, device, session);
    assert_eq!(adapter.finish_session_key_refresh(device, session), Hresult::S_OK);
    let second = submit(&mut adapter, device, session, 2);
    assert_eq!(homes(&adapter)[&HomeOf::BoundKey { fence: first }], KEY);
    assert_eq!(homes(&adapter)[&HomeOf::BoundKey { fence: second }], updated());
    retire(&mut adapter, 1);
    assert!(!homes(&adapter).contains_key(&HomeOf::BoundKey { fence: first }));
    assert_eq!(homes(&adapter)[&HomeOf::BoundKey { fence: second }], updated());
}

#[test]
fn an_engine_reset_empties_the_homes_of_sessions_and_ends_those_of_commands() {
    let mut adapter = adapter();
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    submit(&mut adapter, device, session, 1);
    start(&mut adapter, device, session);
    assert_eq!(adapter.reset_engine(), Hresult::S_OK);
    let expected = [
        HomeOf::Key(session),
        HomeOf::Random(session),
        HomeOf::LastMark(session),
        HomeOf::ReadBackKey(session),
        HomeOf::ReadBackMark(session),
    ];
    assert_eq!(homes(&adapter), BTreeMap::from(expected.map(|home| (home, NOTHING))));
}

#[test]
fn a_home_is_named_by_the_handle_that_the_caller_holds() {
    let mut adapter = adapter();
    let devices = [device(&mut adapter), device(&mut adapter)];
    let first = keyed_session(&mut adapter, devices[0], &KEY);
    assert_eq!(adapter.destroy_crypto_session(devices[0], first), Hresult::S_OK);
    // The same slot in its next generation, and a session of another device.
    let next = keyed_session(&mut adapter, devices[0], &KEY);
    let other = keyed_session(&mut adapter, devices[1], &OTHER_KEY);
    let homes = homes(&adapter);
    assert_ne!(first, next);
    assert_eq!(homes.len(), 10);
    assert_eq!(homes[&HomeOf::Key(next)], KEY);
    assert_eq!(homes[&HomeOf::Key(other)], OTHER_KEY);
}
