//! A planted fault that leaves a secret in its home does so, and the honest core does not.

// The seams and calls of the honest core's own tests.
#[path = "../../driver/tests/plain_seams/mod.rs"]
mod plain_seams;

use plain_seams::{OneRandom, RANDOM, Unwrapped, bounds, device, keyed_session, start, submit};
use rekeylab_ddi::{
    CryptoSessionDdi, CryptoSessionKeyExchange, DeviceHandle, Hresult, SessionHandle,
};
use rekeylab_driver::{HomeOf, SoftwareEngine};
use rekeylab_faults::{Adapter, Fault};

const KEY: [u8; 16] = *b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b";

fn adapter(fault: Option<Fault>) -> Adapter {
    Adapter::new(fault, OneRandom, SoftwareEngine, Unwrapped, bounds())
}

/// Whether `secret` is in a home of this kind after `calls` on a keyed session.
fn is_in_home(
    fault: Option<Fault>,
    calls: fn(&mut Adapter, DeviceHandle, SessionHandle),
    home: fn(SessionHandle) -> HomeOf,
    secret: &[u8; 16],
) -> bool {
    let mut adapter = adapter(fault);
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    calls(&mut adapter, device, session);
    let mut is_there = false;
    adapter
        .for_each_home(&mut |shown, bytes| is_there |= shown == home(session) && bytes == secret);
    is_there
}

fn check(
    fault: Fault,
    calls: fn(&mut Adapter, DeviceHandle, SessionHandle),
    home: fn(SessionHandle) -> HomeOf,
    secret: &[u8; 16],
) {
    assert!(is_in_home(Some(fault), calls, home, secret), "{} leaves nothing", fault.name());
    assert!(!is_in_home(None, calls, home, secret), "without {}", fault.name());
}

fn refresh(adapter: &mut Adapter, device: DeviceHandle, session: SessionHandle) {
    start(adapter, device, session);
    assert_eq!(adapter.finish_session_key_refresh(device, session), Hresult::S_OK);
}

/// The seam answers the same number for ever, so that the second start fails.
fn refresh_and_fail_to_start(adapter: &mut Adapter, device: DeviceHandle, session: SessionHandle) {
    refresh(adapter, device, session);
    let mut random = [0; 16];
    let mut args = rekeylab_ddi::StartSessionKeyRefresh {
        session,
        random_number: Some(&mut random),
        random_number_len: 16,
    };
    assert_eq!(adapter.start_session_key_refresh(device, &mut args), Hresult::E_FAIL);
}

fn start_and_reset(adapter: &mut Adapter, device: DeviceHandle, session: SessionHandle) {
    submit(adapter, device, session, 1);
    start(adapter, device, session);
    assert_eq!(adapter.reset_engine(), Hresult::S_OK);
}

#[test]
fn a_random_number_stays_where_a_fault_forgets_it() {
    check(Fault::FinishLeavesRandom, refresh, HomeOf::Random, &RANDOM);
    check(Fault::MarkIsTheRandom, start, HomeOf::LastMark, &RANDOM);
    check(Fault::FailedStartLeavesRandom, refresh_and_fail_to_start, HomeOf::Random, &RANDOM);
    check(Fault::ResetLeavesRandom, start_and_reset, HomeOf::Random, &RANDOM);
    check(Fault::ResetLeavesSessionSecrets, start_and_reset, HomeOf::Random, &RANDOM);
}

#[test]
fn a_key_stays_where_a_fault_forgets_it() {
    check(Fault::ResetLeavesSessionSecrets, start_and_reset, HomeOf::Key, &KEY);
}

#[test]
fn a_new_session_inherits_the_key_of_the_last_one() {
    let mut adapter = adapter(Some(Fault::NewSessionInheritsKey));
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    assert_eq!(adapter.destroy_crypto_session(device, session), Hresult::S_OK);
    let session = plain_seams::new_session(&mut adapter, device);
    let mut key = None;
    adapter.for_each_home(&mut |home, bytes| {
        key = (home == HomeOf::Key(session)).then_some(*bytes).or(key);
    });
    assert_eq!(key, Some(KEY));
}

#[test]
fn a_key_that_did_not_unwrap_stays_where_a_fault_forgets_it() {
    for (fault, is_left) in [(Some(Fault::FailedExchangeKeepsKey), true), (None, false)] {
        let mut adapter = adapter(fault);
        let device = device(&mut adapter);
        let session = plain_seams::new_session(&mut adapter, device);
        let blob = [0; 16];
        let args = CryptoSessionKeyExchange { session, blob: Some(&blob), blob_len: 16 };
        let refused = adapter.crypto_session_key_exchange(device, &args);
        assert_eq!(refused, Hresult::E_INVALIDARG);
        let mut is_something_left = false;
        adapter.for_each_home(&mut |_, bytes| is_something_left |= bytes[0] == 0x5A);
        assert_eq!(is_something_left, is_left);
    }
}
