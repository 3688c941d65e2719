//! A fault is planted in a driver, for its whole life, and nowhere else.

// The seams and calls of the honest core's own tests.
#[path = "../../driver/tests/plain_seams/mod.rs"]
mod plain_seams;

use plain_seams::{OneRandom, Unwrapped, bounds, device, keyed_session, retire, submit};
use rekeylab_ddi::{CryptoSessionDdi, DeviceHandle, Hresult, SessionHandle};
use rekeylab_driver::SoftwareEngine;
use rekeylab_faults::{Adapter, Fault};

const KEY: [u8; 16] = [0x11; 16];

fn adapter(fault: Option<Fault>) -> (Adapter, DeviceHandle, SessionHandle) {
    let mut adapter = Adapter::new(fault, OneRandom, SoftwareEngine, Unwrapped, bounds());
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    (adapter, device, session)
}

#[test]
fn two_drivers_of_one_thread_have_each_their_own_fault() {
    let (mut honest, honest_device, honest_session) = adapter(None);
    let (mut faulty, device, session) = adapter(Some(Fault::FinishWithoutStart));
    for _ in 0..2 {
        assert_eq!(faulty.finish_session_key_refresh(device, session), Hresult::S_OK);
        let refused = honest.finish_session_key_refresh(honest_device, honest_session);
        assert_eq!(refused, Hresult::D3DDDIERR_INVALIDCALL);
    }
}

#[test]
fn a_driver_keeps_its_fault_on_another_thread_than_it_was_made_on() {
    let finish = || {
        let (mut faulty, device, session) = adapter(Some(Fault::FinishWithoutStart));
        faulty.finish_session_key_refresh(device, session)
    };
    assert_eq!(std::thread::spawn(finish).join().ok(), Some(Hresult::S_OK));
}

#[test]
fn a_call_that_panics_leaves_no_fault_behind() {
    let (mut faulty, device, session) = adapter(Some(Fault::SeventeenthCommandPanics));
    for iv in 1..=16 {
        submit(&mut faulty, device, session, iv);
    }
    let panicked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        submit(&mut faulty, device, session, 17)
    }));
    assert!(panicked.is_err(), "the fault is there");
    let (mut honest, device, session) = adapter(None);
    for iv in 1..=20 {
        submit(&mut honest, device, session, iv);
    }
    retire(&mut honest, 4);
}

#[test]
fn every_fault_says_what_it_breaks_and_where_it_is_written() {
    for &fault in Fault::ALL {
        assert_eq!(Fault::from_name(fault.name()), Some(fault));
        assert_eq!(fault.file(), format!("faults/{}/{}.fault", fault.rings(), fault.name()));
        let is_rule = ["R-", "S-", "INV-"].iter().any(|kind| fault.breaks().starts_with(kind));
        assert!(is_rule, "{} breaks {:?}", fault.name(), fault.breaks());
        assert!(!fault.summary().ends_with('.'), "{}", fault.name());
    }
    assert_eq!(Fault::from_name("no-such-fault"), None);
}
