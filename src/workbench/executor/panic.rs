//! Tells a panic of the driver from one of the workbench, and catches only the former.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_IN_DRIVER: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f` as the driver's: a panic in it is an observation.
#[inline]
pub(super) fn in_driver<T>(f: impl FnOnce() -> T) -> T {
    IS_IN_DRIVER.set(true);
    let result = f();
    IS_IN_DRIVER.set(false);
    result
}

/// Runs `f`; a panic of the driver inside it becomes its message, any other goes on.
pub(super) fn catch(f: impl FnOnce()) -> Result<(), String> {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return Ok(()) };
    if !IS_IN_DRIVER.replace(false) {
        resume_unwind(payload);
    }
    let message = MESSAGE.take();
    Err(message.unwrap_or_else(|| text_of(&*payload).to_owned()))
}

/// Makes panics of the driver silent and keeps their message; all others are reported as before.
///
/// Must come after hooks of engines, which abort.
pub(super) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_IN_DRIVER.get() {
                return before(panic);
            }
            let text = text_of(panic.payload());
            // The path below `src/` only: a trace is the same wherever it was built.
            let place = panic.location().map(|at| {
                let file = at.file().replace('\\', "/");
                let file = file.rsplit_once("src/").map_or(&*file, |(_, rest)| rest).to_owned();
                format!("{file}:{}", at.line())
            });
            MESSAGE.set(Some(format!("{text} at {}", place.as_deref().unwrap_or("?"))));
        }));
    });
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
