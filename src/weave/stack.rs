//! Room for code that is nested deeply: a parser, and what walks syntax, needs some for each level.

use std::thread;

/// A hunk has no more than a thousand levels, and this is enough where nothing is optimised, too. What
/// is not touched of it costs nothing.
const STACK_LEN: usize = 256 << 20;

/// Does something that reads the code of faults on a stack that is large enough for it.
pub(crate) fn with_room<T: Send>(read: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK_LEN).spawn_scoped(scope, read);
        match reader.expect("a thread can be made").join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
