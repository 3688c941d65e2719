//! Secrets in the writable memory of a shared library are found. The C library is one that every test has.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
#![allow(unsafe_code, reason = "another's memory cannot be written to without it")]

use std::ffi::{c_char, c_void};
use std::sync::{Mutex, PoisonError};

use keysan::SecretSet;
use keysan::heap::ScanningAllocator;
use keysan::statics::{RegionKind, Statics};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

unsafe extern "C" {
    /// Answers a buffer that is a static of the library.
    fn asctime(time: *const libc::tm) -> *mut c_char;
    /// Answers a pointer that each thread has one of, to tables that nothing needs that is called here.
    fn __ctype_b_loc() -> *mut c_void;
}

/// The writable memory of the C library.
fn of_the_c_library() -> Statics {
    // SAFETY: looks a name up among what the program has loaded.
    let code = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"asctime".as_ptr()) };
    Statics::of_library(code.cast_const().cast()).expect("the library's file can be read")
}

/// Where the first half of the secret is seen while it is at the place, of which eight bytes are to spare: kinds
/// of regions, and their names. What was there before is put back.
fn seen_at(statics: &Statics, place: *mut u8) -> Vec<(RegionKind, String)> {
    // One at a time: the library is everybody's.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).expect("a new set has room");
    let mut before = [0; 8];
    let mut seen = Vec::new();
    // SAFETY: the callers have eight bytes there that nobody else touches meanwhile.
    unsafe {
        place.copy_to(before.as_mut_ptr(), 8);
        place.copy_from(SECRET.as_ptr(), 8);
    }
    let looked = statics.scan_every_byte(&set, &mut |it| seen.push(it));
    // SAFETY: as above.
    unsafe { place.copy_from(before.as_ptr(), 8) };
    assert_eq!(looked.canaries, Statics::CANARIES);
    seen.retain(|it| it.window == 0);
    let regions: Vec<_> = statics.regions().collect();
    seen.iter()
        .map(|it| {
            let region = regions[it.region as usize];
            (region.kind(), region.name().to_owned())
        })
        .collect()
}

#[test]
fn a_secret_in_a_static_of_a_library_is_found_and_its_place_named() {
    let statics = of_the_c_library();
    // SAFETY: a time of zeros is one.
    let time: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: the time is there; the buffer that it answers has more than eight bytes.
    let place = unsafe { asctime(&raw const time) }.cast::<u8>();
    assert!(!place.is_null());
    let seen = seen_at(&statics, place);
    let [(RegionKind::Static, name)] = &seen[..] else { panic!("{seen:?}") };
    assert!(name.starts_with("libc.so.6+0x") || !name.contains('+'), "{name}");
    assert!(statics.locate(place).is_some());
}

#[test]
fn a_secret_in_a_thread_local_of_a_library_is_found_on_its_own_thread() {
    let statics = of_the_c_library();
    // SAFETY: it takes nothing.
    let place = unsafe { __ctype_b_loc() }.cast::<u8>();
    let seen = seen_at(&statics, place);
    let [(RegionKind::ThreadLocal, _)] = &seen[..] else { panic!("{seen:?}") };
    let there = place.expose_provenance();
    let elsewhere = std::thread::spawn(move || {
        let place = std::ptr::with_exposed_provenance_mut::<u8>(there);
        of_the_c_library().locate(place).is_some()
    });
    assert!(!elsewhere.join().expect("it does not panic"));
}

#[test]
fn regions_cover_all_that_is_writable_once() {
    let statics = of_the_c_library();
    let mut spans: Vec<(RegionKind, usize)> =
        statics.regions().map(|it| (it.kind(), it.len())).collect();
    assert!(spans.iter().all(|&(_, len)| len > 0));
    spans.retain(|&(kind, _)| kind == RegionKind::Static);
    let total: usize = spans.iter().map(|&(_, len)| len).sum();
    // Less than all of it would be, and more than the symbols that the library exports.
    assert!((16 << 10..1 << 20).contains(&total), "{total}");
}

#[test]
fn an_address_of_nobody_is_refused() {
    let on_the_heap = Box::new(0_u8);
    assert!(Statics::of_library(&raw const *on_the_heap).is_err());
}
