//! Stands in for `private_stack` where it has no port: refuses to run anything.

/// Whether [`run`] works on this system.
pub(crate) const IS_PORTED: bool = false;

/// Panics: running the operation here would break the promise to leave nothing behind.
pub(crate) fn run<F: FnMut()>(_: &mut F) {
    panic!("Backend::PrivateStack.is_available() says whether this may be called");
}
