//! Which fault the call under way is made with.
//!
//! The woven sources ask in places that know no adapter: where a home is wiped, where two counters
//! are compared. So every entry into a driver says on its thread which fault the driver was made with,
//! and says on the way out, or when it unwinds, what was said before.

use std::cell::Cell;

use crate::Fault;

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Runs with a fault planted.
#[inline]
pub(crate) fn with<T>(fault: Option<Fault>, run: impl FnOnce() -> T) -> T {
    struct Restore(Option<Fault>);
    impl Drop for Restore {
        fn drop(&mut self) {
            PLANTED.set(self.0);
        }
    }
    let _restore = Restore(PLANTED.replace(fault));
    run()
}

/// Whether this is the fault that is planted.
#[inline]
pub(crate) fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, resume_unwind};

    use super::{is_planted, with};
    use crate::Fault;

    #[test]
    fn the_way_out_of_a_driver_leads_back_to_the_fault_of_the_one_around_it() {
        with(Some(Fault::FinishWithoutStart), || {
            with(None, || assert!(!is_planted(Fault::FinishWithoutStart)));
            assert!(is_planted(Fault::FinishWithoutStart));
            let unwound = catch_unwind(|| with(None, || resume_unwind(Box::new(()))));
            assert!(unwound.is_err());
            assert!(is_planted(Fault::FinishWithoutStart));
        });
        assert!(!is_planted(Fault::FinishWithoutStart));
    }
}
