//! Looks at every offset of all writable memory of the process; slow, for nightly runs.
//!
//! The scans around single calls look where the code under test is known to write. The audit asks
//! what they all missed: it reads every mapping that can be read and written, page by page, through
//! the kernel, so that no read can fault. It costs milliseconds and allocates.
//!
//! The code around the code under test rightly knows secrets, and its memory must be excluded. Not
//! looked at are registers, memory that is not writable, and eight bytes across two mappings.

mod canaries;
mod mappings;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::secret_set::{SecretSet, Sighting};
use canaries::{Canaries, Planted};
use mappings::{Mapping, PAGE, Pages, Touched};

/// Looks at every offset of every writable page that was ever touched, except what is `exclude`d.
///
/// Other threads should be at rest: what they write meanwhile may be seen, or half seen, or missed.
/// Audits of several threads wait for each other, so `sink` must not start one. Linux only.
///
/// # Errors
///
/// [`AuditError`] when memory cannot be read, or when one of the canaries, which the audit puts
/// into a heap block, on the stack and into a static, was not seen: then silence means nothing.
pub fn audit(
    set: &SecretSet,
    exclude: &[Range<usize>],
    sink: &mut dyn FnMut(AuditSighting<'_>),
) -> Result<Audited, AuditError> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut on_stack = Planted::new();
    let canaries = Canaries::plant(set, &mut on_stack);
    let mut auditor = Auditor {
        set,
        pages: Pages::open().map_err(AuditError::Unreadable)?,
        buffer: Zeroizing::new(vec![0; CHUNK]),
        canaries,
        audited: Audited::default(),
    };
    let touched = Touched::open().map_err(AuditError::Unreadable)?;
    // The buffer holds copies of whatever was read last.
    let buffer = auditor.buffer.as_ptr_range();
    let mut exclude = exclude.to_vec();
    exclude.push(buffer.start.addr()..buffer.end.addr());
    exclude.sort_by_key(|range| range.start);
    for mapping in mappings::writable().map_err(AuditError::Unreadable)? {
        auditor.audited.mappings += 1;
        for part in without(&mapping.range, &exclude) {
            touched
                .each_run(part, &mut |run| auditor.look_at_run(&mapping, run, sink))
                .map_err(AuditError::Unreadable)?;
        }
    }
    auditor.canaries.check().map_err(|class| AuditError::DidNotLook { class })?;
    Ok(auditor.audited)
}

/// Eight bytes of a secret, seen in the process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditSighting<'a> {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// What the kernel calls the mapping, such as `[stack]` or `[heap]`; the name of its file,
    /// without folders; or `anonymous`.
    pub mapping: &'a str,
    /// Where the bytes begin in the mapping.
    pub offset: usize,
}

/// What an audit did, whatever it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Bytes looked at.
    pub bytes: usize,
    /// Bytes that the kernel would not read, such as secret memory and devices.
    pub unreadable: usize,
    /// Mappings that can be read and written, whether touched or not.
    pub mappings: usize,
    /// Canary windows seen: nine of each of the audit's own, and others' canaries.
    pub canaries: u32,
}

/// Why an audit proves nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuditError {
    /// `/proc/self` has no maps, pagemap or memory that can be read.
    Unreadable(io::Error),
    /// A canary was not seen, so its class of memory was not looked at. Perhaps it was excluded.
    DidNotLook {
        /// Where the canary was.
        class: Class,
    },
}

/// A class of memory with a canary of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A block of the program's allocator.
    Heap,
    /// The stack of the thread that audits.
    Stack,
    /// A static of the program.
    Static,
}

/// Bytes read at a time: large enough that the calls do not count, small enough for the cache.
const CHUNK: usize = 64 << 10;

/// What goes along with the next chunk: more than a window, and a whole canary.
const OVERLAP: usize = 16;

/// Audits of several threads would see the copies in each other's buffers.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Auditor<'a> {
    set: &'a SecretSet,
    pages: Pages,
    buffer: Zeroizing<Vec<u8>>,
    canaries: Canaries<'a>,
    audited: Audited,
}

impl Auditor<'_> {
    /// Looks at touched pages, chunk by chunk.
    fn look_at_run(
        &mut self,
        mapping: &Mapping,
        run: Range<usize>,
        sink: &mut dyn FnMut(AuditSighting<'_>),
    ) {
        let mut start = run.start;
        while start < run.end {
            let read_end = run.end.min(start + CHUNK);
            // Chunks begin at multiples of 16, so that no canary of the audit's is cut in two.
            let next = if read_end == run.end { run.end } else { (read_end - OVERLAP) & !15 };
            if self.look_at_chunk(mapping, start..read_end, next, sink).is_err() {
                self.look_at_pages(mapping, start..next, run.end, sink);
            }
            start = next;
        }
    }

    /// Looks at a chunk page by page: one that cannot be read hides none of the others. Another
    /// thread may just have given it back.
    fn look_at_pages(
        &mut self,
        mapping: &Mapping,
        chunk: Range<usize>,
        run_end: usize,
        sink: &mut dyn FnMut(AuditSighting<'_>),
    ) {
        let mut start = chunk.start;
        while start < chunk.end {
            let next = chunk.end.min((start / PAGE + 1) * PAGE);
            // What straddles two pages can be seen if both can be read.
            let read_ends = [run_end.min(next + OVERLAP), next];
            let mut look = |end| self.look_at_chunk(mapping, start..end, next, sink);
            if read_ends.into_iter().all(|end| look(end).is_err()) {
                self.audited.unreadable += next - start;
            }
            start = next;
        }
    }

    /// Looks at the windows that begin in the chunk before `next`, if it can be read.
    fn look_at_chunk(
        &mut self,
        mapping: &Mapping,
        chunk: Range<usize>,
        next: usize,
        sink: &mut dyn FnMut(AuditSighting<'_>),
    ) -> io::Result<()> {
        let bytes = &mut self.buffer[..chunk.len()];
        self.pages.read(chunk.start, bytes)?;
        let seen_until = bytes.len().min(next - chunk.start + 7);
        let in_mapping = chunk.start - mapping.range.start;
        let mut found = |Sighting { tag, window, position }| {
            let offset = in_mapping + position;
            sink(AuditSighting { tag, window, mapping: &mapping.name, offset });
        };
        let looked = self.set.scan_bytes(&bytes[..seen_until], &mut found);
        self.canaries.note(chunk.start, &bytes[..next - chunk.start], looked.canaries);
        self.audited.canaries += looked.canaries;
        self.audited.bytes += next - chunk.start;
        Ok(())
    }
}

/// The parts of `range` outside all of `exclude`, which is sorted by start.
fn without(range: &Range<usize>, exclude: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = range.start;
    for gap in exclude.iter().filter(|gap| gap.start < range.end && gap.end > range.start) {
        if start < gap.start {
            parts.push(start..gap.start);
        }
        start = start.max(gap.end);
    }
    if start < range.end {
        parts.push(start..range.end);
    }
    parts
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditError::Unreadable(error) => write!(f, "cannot read the process's memory: {error}"),
            AuditError::DidNotLook { class } => {
                let place = match class {
                    Class::Heap => "in a heap block",
                    Class::Stack => "on the stack",
                    Class::Static => "in a static",
                };
                write!(f, "a canary {place} was not seen")
            }
        }
    }
}

impl std::error::Error for AuditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AuditError::Unreadable(error) => Some(error),
            AuditError::DidNotLook { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "only the kernel makes pages and takes one back")]
    #[cfg_attr(miri, ignore = "reads its memory through the kernel")]
    fn a_page_that_is_gone_hides_no_other() {
        let secret: [u8; 16] = std::array::from_fn(|place| {
            0xA5 ^ u8::try_from(place).expect("below 16").wrapping_mul(29)
        });
        let mut set = SecretSet::new();
        set.register(&secret, 7).expect("a set with one secret has room");
        let (rights, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: the kernel chooses a place of its own for four pages.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), 4 * PAGE, rights, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // In the first page, and across the last two.
        for place in [100, 3 * PAGE - 8] {
            // SAFETY: sixteen bytes at `place` lie in the mapping, and nobody else knows of it.
            unsafe { start.byte_add(place).cast::<[u8; 16]>().write_unaligned(secret) };
        }
        // SAFETY: nothing lies in the second page.
        assert_eq!(unsafe { libc::munmap(start.byte_add(PAGE), PAGE) }, 0);

        let mut on_stack = Planted::new();
        let mut auditor = Auditor {
            set: &set,
            pages: Pages::open().expect("can be read"),
            buffer: Zeroizing::new(vec![0; CHUNK]),
            canaries: Canaries::plant(&set, &mut on_stack),
            audited: Audited::default(),
        };
        let range = start.addr()..start.addr() + 4 * PAGE;
        let mapping = Mapping { range: range.clone(), name: String::new() };
        let mut found = Vec::new();
        auditor.look_at_run(&mapping, range, &mut |sighting| found.push(sighting.offset));
        let expected = [100, 3 * PAGE - 8].map(|place| place..place + 9);
        assert_eq!(found, expected.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(auditor.audited.unreadable, PAGE);
        for page in [0, 2, 3] {
            // SAFETY: the page is the test's, and nobody looks at it any more.
            unsafe { libc::munmap(start.byte_add(page * PAGE), PAGE) };
        }
    }

    #[test]
    fn what_is_left_of_a_range_is_outside_all_that_is_excluded() {
        fn check(exclude: &[Range<usize>], expected: &[Range<usize>]) {
            assert_eq!(without(&(100..200), exclude), expected);
        }
        const ALL: Range<usize> = 100..200;
        check(&[], &[ALL]);
        check(&[0..100, 200..300], &[ALL]);
        check(&[0..101, 102..103, 199..300], &[101..102, 103..199]);
        check(&[110..120, 112..115, 118..130], &[100..110, 130..200]);
        check(&[ALL], &[]);
        check(&[0..150, 150..300], &[]);
    }
}
