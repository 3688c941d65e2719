//! Who is around the entries of a driver: somebody who looks at what each of them leaves behind.

use core::cell::Cell;
use core::ptr::NonNull;

/// Runs what it is given, once, with whatever it does around it.
pub type Around<'a> = dyn FnMut(&mut dyn FnMut()) + 'a;

/// Does some work during which each entry that this thread calls runs inside `around`, and whatever a driver
/// calls back from there inside `outside` again.
///
/// Nothing but the entry itself is inside: its arguments are made and its answers read out there.
pub fn around_entries<R>(
    around: &mut Around<'_>,
    outside: fn(&mut dyn FnMut()),
    work: impl FnOnce() -> R,
) -> R {
    // SAFETY: only the lifetime is another. The pointer is gone from where it is kept when this returns, by a
    // panic too, and nobody else can copy it from there.
    let around = unsafe {
        core::mem::transmute::<NonNull<Around<'_>>, NonNull<Around<'static>>>(NonNull::from(around))
    };
    let _before = Restored { before: Some(AROUND.replace(Some((around, outside)))) };
    work()
}

/// How what is called back runs.
type Outside = fn(&mut dyn FnMut());

type Known = Option<(NonNull<Around<'static>>, Outside)>;

thread_local! {
    static AROUND: Cell<Known> = const { Cell::new(None) };
    /// How whatever is called back from the entry under way runs.
    static OUTSIDE: Cell<Option<Outside>> = const { Cell::new(None) };
}

/// Runs an entry.
pub(crate) fn enter(entry: &mut dyn FnMut()) {
    // Taken while it is in use, so that it is in use once.
    let Some((mut around, outside)) = AROUND.take() else { return entry() };
    let _after = Restored { before: Some(Some((around, outside))) };
    OUTSIDE.set(Some(outside));
    // SAFETY: whoever put it there lends it for as long as it is there, and nobody else has it meanwhile.
    unsafe { around.as_mut()(entry) };
}

/// Whether an entry is under way on this thread that somebody is around.
pub(crate) fn is_in_an_entry() -> bool {
    OUTSIDE.get().is_some()
}

/// Runs what a driver has called back.
pub(crate) fn leave<R>(callback: impl FnOnce() -> R) -> R {
    let Some(outside) = OUTSIDE.get() else { return callback() };
    let (mut callback, mut answer) = (Some(callback), None);
    outside(&mut || answer = callback.take().map(|callback| callback()));
    answer.expect("it runs what it is given")
}

/// Puts back what was there.
struct Restored {
    before: Option<Known>,
}

impl Drop for Restored {
    fn drop(&mut self) {
        AROUND.set(self.before.take().flatten());
        OUTSIDE.set(None);
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;

    use super::*;

    thread_local! {
        static SEEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    fn see(what: &'static str) {
        SEEN.with_borrow_mut(|seen| seen.push(what));
    }

    fn outside(callback: &mut dyn FnMut()) {
        see("out");
        callback();
        see("in again");
    }

    #[test]
    fn each_entry_is_inside_and_what_it_calls_back_is_not() {
        let mut around = |entry: &mut dyn FnMut()| {
            see("in");
            entry();
            see("out again");
        };
        around_entries(&mut around, outside, || {
            enter(&mut || leave(|| see("callback")));
            see("between");
            enter(&mut || see("entry"));
        });
        enter(&mut || see("alone"));
        let expected = [
            "in",
            "out",
            "callback",
            "in again",
            "out again",
            "between",
            "in",
            "entry",
            "out again",
            "alone",
        ];
        assert_eq!(SEEN.take(), expected);
    }

    #[test]
    fn a_panic_leaves_nobody_around() {
        let caught = std::panic::catch_unwind(|| {
            around_entries(&mut |entry: &mut dyn FnMut()| entry(), outside, || {
                enter(&mut || panic!("in an entry"));
            });
        });
        assert!(caught.is_err());
        assert!(AROUND.get().is_none());
    }
}
