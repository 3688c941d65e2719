//! The writable memory of a shared library, as the dynamic linker lists it.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::slice;

use libc::{PF_W, PT_GNU_RELRO, PT_LOAD, PT_TLS};
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, ReadCache};

use super::StaticsError;
use super::symbols::{RegionKind, Symbol, writable_of};

/// A library that is loaded.
#[derive(Debug)]
pub(super) struct Library {
    /// What its addresses were moved by.
    base: usize,
    /// The number of its thread-locals; 0 if it has none.
    thread_locals: usize,
}

/// What was asked about each library, and of which this is the answer.
struct Asked {
    /// Any address in the library that is meant.
    address: usize,
    found: Option<Found>,
}

struct Found {
    path: PathBuf,
    headers: Vec<libc::Elf64_Phdr>,
    library: Library,
}

impl Library {
    /// The library that has this address, and all of its writable memory, in order: variables by the names of
    /// its symbols, and what has no name by its place.
    pub(super) fn of_address(address: usize) -> Result<(Library, Vec<Symbol>), StaticsError> {
        let mut asked = Asked { address, found: None };
        // SAFETY: `note` takes what it is passed for an `Asked`, which this is, until the call returns.
        unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut asked).cast()) };
        let Found { path, headers, library } = asked.found.ok_or(StaticsError::NotProven)?;
        let file = ReadCache::new(File::open(&path).map_err(StaticsError::Unreadable)?);
        let elf = ElfFile64::<Endianness, _>::parse(&file).map_err(|_| StaticsError::Malformed)?;
        // Names are only believed if this file is the one that was loaded.
        let endian = elf.endian();
        let of_file = elf.elf_program_headers().iter().map(|header| {
            (header.p_type(endian).0, header.p_vaddr(endian), header.p_memsz(endian))
        });
        let of_memory =
            headers.iter().map(|header| (header.p_type, header.p_vaddr, header.p_memsz));
        if !of_file.eq(of_memory) {
            return Err(StaticsError::NotProven);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((library, regions(&headers, writable_of(&elf), &name)))
    }

    /// Has this thread get its thread-locals now, if it has not used one yet.
    ///
    /// They come from the heap of C when the first of them is used. If that is in a call, they would be taken for a
    /// block which that call has allocated and never frees.
    pub(super) fn make_thread_locals(&self) {
        /// Which thread-local: the number of a library, and the offset.
        #[repr(C)]
        struct Index(usize, usize);
        unsafe extern "C" {
            fn __tls_get_addr(index: *const Index) -> *mut c_void;
        }
        if self.thread_locals != 0 {
            let first = Index(self.thread_locals, 0);
            // SAFETY: a library that is loaded, by the linker's number for it; nothing is done with the address.
            unsafe { __tls_get_addr(&raw const first) };
        }
    }

    /// What to add to the value of a static.
    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// Where the thread-locals of this thread are; `None` before it has used one.
    pub(super) fn thread_locals(&self) -> Option<usize> {
        if self.thread_locals == 0 {
            return None;
        }
        let mut wanted = ThreadLocals { module: self.thread_locals, start: 0 };
        // SAFETY: `note_thread_locals` takes what it is passed for what this is, until the call returns.
        unsafe { libc::dl_iterate_phdr(Some(note_thread_locals), (&raw mut wanted).cast()) };
        Some(wanted.start).filter(|&start| start != 0)
    }
}

struct ThreadLocals {
    module: usize,
    start: usize,
}

/// Whether the library has the address; ends the search at the one that has it.
unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _len: usize, asked: *mut c_void) -> c_int {
    // SAFETY: the linker passes what it knows of a library, and what it was passed itself.
    let (info, asked) = unsafe { (&*info, &mut *asked.cast::<Asked>()) };
    let count = usize::from(info.dlpi_phnum);
    // SAFETY: so many headers are mapped as long as the library is.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, count) };
    let base = address(info.dlpi_addr);
    let has_it = |header: &&libc::Elf64_Phdr| {
        let start = base.wrapping_add(address(header.p_vaddr));
        header.p_type == PT_LOAD && asked.address.wrapping_sub(start) < address(header.p_memsz)
    };
    if !headers.iter().any(|header| has_it(&header)) {
        return 0;
    }
    // SAFETY: the linker has a name for each, which may be empty for the program itself.
    let name = unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes();
    let path = if name.is_empty() { b"/proc/self/exe" } else { name };
    asked.found = Some(Found {
        path: PathBuf::from(OsStr::from_bytes(path)),
        headers: headers.to_vec(),
        library: Library { base, thread_locals: info.dlpi_tls_modid },
    });
    1
}

unsafe extern "C" fn note_thread_locals(
    info: *mut libc::dl_phdr_info,
    _len: usize,
    wanted: *mut c_void,
) -> c_int {
    // SAFETY: the linker passes what it knows of a library, and what it was passed itself.
    let (info, wanted) = unsafe { (&*info, &mut *wanted.cast::<ThreadLocals>()) };
    let is_it = info.dlpi_tls_modid == wanted.module;
    if is_it {
        wanted.start = info.dlpi_tls_data.addr();
    }
    c_int::from(is_it)
}

/// A number of the linker's; only one that no address has is another.
fn address(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// All writable memory in pieces: each symbol's, and what lies between.
fn regions(headers: &[libc::Elf64_Phdr], symbols: Vec<Symbol>, library: &str) -> Vec<Symbol> {
    let range = |header: &libc::Elf64_Phdr| {
        let start = address(header.p_vaddr);
        start..start + address(header.p_memsz)
    };
    // Sealed once the library is loaded, so that nothing can get into it.
    let sealed: Vec<Range<usize>> =
        headers.iter().filter(|header| header.p_type == PT_GNU_RELRO).map(range).collect();
    let mut writable = Vec::new();
    for header in headers {
        if header.p_type == PT_LOAD && header.p_flags & PF_W != 0 {
            writable.extend(without(range(header), &sealed));
        }
    }
    let mut regions = Vec::new();
    for range in writable {
        cut(RegionKind::Static, range, &symbols, library, &mut regions);
    }
    for header in headers.iter().filter(|header| header.p_type == PT_TLS) {
        let whole = 0..address(header.p_memsz);
        cut(RegionKind::ThreadLocal, whole, &symbols, library, &mut regions);
    }
    regions
}

/// A range but for some others.
fn without(range: Range<usize>, others: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut left = vec![range];
    for other in others {
        left = left
            .into_iter()
            .flat_map(|range| {
                [range.start..range.end.min(other.start), range.start.max(other.end)..range.end]
            })
            .filter(|range| !range.is_empty())
            .collect();
    }
    left
}

/// Cuts a range into what symbols have and what lies between them.
fn cut(
    kind: RegionKind,
    range: Range<usize>,
    symbols: &[Symbol],
    library: &str,
    into: &mut Vec<Symbol>,
) {
    let unnamed = |start: usize, end: usize| Symbol {
        kind,
        value: start,
        len: end - start,
        name: format!("{library}+{start:#x}"),
    };
    let mut start = range.start;
    for symbol in symbols.iter().filter(|symbol| symbol.kind == kind) {
        let end = symbol.value + symbol.len;
        if symbol.value < start || end > range.end {
            // Another name for what was there, or in another range.
            continue;
        }
        if symbol.value > start {
            into.push(unnamed(start, symbol.value));
        }
        into.push(symbol.clone());
        start = end;
    }
    if start < range.end {
        into.push(unnamed(start, range.end));
    }
}
