//! The form in which crash tools read a violation: a sanitizer's line, and a frame of its own.

use crate::invariant::{Violation, by_name};

/// One line as sanitizers print it, from which crash tools take the type of the crash.
///
/// There is no address: it would differ from run to run, and a key has none worth naming. The
/// token at the end is what ClusterFuzz takes for a security finding; without it, it takes none of
/// these for one.
#[must_use]
pub fn sanitizer_line(violation: &Violation) -> String {
    format!(
        "=={}==ERROR: KeySanitizer: {} on address 0x{:012x} FuzzerSecurityIssueHigh",
        std::process::id(),
        violation.invariant,
        violation.call
    )
}

/// Ends the process from the invariant's own function.
pub fn abort_with(violation: &Violation) -> ! {
    match by_name(violation.invariant) {
        Some(invariant) => (invariant.abort)(),
        None => std::process::abort(),
    }
}
