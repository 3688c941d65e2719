//! The count ends at 2^64 - 1: what fits is served, what does not is refused and left alone.

use rekeylab_cipher::{Backend, CounterOverflow};

const KEY: [u8; 16] = *b"sixteen byte key";

fn available() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

#[test]
fn exactly_the_blocks_up_to_the_last_count_are_served() {
    for backend in available() {
        for blocks_left in 1..=9_u8 {
            let count = u64::MAX - u64::from(blocks_left) + 1;
            let room_len = usize::from(blocks_left) * 16;
            for len in 0..=room_len {
                let answer = backend.ctr_xor(&KEY, 5, count, &mut vec![0; len]);
                assert_eq!(answer, Ok(()), "{backend:?}, {len} bytes, {blocks_left} blocks left");
            }
            for len in room_len + 1..=room_len + 33 {
                let answer = backend.ctr_xor(&KEY, 5, count, &mut vec![0; len]);
                assert_eq!(answer, Err(CounterOverflow), "{backend:?}, {len} bytes");
            }
        }
    }
}

#[test]
fn a_refused_request_touches_nothing() {
    for backend in available() {
        for len in [17, 32, 100, 1000] {
            let mut data = vec![0x5a; len];
            let answer = backend.ctr_xor(&KEY, u64::MAX, u64::MAX, &mut data);
            assert_eq!(answer, Err(CounterOverflow));
            assert_eq!(data, vec![0x5a; len], "{backend:?}, {len} bytes");
        }
    }
}

#[test]
fn no_data_needs_no_count() {
    for backend in available() {
        assert_eq!(backend.ctr_xor(&KEY, 0, 0, &mut []), Ok(()));
        assert_eq!(backend.ctr_xor(&KEY, 0, u64::MAX, &mut []), Ok(()));
        backend.encrypt_blocks(&KEY, &mut []);
    }
}

#[test]
fn the_error_says_what_happened() {
    assert_eq!(CounterOverflow.to_string(), "the block count would pass 2^64 - 1");
}
