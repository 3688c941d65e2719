//! Reads the writable statics and thread-locals from the symbol table of the running program.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use elf::{writable, writable_of};

/// Whether there is one for the program or one for each thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegionKind {
    /// One for the program.
    Static,
    /// One for each thread.
    ThreadLocal,
}

/// A variable, as the program's file describes it. Ordered by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Symbol {
    pub(super) kind: RegionKind,
    /// For statics the address before the program was moved to where it runs; for thread-locals the
    /// offset in the thread's block.
    pub(super) value: usize,
    pub(super) len: usize,
    pub(super) name: String,
}

impl Symbol {
    /// Whether `other` lies within this one: an alias of it, or of a part.
    pub(super) fn covers(&self, other: &Symbol) -> bool {
        self.kind == other.kind
            && self.value <= other.value
            && other.value + other.len <= self.value + self.len
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn writable() -> Result<Vec<Symbol>, super::StaticsError> {
    Err(super::StaticsError::NotPorted)
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod elf {
    use std::fs::File;
    use std::ops::Range;

    use object::elf::{PT_GNU_RELRO, SHF_WRITE};
    use object::read::elf::{ElfFile64, ProgramHeader};
    use object::{
        Endianness, Object, ObjectSection, ObjectSymbol, ReadCache, ReadRef, SectionFlags,
        SymbolKind,
    };

    use super::{RegionKind, Symbol};
    use crate::statics::StaticsError;

    /// Every writable variable of the program, by kind and place.
    pub(in crate::statics) fn writable() -> Result<Vec<Symbol>, StaticsError> {
        let file = File::open("/proc/self/exe").map_err(StaticsError::Unreadable)?;
        // Most of the file describes lines of source, and is not read.
        let file = ReadCache::new(file);
        let elf = ElfFile64::<Endianness, _>::parse(&file).map_err(|_| StaticsError::Malformed)?;
        if elf.symbol_table().is_none() {
            return Err(StaticsError::NoSymbols);
        }
        Ok(writable_of(&elf))
    }

    /// Every writable variable that this file has a symbol for, by kind and place.
    pub(in crate::statics) fn writable_of<'a, R: ReadRef<'a>>(
        elf: &ElfFile64<'a, Endianness, R>,
    ) -> Vec<Symbol> {
        let sealed = sealed_after_relocation(elf);
        // A library that was stripped has at least what it exports.
        let symbols =
            elf.symbols().chain(elf.dynamic_symbols()).filter_map(|symbol| variable(elf, &symbol));
        let mut writable: Vec<Symbol> =
            symbols.filter(|symbol| !sealed.iter().any(|range| is_within(symbol, range))).collect();
        // Of several names for one place, the longest comes first and covers the others.
        writable.sort_by(|a, b| {
            (a.kind, a.value, b.len, &a.name).cmp(&(b.kind, b.value, a.len, &b.name))
        });
        writable
    }

    /// The symbol, if it is a variable in a writable section.
    fn variable<'a, R: ReadRef<'a>>(
        elf: &ElfFile64<'a, Endianness, R>,
        symbol: &impl ObjectSymbol<'a>,
    ) -> Option<Symbol> {
        let kind = match symbol.kind() {
            SymbolKind::Data => RegionKind::Static,
            SymbolKind::Tls => RegionKind::ThreadLocal,
            _ => return None,
        };
        let section = elf.section_by_index(symbol.section_index()?).ok()?;
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return None };
        if (sh_flags & SHF_WRITE).0 == 0 || symbol.size() == 0 {
            return None;
        }
        let name = rustc_demangle::demangle(symbol.name().ok()?);
        Some(Symbol {
            kind,
            value: usize::try_from(symbol.address()).ok()?,
            len: usize::try_from(symbol.size()).ok()?,
            name: format!("{name:#}"),
        })
    }

    /// What the loader makes read-only once it has filled in addresses: tables, and no variables.
    fn sealed_after_relocation<'a, R: ReadRef<'a>>(
        elf: &ElfFile64<'a, Endianness, R>,
    ) -> Vec<Range<u64>> {
        let endian = elf.endian();
        let headers = elf.elf_program_headers().iter();
        headers
            .filter(|header| header.p_type(endian) == PT_GNU_RELRO)
            .map(|header| {
                let start = header.p_vaddr(endian);
                start..start + header.p_memsz(endian)
            })
            .collect()
    }

    /// Thread-locals have offsets, not addresses: what is sealed is the image they are made from.
    fn is_within(symbol: &Symbol, addresses: &Range<u64>) -> bool {
        symbol.kind == RegionKind::Static && addresses.contains(&(symbol.value as u64))
    }
}
