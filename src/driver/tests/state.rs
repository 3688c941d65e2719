//! What the core writes as its state changes with everything that the future depends on, and with
//! nothing else.
#![cfg(feature = "homes")]

mod plain_seams;

use plain_seams::{
    adapter, device, keyed_session, new_session, read_back_key, retire, start, submit,
};
use rekeylab_ddi::{CryptoSessionDdi, CryptoSessionKeyExchange, CtrIv, Hresult, SubmitBuffer};
use rekeylab_driver::Adapter;

const KEY: [u8; 16] = [0x11; 16];

/// Values as they are written, each by itself.
fn state(adapter: &Adapter) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    adapter.write_state(&mut |value| values.push(value.to_vec()));
    values
}

/// Notes the state, which nobody has seen yet.
fn note(adapter: &Adapter, seen: &mut Vec<Vec<Vec<u8>>>) {
    let state = state(adapter);
    assert!(!seen.contains(&state), "after {} steps it is as it was before", seen.len());
    seen.push(state);
}

#[test]
fn every_step_in_the_life_of_a_session_is_a_state_of_its_own() {
    let (mut adapter, mut seen) = (adapter(), Vec::new());
    note(&adapter, &mut seen);
    let device = device(&mut adapter);
    note(&adapter, &mut seen);
    let session = keyed_session(&mut adapter, device, &KEY);
    note(&adapter, &mut seen);
    start(&mut adapter, device, session);
    note(&adapter, &mut seen);
    submit(&mut adapter, device, session, 1);
    note(&adapter, &mut seen);
    assert_eq!(adapter.finish_session_key_refresh(device, session), Hresult::S_OK);
    note(&adapter, &mut seen);
    retire(&mut adapter, 1);
    note(&adapter, &mut seen);
    // The source has one number only, which the first session has used.
    let other = keyed_session(&mut adapter, device, &KEY);
    note(&adapter, &mut seen);
    read_back_key(&mut adapter, device, other);
    note(&adapter, &mut seen);
    submit(&mut adapter, device, session, 2);
    note(&adapter, &mut seen);
    assert_eq!(adapter.reset_engine(), Hresult::S_OK);
    note(&adapter, &mut seen);
    assert_eq!(adapter.destroy_crypto_session(device, session), Hresult::S_OK);
    note(&adapter, &mut seen);
    // The slot remembers how often it was used, and so does the device's.
    let session = new_session(&mut adapter, device);
    assert_eq!(adapter.destroy_crypto_session(device, session), Hresult::S_OK);
    note(&adapter, &mut seen);
    assert_eq!(adapter.destroy_device(device), Hresult::S_OK);
    note(&adapter, &mut seen);
}

#[test]
fn states_differ_by_their_keys_counters_and_data_alone() {
    let state_of = |key: [u8; 16], iv: u64, byte: u8| {
        let mut adapter = adapter();
        let device = device(&mut adapter);
        let session = keyed_session(&mut adapter, device, &key);
        let (counter, data) = (CtrIv::new(iv, 0), [byte; 16]);
        let mut args =
            SubmitBuffer { session, iv: Some(&counter), data: Some(&data), data_len: 16, fence: 0 };
        assert_eq!(adapter.submit_buffer(device, &mut args), Hresult::S_OK);
        state(&adapter)
    };
    let plain = state_of(KEY, 1, 0);
    assert_eq!(plain, state_of(KEY, 1, 0));
    for other in [state_of([0x22; 16], 1, 0), state_of(KEY, 2, 0), state_of(KEY, 1, 1)] {
        assert_ne!(plain, other);
    }
}

#[test]
fn a_refused_call_leaves_the_state_as_it_was() {
    let mut adapter = adapter();
    let device = device(&mut adapter);
    let unkeyed = new_session(&mut adapter, device);
    let keyed = keyed_session(&mut adapter, device, &KEY);
    submit(&mut adapter, device, keyed, 5);
    let before = state(&adapter);
    // A blob of zeros does not unwrap, and leaves half of something behind.
    let exchange =
        CryptoSessionKeyExchange { session: unkeyed, blob: Some(&[0; 16]), blob_len: 16 };
    assert_eq!(adapter.crypto_session_key_exchange(device, &exchange), Hresult::E_INVALIDARG);
    assert_eq!(adapter.finish_session_key_refresh(device, keyed), Hresult::D3DDDIERR_INVALIDCALL);
    let counter = CtrIv::new(4, 0);
    let mut args = SubmitBuffer {
        session: keyed,
        iv: Some(&counter),
        data: Some(&[0; 16]),
        data_len: 16,
        fence: 0,
    };
    assert_eq!(adapter.submit_buffer(device, &mut args), Hresult::D3DDDIERR_INVALIDCALL);
    assert_eq!(state(&adapter), before);
}
