//! The process's writable mappings, which of their pages were touched, and what is in them.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes of a page, as the pagemap counts them on x86-64. Larger pages of other machines are
/// multiples and would only make the runs wrong, which the canaries would tell.
pub(super) const PAGE: usize = 4096;

/// Pages asked about at a time.
const PAGES: usize = 4096;

/// A mapping that can be read and written.
pub(super) struct Mapping {
    pub(super) range: Range<usize>,
    pub(super) name: String,
}

/// Every mapping that can be read and written, by address.
pub(super) fn writable() -> io::Result<Vec<Mapping>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut mappings = Vec::new();
    for line in maps.lines() {
        mappings.extend(mapping(line)?);
    }
    Ok(without_overlap(mappings))
}

/// The kernel gives the list in pieces. A mapping that grows between two of them, because another
/// thread asks for memory, is in both; its second part begins where the first one ended.
fn without_overlap(mut mappings: Vec<Mapping>) -> Vec<Mapping> {
    let mut end = 0;
    for Mapping { range, .. } in &mut mappings {
        range.start = range.start.max(end);
        end = end.max(range.end);
    }
    mappings.retain(|mapping| !mapping.range.is_empty());
    mappings
}

/// Reads a line such as `7f1c2e000000-7f1c2e021000 rw-p 00000000 00:00 0    [heap]`.
fn mapping(line: &str) -> io::Result<Option<Mapping>> {
    let malformed =
        || io::Error::new(io::ErrorKind::InvalidData, "a line of maps is not understood");
    let mut fields = line.splitn(6, ' ');
    let (addresses, rights) = fields.next().zip(fields.next()).ok_or_else(malformed)?;
    if !rights.starts_with("rw") {
        return Ok(None);
    }
    let (start, end) = addresses.split_once('-').ok_or_else(malformed)?;
    let address = |text| usize::from_str_radix(text, 16).map_err(|_| malformed());
    let name = match fields.nth(3).map_or("", str::trim_start) {
        "" => "anonymous",
        // A name in brackets is no path, and may contain what a user of prctl likes.
        name if name.starts_with('[') => name,
        path => path.rsplit('/').next().unwrap_or(path),
    };
    Ok(Some(Mapping { range: address(start)?..address(end)?, name: name.to_owned() }))
}

/// Which pages were touched. Sanitizers map terabytes and touch little of it.
pub(super) struct Touched {
    pagemap: File,
}

impl Touched {
    pub(super) fn open() -> io::Result<Touched> {
        Ok(Touched { pagemap: File::open("/proc/self/pagemap")? })
    }

    /// Shows the parts of `range` that lie on touched pages, each as long as it can be.
    pub(super) fn each_run(
        &self,
        range: Range<usize>,
        show: &mut dyn FnMut(Range<usize>),
    ) -> io::Result<()> {
        let mut entries = vec![0; PAGES * 8];
        let mut open: Option<Range<usize>> = None;
        let last = range.end.div_ceil(PAGE);
        for first in (range.start / PAGE..last).step_by(PAGES) {
            let entries = &mut entries[..8 * PAGES.min(last - first)];
            self.pagemap.read_exact_at(entries, 8 * first as u64)?;
            for (page, entry) in (first..).zip(entries.as_chunks::<8>().0) {
                if is_touched(u64::from_ne_bytes(*entry)) {
                    let start = open.map_or(page * PAGE, |open| open.start);
                    open = Some(start..(page + 1) * PAGE);
                } else if let Some(run) = open.take() {
                    show(within(&run, &range));
                }
            }
        }
        if let Some(run) = open {
            show(within(&run, &range));
        }
        Ok(())
    }
}

/// Bit 63 says that a page is in memory, bit 62 that it is swapped out.
fn is_touched(entry: u64) -> bool {
    entry >> 62 != 0
}

/// Pages go to their full length, and the range may begin and end within one.
fn within(run: &Range<usize>, range: &Range<usize>) -> Range<usize> {
    run.start.max(range.start)..run.end.min(range.end)
}

/// The memory itself, read by the kernel: what is not there is an error and no fault.
pub(super) struct Pages {
    memory: File,
}

impl Pages {
    pub(super) fn open() -> io::Result<Pages> {
        Ok(Pages { memory: File::open("/proc/self/mem")? })
    }

    pub(super) fn read(&self, address: usize, into: &mut [u8]) -> io::Result<()> {
        self.memory.read_exact_at(into, address as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapping, mapping, without_overlap};

    fn named(line: &str) -> Option<(usize, usize, String)> {
        let mapping = mapping(line).expect("a line of maps");
        mapping.map(|mapping| (mapping.range.start, mapping.range.end, mapping.name))
    }

    #[test]
    fn no_address_is_in_two_mappings() {
        let of = |range| Mapping { range, name: String::new() };
        let ranges = [1..3, 1..5, 5..6, 4..6, 8..9];
        let parts = without_overlap(ranges.map(of).into());
        let parts: Vec<_> = parts.into_iter().map(|mapping| mapping.range).collect();
        assert_eq!(parts, [1..3, 3..5, 5..6, 8..9]);
    }

    #[test]
    fn a_writable_mapping_is_known_by_range_and_name() {
        let found = |name: &str| Some((0x1000, 0x3000, name.to_owned()));
        assert_eq!(named("1000-3000 rw-p 00000000 00:00 0 "), found("anonymous"));
        assert_eq!(named("1000-3000 rw-p 00000000 00:00 0"), found("anonymous"));
        assert_eq!(named("1000-3000 rw-p 00000000 00:00 0          [heap]"), found("[heap]"));
        assert_eq!(named("1000-3000 rw-s 00002000 fe:01 77   /a b/c d"), found("c d"));
        assert_eq!(named("1000-3000 rwxp 0 00:00 0   [anon:a/b]"), found("[anon:a/b]"));
        assert_eq!(named("1000-3000 r--p 00000000 00:00 0"), None);
        assert_eq!(named("1000-3000 ---p 00000000 00:00 0"), None);
        assert!(mapping("1000 rw-p").is_err());
        assert!(mapping("").is_err());
    }
}
