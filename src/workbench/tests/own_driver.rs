//! The example that brings a driver of its own finds that driver's bug, minimises it and tells it.
#![allow(dead_code, clippy::print_stdout, reason = "the example's `main` is for its reader")]

use std::rc::Rc;

use expect_test::expect;
use rekeylab::Workbench;
use rekeylab::executor::{Dut, Seams};
use rekeylab::observation::Layers;
use rekeylab::sequence::SequenceText;
use rekeylab_ddi::Limits;

#[path = "../../../examples/own_driver.rs"]
mod example;

#[test]
fn the_bug_of_a_driver_from_elsewhere_is_found_minimised_and_told() {
    expect![[r#"
        not declared, and so not looked into: debug, homes, statics
        sequence 1 broke something; minimised:

        violation: wrong-key-epoch
          epilogue  retire 4294967295
            happened: the buffer of call 4 was processed under K[s0, epoch 1]
            expected: K[s0, epoch 0], in force when it was submitted
            rules:    R-18 R-19 S-17 INV-01 INV-02 INV-08

          the life of s0
            call 0     d0 = create-device                          ok
            call 1     s0 = create-session d0                      ok
            call 2     exchange-key s0 key=1                       ok
            call 3     start-refresh s0 size=16                    ok
            call 4     submit-buffer s0 iv=1 count=0 len=16        ok
            call 5     finish-refresh s0                           ok
            epilogue   retire 4294967295                           ok

          fingerprint c169-fec9
    "#]]
    .assert_eq(&example::report());
}

#[test]
fn a_driver_without_read_back_keys_answers_that_they_are_not_available() {
    let calls = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        encryption-blt-key s0 -> D3DDDIERR_NOTAVAILABLE
        encryption-blt-key s0 size=0 null=buffer -> D3DDDIERR_NOTAVAILABLE
        encryption-blt-key s1 via=d1 -> D3DDDIERR_NOTAVAILABLE";
    let sequence = SequenceText::parse(calls).unwrap().sequence();
    let rings = |workbench: &mut Workbench| -> Vec<_> {
        let told = workbench.run_with(&sequence, Layers::FAST).violations.iter();
        told.map(|violation| (violation.invariant, violation.call)).collect()
    };
    let mut workbench = Workbench::on(example::OwnDut);
    assert_eq!(rings(&mut workbench), []);
    // One that is said to have them, and answers like this, is wrong.
    workbench.drive(Undeclared);
    assert_eq!(rings(&mut workbench), [("wrong-answer", 2)]);
}

/// The example's driver, of which nobody says that it has no read-back keys.
#[derive(Debug)]
struct Undeclared;

impl Dut for Undeclared {
    type Driver = example::OwnDriver;

    fn name(&self) -> String {
        example::OwnDut.name()
    }

    fn limits(&self) -> Limits {
        example::OwnDut.limits()
    }

    fn open(&self, seams: &Rc<Seams>) -> example::OwnDriver {
        example::OwnDut.open(seams)
    }
}
