//! With another global allocator the proofs fail, instead of silence passing for cleanliness.

use keysan::SecretSet;
use keysan::heap::{NotProven, is_installed, prove_it_looks, take_report, watch};

#[test]
fn a_missing_allocator_is_noticed() {
    assert!(!is_installed());
    assert_eq!(prove_it_looks(&mut SecretSet::new()), Err(NotProven::NotInstalled));
}

#[test]
fn nothing_is_counted_without_the_allocator() {
    watch(&SecretSet::new(), || drop(vec![1u8; 100]));
    let report = take_report(|sighting| panic!("{sighting:?}"));
    assert_eq!((report.allocations, report.frees), (0, 0));
}

#[test]
fn a_sanitizer_says_that_it_is_blind_to_the_heap() {
    use keysan::sanitizer::WhyBlind;
    use keysan::{Keysan, Layer};
    let mut keysan = Keysan::open().unwrap();
    for layer in [Layer::FreedBlocks, Layer::Heap] {
        let spot = keysan.blind_spots().iter().find(|spot| spot.layer == layer).unwrap();
        assert_eq!(spot.why, WhyBlind::NotInstalled);
        assert!(!keysan.looks_into(layer));
    }
    assert_eq!(keysan.call("start", || 7), 7);
    keysan.scan("all the same");
    keysan.assert_clean();
}
