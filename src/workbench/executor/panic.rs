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
pub(super) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    let payload = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => return Ok(result),
        Err(payload) => payload,
    };
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
            let place = panic.location().map(|at| format!("{}:{}", place_of(at.file()), at.line()));
            MESSAGE.set(Some(format!("{text} at {}", place.as_deref().unwrap_or("?"))));
        }));
    });
}

/// The path below `src/`, or below where a build script writes: a trace is the same wherever it was
/// built.
fn place_of(file: &str) -> String {
    let file = file.replace('\\', "/");
    let below = ["src/", "/out/"].iter().filter_map(|folder| file.rsplit_once(folder));
    below.map(|(_, rest)| rest).min_by_key(|rest| rest.len()).unwrap_or(&file).to_owned()
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn a_place_is_the_same_wherever_the_program_was_built() {
        assert_eq!(place_of("/home/a/src/driver/queue.rs"), "driver/queue.rs");
        assert_eq!(place_of("src\\driver\\queue.rs"), "driver/queue.rs");
        let woven = "/home/a/src/x/target/debug/build/faults-1f/out/woven/driver/queue.rs";
        assert_eq!(place_of(woven), "woven/driver/queue.rs");
        assert_eq!(place_of("elsewhere.rs"), "elsewhere.rs");
    }
}
