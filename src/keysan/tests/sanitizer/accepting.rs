//! What is accepted in code that one cannot change, by a baseline or by leaving a layer out.

#[cfg(target_arch = "x86_64")]
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keysan::sanitizer::{Baseline, causes};
use keysan::{Keysan, Layer};

use super::{KEY, boxed, open};

#[test]
fn what_is_accepted_is_silent_until_it_is_met_no_more_and_all_else_is_told() {
    let accepted = "# A toy.\n\nheap: K, left, allocated by start, freed by stop\tcannot be changed\n\
                    outputs: K, given out in reply\tthat is its protocol\n";
    let baseline = Baseline::parse(accepted).unwrap();
    let (mut keysan, _) = open();
    let leave = |keysan: &mut Keysan| {
        let mut held: Vec<_> = (0..3).map(|_| keysan.call("start", || boxed(40, 8))).collect();
        keysan.call("stop", || held.clear());
        drop(held);
    };
    leave(&mut keysan);
    assert_eq!(causes(keysan.findings().unwrap()).len(), 1, "three copies have one cause");
    assert_eq!(baseline.check(&keysan), Ok(()));
    let stale = [("outputs: K, given out in reply", "that is its protocol")];
    assert_eq!(baseline.stale().collect::<Vec<_>>(), stale);
    assert!(catch_unwind(AssertUnwindSafe(|| baseline.assert_not_stale())).is_err());
    keysan.look_at_output("reply", &KEY);
    keysan.look_at_output("log", &KEY);
    let told = baseline.check(&keysan).unwrap_err().to_string();
    assert!(told.ends_with("\noutputs: K, given out in log\tWHY"), "{told}");
    assert!(!told.contains("reply") && !told.contains("heap"), "{told}");
    baseline.assert_not_stale();
    // A text that is ready to be taken over.
    let (_, more) = told.split_once("WHY:\n").unwrap();
    let baseline = Baseline::parse(&format!("{accepted}{}", more.replace("WHY", "noisy"))).unwrap();
    assert_eq!(baseline.check(&keysan), Ok(()));
    // What nobody accepts is told cause by cause.
    keysan.clear();
    keysan.register("K", &KEY).unwrap();
    leave(&mut keysan);
    let payload = catch_unwind(AssertUnwindSafe(|| keysan.assert_clean())).unwrap_err();
    let told = payload.downcast::<String>().unwrap();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.ends_with("; and in 2 more places"), "{told}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn what_another_call_leaves_where_an_accepted_one_does_is_not_accepted() {
    use super::fill;
    use keysan::sanitizer::Unaccepted;
    let (mut keysan, key) = open();
    #[inline(never)]
    fn leave() {
        let mut frame = [0_u8; 16];
        fill(&mut frame, &KEY);
        black_box(&mut frame);
    }
    keysan.call("seal", leave);
    let accepted: String = causes(keysan.findings().unwrap())
        .iter()
        .map(|it| format!("{}\tknown\n", it.shape))
        .collect();
    let baseline = Baseline::parse(&accepted).unwrap();
    keysan.call("seal", leave);
    assert_eq!(baseline.check(&keysan), Ok(()), "the same call again leaves the same");
    keysan.call("open", leave);
    let told = baseline.check(&keysan).unwrap_err().to_string();
    assert!(told.contains("left by open") && !told.contains("left by seal"), "{told}");
    keysan.retire(key, "closed");
    keysan.call("open", leave);
    let told = baseline.check(&keysan).unwrap_err().to_string();
    assert!(told.contains("after its end by open"), "{told}");
    // What has no room in the list may be anything.
    for _ in 0..300 {
        let mut held = Some(keysan.call("start", || boxed(40, 8)));
        keysan.call("stop", || held = None);
    }
    assert!(matches!(baseline.check(&keysan), Err(Unaccepted::Unlisted(_))));
}

#[test]
fn a_baseline_that_says_nothing_or_says_it_twice_is_refused_with_its_line() {
    let told = |text: &str| Baseline::parse(text).unwrap_err().to_string();
    assert!(told("# why\nheap: K\n").starts_with("the baseline:2: "));
    assert!(told("heap: K\t \n").starts_with("the baseline:1: "));
    assert!(told("\u{feff}  # why\nheap: K\tWHY\n").starts_with("the baseline:2: "));
    assert!(told("heap: K\ta\nheap: K\tb\n").starts_with("the baseline:2: accepted by"));
    let error = Baseline::read("/not/there").unwrap_err().to_string();
    assert!(error.starts_with("cannot read /not/there: "), "{error}");
}

#[test]
fn a_layer_that_is_left_out_is_a_blind_spot_and_finds_nothing() {
    let (mut keysan, _) = open();
    keysan.leave_out(Layer::Outputs);
    keysan.look_at_output("reply", &KEY);
    keysan.assert_clean();
    assert!(!keysan.looks_into(Layer::Outputs));
    keysan.clear();
    keysan.register("K", &KEY).unwrap();
    keysan.look_at_output("reply", &KEY);
    keysan.look_at_text("log", &format!("{KEY:?}"));
    assert_eq!(keysan.findings().unwrap().len(), 1, "also behind a clear, and the others go on");
    // Nothing else makes it one that is looked into.
    keysan.leave_out(Layer::Statics);
    assert!(keysan.watch_statics(|name| name.contains("ALLOCATOR")).is_ok());
    keysan.leave_out(Layer::Heap);
    let held = keysan.call("start", || boxed(40, 8));
    keysan.clear();
    drop(held);
    keysan.clear();
    assert!(!keysan.looks_into(Layer::Statics) && !keysan.looks_into(Layer::Heap));
}
