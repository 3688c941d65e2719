//! Statics and thread-locals of the code under test, found through the program's symbol table.
//!
//! ```
//! use keysan::SecretSet;
//! use keysan::statics::Statics;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! static CACHE: AtomicU64 = AtomicU64::new(0);
//!
//! let statics = Statics::of_symbols(|name| name.ends_with("::CACHE"))?;
//! CACHE.store(0xbf48_d277_0e91_c53a, Ordering::Relaxed);
//! let mut set = SecretSet::new();
//! set.register(b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b", 7)?;
//! let mut sighted = Vec::new();
//! statics.scan(&set, &mut |sighting| sighted.push(sighting.tag));
//! assert_eq!(sighted, [7]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Looked at is whatever has a symbol of its own, not what the optimiser took apart. A program that was
//! stripped has no symbols, and that is an error. Of a shared library, [`Statics::of_library`] looks at all
//! writable memory that the dynamic linker has mapped for it.

mod anchor;
mod copied;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod library;
mod symbols;

use std::fmt;
use std::io;
use std::ptr;

pub use symbols::RegionKind;

use crate::secret_set::{Looked, SecretSet, Sighting};
use copied::Copied;
use symbols::Symbol;

/// Up to this many bytes together are looked at at every offset, and beyond at every aligned word,
/// which costs an eighth and still finds every whole secret.
const EVERY_OFFSET_MAX: usize = 64 << 10;

/// Windows that begin in the last seven bytes of a chunk end in the next; aligned words never do.
const OVERLAP: usize = 7;

/// The writable statics and thread-locals of the code under test.
///
/// Made once; [`scan`](Statics::scan) and [`words`](Statics::words) then read them where they are,
/// without allocating. Other threads may write to them meanwhile: what is seen of such a write is
/// the old bytes or the new ones, or some of each.
#[derive(Debug)]
pub struct Statics {
    regions: Vec<Region>,
    own: anchor::Own,
    /// Whose they are, if not the program's.
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    library: Option<library::Library>,
    /// Whether there is little enough to look at every offset.
    at_every_offset: bool,
}

/// One static or thread-local.
#[derive(Debug)]
pub struct Region {
    symbol: Symbol,
}

/// Eight bytes of a secret, seen in a static or thread-local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticSighting {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// Which region, as an index into [`Statics::regions`].
    pub region: u32,
    /// Where they begin in the region, in bytes.
    pub offset: u32,
}

/// Why there is no looking at statics; that is different from there being none.
#[derive(Debug)]
#[non_exhaustive]
pub enum StaticsError {
    /// Only Linux on x86-64 and on AArch64 is served.
    NotPorted,
    /// The program's file cannot be read.
    Unreadable(io::Error),
    /// The program's file is no ELF file that can be understood.
    Malformed,
    /// The program has no symbol table: it was stripped.
    NoSymbols,
    /// keysan's own statics are not where the symbols say, or not in this program's file at all.
    NotProven,
}

impl Statics {
    /// Canaries that [`scan`](Statics::scan) counts if it looked at statics and thread-locals both:
    /// two aligned words of one each.
    pub const CANARIES: u32 = 2 * 2;

    /// Every writable static and thread-local whose name `belongs` says is under test.
    ///
    /// Names are demangled and without hash: `rekeylab_driver::session::CACHE`. A static inside a
    /// method of a trait begins with a bracket: `<rekeylab_driver::Device as ..>::open::CACHE`. The
    /// variable behind a `thread_local!` is called like it, with a few more segments behind.
    ///
    /// Answers no regions when no name belongs; that is no error.
    ///
    /// # Errors
    ///
    /// [`StaticsError`] when the symbols cannot be had or do not lead to keysan's own statics.
    pub fn of_symbols(mut belongs: impl FnMut(&str) -> bool) -> Result<Statics, StaticsError> {
        let symbols = symbols::writable()?;
        let own = anchor::Own::find(&symbols).ok_or(StaticsError::NotProven)?;
        let mut regions: Vec<Region> = Vec::new();
        for symbol in symbols.into_iter().filter(|symbol| belongs(&symbol.name)) {
            // Sorted by address, so another name for the same place comes right behind it.
            if !regions.last().is_some_and(|last| last.symbol.covers(&symbol)) {
                regions.push(Region { symbol });
            }
        }
        let mut statics = Statics::of(own);
        statics.take(regions);
        Ok(statics)
    }

    /// All writable memory of the shared library that has this address, its thread-locals included; this thread gets
    /// them now, if it has used none of them yet.
    ///
    /// Variables have the names of the library's symbols, `vendor::last_key`; what has no symbol is named by
    /// its place, `libvendor.so+0x4010`.
    ///
    /// # Errors
    ///
    /// [`StaticsError`] when the library's file cannot be read or is not the one that was loaded, or when the
    /// program's own symbols cannot be had, which prove that scans look.
    pub fn of_library(address: *const u8) -> Result<Statics, StaticsError> {
        let symbols = symbols::writable()?;
        let own = anchor::Own::find(&symbols).ok_or(StaticsError::NotProven)?;
        let mut statics = Statics::of(own);
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let (library, regions) = library::Library::of_address(address.addr())?;
            library.make_thread_locals();
            statics.take(regions.into_iter().map(|symbol| Region { symbol }).collect());
            statics.library = Some(library);
        }
        #[cfg(not(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )))]
        let _ = address;
        Ok(statics)
    }

    fn of(own: anchor::Own) -> Statics {
        Statics {
            regions: Vec::new(),
            own,
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            library: None,
            at_every_offset: true,
        }
    }

    fn take(&mut self, regions: Vec<Region>) {
        let total: usize = regions.iter().map(Region::len).sum();
        self.at_every_offset = total <= EVERY_OFFSET_MAX;
        self.regions = regions;
    }

    /// What to add to the values of the regions' symbols, in this thread.
    fn bases(&self) -> anchor::Bases {
        let own = self.own.bases();
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        if let Some(library) = &self.library {
            return anchor::Bases::new(library.base(), library.thread_locals());
        }
        own
    }

    /// Looks at every aligned word of each region; of thread-locals, into those of the calling
    /// thread.
    ///
    /// That finds every whole secret, and costs little enough to be done after every call.
    /// [`Looked::canaries`] is [`Statics::CANARIES`], or the scan did not look.
    pub fn scan(&self, set: &SecretSet, sink: &mut dyn FnMut(StaticSighting)) -> Looked {
        let (bases, mut looked) = (self.bases(), self.look_at_canaries(set));
        for (index, region) in (0..).zip(&self.regions) {
            let Some(address) = bases.address_of(&region.symbol) else { continue };
            let address = ptr::with_exposed_provenance(address);
            looked.bytes += region.len();
            let mut found = sightings_in(index, 0, sink);
            // SAFETY: a variable of the program's file, at the place that its symbol tells and that
            // was proven for keysan's own. It lives as long as the program or this thread does, and
            // who writes to it meanwhile is read before or after.
            unsafe { set.scan_memory(address, region.len(), &mut found) };
        }
        looked
    }

    /// Looks at every offset of each region, where eight bytes of a secret may stand alone; at
    /// aligned words only, if all regions together have more than 64 KiB.
    pub fn scan_every_byte(&self, set: &SecretSet, sink: &mut dyn FnMut(StaticSighting)) -> Looked {
        if !self.at_every_offset {
            return self.scan(set, sink);
        }
        let (bases, mut looked) = (self.bases(), self.look_at_canaries(set));
        let mut copied = Copied::new();
        for (index, region) in (0..).zip(&self.regions) {
            let Some(address) = bases.address_of(&region.symbol) else { continue };
            looked.bytes += region.len();
            let mut look = |bytes: &[u8], start: usize| {
                set.scan_bytes(bytes, &mut sightings_in(index, start, sink));
            };
            // SAFETY: readable, as in `scan`.
            unsafe { copied.each_chunk(address, region.len(), OVERLAP, &mut look) };
        }
        looked
    }

    /// Plants the canaries and looks at them.
    fn look_at_canaries(&self, set: &SecretSet) -> Looked {
        anchor::plant(set);
        let bases = self.own.bases();
        let mut looked = Looked::default();
        for canary in self.own.canaries() {
            let Some(address) = bases.address_of(canary) else { continue };
            let address = ptr::with_exposed_provenance(address);
            // SAFETY: keysan's own variable, readable at the address that was compared with it.
            // Others write only what is there already.
            let seen = unsafe { set.scan_memory(address, canary.len, &mut |_| {}) };
            looked.canaries += seen.canaries;
        }
        looked
    }

    /// Appends the words of every region: [`word_count`](Statics::word_count) of them.
    ///
    /// Each region begins a new word, and its last one is filled up with zeroes.
    pub fn words(&self, into: &mut Vec<u64>) {
        let bases = self.bases();
        let mut copied = Copied::new();
        for region in &self.regions {
            let Some(address) = bases.address_of(&region.symbol) else {
                into.extend(std::iter::repeat_n(0, region.word_count()));
                continue;
            };
            // SAFETY: readable, as in `scan`.
            unsafe { copied.each_word(address, region.len(), &mut |word| into.push(word)) };
        }
    }

    /// How many words [`words`](Statics::words) appends.
    #[must_use]
    pub fn word_count(&self) -> usize {
        self.regions.iter().map(Region::word_count).sum()
    }

    /// The region that the `index`-th of [`words`](Statics::words) belongs to, and the byte offset
    /// of the word in it; none if there are not so many words.
    #[must_use]
    pub fn place_of_word(&self, index: usize) -> Option<(&Region, usize)> {
        let mut left = index;
        for region in &self.regions {
            if left < region.word_count() {
                return Some((region, 8 * left));
            }
            left -= region.word_count();
        }
        None
    }

    /// Which region an address lies in, as an index into [`regions`](Statics::regions), and how far
    /// from its start; thread-locals are those of the calling thread.
    #[must_use]
    pub fn locate(&self, address: *const u8) -> Option<(u32, usize)> {
        let bases = self.bases();
        (0..).zip(&self.regions).find_map(|(index, region)| {
            let offset = address.addr().checked_sub(bases.address_of(&region.symbol)?)?;
            (offset < region.len()).then_some((index, offset))
        })
    }

    /// Where a region begins, by its index; a thread-local's is that of the calling thread.
    #[cfg(feature = "trace")]
    pub(crate) fn address_of(&self, region: u32) -> Option<*const u8> {
        let region = self.regions.get(region as usize)?;
        self.bases().address_of(&region.symbol).map(std::ptr::with_exposed_provenance)
    }

    /// What is under test: statics first, then thread-locals, each by address.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = &Region> {
        self.regions.iter()
    }
}

/// Hands on what is sighted in the bytes of a region that begin at `start`.
fn sightings_in<'a>(
    region: u32,
    start: usize,
    sink: &'a mut dyn FnMut(StaticSighting),
) -> impl FnMut(Sighting) + 'a {
    move |Sighting { tag, window, position }| {
        let offset = u32::try_from(start + position).unwrap_or(u32::MAX);
        sink(StaticSighting { tag, window, region, offset });
    }
}

impl Region {
    /// The demangled name of its symbol.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.symbol.name
    }

    /// Its size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "symbols without size are left out")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbol.len
    }

    /// Whether there is one for the program or one for each thread.
    #[must_use]
    pub fn kind(&self) -> RegionKind {
        self.symbol.kind
    }

    fn word_count(&self) -> usize {
        self.len().div_ceil(8)
    }
}

impl fmt::Display for StaticsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StaticsError::NotPorted => {
                f.write_str("statics are found on x86-64 and AArch64 Linux only")
            }
            StaticsError::Unreadable(error) => write!(f, "cannot read the program's file: {error}"),
            StaticsError::Malformed => f.write_str("the program's file is not understood"),
            StaticsError::NoSymbols => f.write_str("the program has no symbols: it was stripped"),
            StaticsError::NotProven => {
                f.write_str("the symbols do not lead to keysan's own statics")
            }
        }
    }
}

impl std::error::Error for StaticsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StaticsError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
