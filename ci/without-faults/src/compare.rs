//! Compares the machine code of two compilations of one package, function by function.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::fs;
use std::ops::Range;
use std::path::Path;

use object::read::archive::ArchiveFile;
use object::{
    File, Object, ObjectSection, ObjectSymbol, RelocationTarget, Section, SectionKind, SymbolKind,
};

/// Says how much is the same, or what is not.
pub(crate) fn compare(
    name: &str,
    one: &Path,
    other: &Path,
) -> Result<Result<String, String>, Box<dyn Error>> {
    let (one, other) = (Code::read(one)?, Code::read(other)?);
    let names = one.pieces.keys().chain(other.pieces.keys());
    for piece in names {
        let difference = match (one.pieces.get(piece), other.pieces.get(piece)) {
            (Some(one), Some(other)) if one == other => continue,
            (Some(one), Some(other)) => first_difference(one, other),
            (Some(_), None) => "only the first has it".to_owned(),
            _ => "only the second has it".to_owned(),
        };
        return Ok(Err(format!("{name}: {piece} differs: {difference}")));
    }
    if one.function_count == 0 {
        return Err(format!("{name}: no function to compare").into());
    }
    let (count, len) = (one.function_count, spaced(one.code_len));
    Ok(Ok(format!("{name}: {count} functions, {len} bytes of code, identical")))
}

/// What of a package is loaded into memory when it runs.
struct Code {
    /// Functions and data by name, each written out as text with everything it refers to.
    pieces: BTreeMap<Piece, String>,
    function_count: usize,
    code_len: u64,
}

/// The name of what is compared on its own; functions come first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Function(String),
    Section(String),
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => write!(f, "{:#}", rustc_demangle::demangle(name)),
            Self::Section(name) => f.write_str(name),
        }
    }
}

impl Code {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let archive = ArchiveFile::parse(&*bytes)?;
        let mut code = Self { pieces: BTreeMap::new(), function_count: 0, code_len: 0 };
        for member in archive.members() {
            let member = member?;
            // What the compiler tells itself, not what it made.
            if member.name() != b"lib.rmeta" {
                code.add(&File::parse(member.data(&*bytes)?)?)?;
            }
        }
        Ok(code)
    }

    fn add(&mut self, file: &File<'_>) -> Result<(), Box<dyn Error>> {
        for section in file.sections() {
            let name = plain(section.name()?);
            match section.kind() {
                SectionKind::Text => self.add_functions(file, &section)?,
                SectionKind::Data
                | SectionKind::ReadOnlyData
                | SectionKind::ReadOnlyDataWithRel
                | SectionKind::ReadOnlyString
                | SectionKind::UninitializedData
                | SectionKind::Tls
                | SectionKind::UninitializedTls
                    if !is_private(&name) =>
                {
                    let text = describe(file, &section, 0..section.size(), 0)?;
                    self.add_piece(Piece::Section(name), &text);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_functions(
        &mut self,
        file: &File<'_>,
        section: &Section<'_, '_>,
    ) -> Result<(), Box<dyn Error>> {
        let mut starts = BTreeMap::new();
        for symbol in file.symbols() {
            if symbol.section_index() == Some(section.index()) && symbol.kind() == SymbolKind::Text
            {
                starts.insert(symbol.address() - section.address(), plain(symbol.name()?));
            }
        }
        if section.size() > 0 {
            starts.entry(0).or_insert_with(|| "code without a name".to_owned());
        }
        // A function reaches to the next one: not every format says how long it is.
        let ends: Vec<u64> = starts.keys().copied().skip(1).chain([section.size()]).collect();
        for ((start, name), end) in starts.into_iter().zip(ends) {
            self.function_count += 1;
            self.code_len += end - start;
            let text = describe(file, section, start..end, 0)?;
            self.add_piece(Piece::Function(name), &text);
        }
        Ok(())
    }

    /// Adds a piece; several packages may have private ones of the same name.
    fn add_piece(&mut self, piece: Piece, text: &str) {
        let texts = self.pieces.entry(piece).or_default();
        texts.push_str(text);
        texts.push('\n');
    }
}

/// How far private data is followed that refers to more of its kind.
const DEPTH_MAX: usize = 8;

/// Writes out part of a section: its bytes, then a line for each reference that is put into them when
/// it is linked.
fn describe(
    file: &File<'_>,
    section: &Section<'_, '_>,
    range: Range<u64>,
    depth: usize,
) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let bytes = section.data_range(range.start + section.address(), range.end - range.start)?;
    for byte in bytes.unwrap_or_default() {
        write!(text, "{byte:02x}")?;
    }
    for (offset, relocation) in section.relocations() {
        if range.contains(&offset) {
            let (at, addend, kind) =
                (offset - range.start, relocation.addend(), relocation.flags());
            let target = describe_target(file, relocation.target(), depth)?;
            write!(text, "\n{at:#x} {target} {addend:+} {kind:?}")?;
        }
    }
    Ok(text)
}

/// What a reference leads to: the name of what has one, the contents of what has only a number.
fn describe_target(
    file: &File<'_>,
    target: RelocationTarget,
    depth: usize,
) -> Result<String, Box<dyn Error>> {
    let index = match target {
        RelocationTarget::Symbol(index) => {
            let symbol = file.symbol_by_index(index)?;
            match (symbol.kind(), symbol.section_index()) {
                (SymbolKind::Section, Some(index)) => index,
                _ => return Ok(plain(symbol.name()?)),
            }
        }
        RelocationTarget::Section(index) => index,
        other => return Ok(format!("{other:?}")),
    };
    let section = file.section_by_index(index)?;
    let name = plain(section.name()?);
    if depth < DEPTH_MAX && is_private(&name) {
        let contents = describe(file, &section, 0..section.size(), depth + 1)?;
        return Ok(format!("{{{}}}", contents.replace('\n', ";")));
    }
    Ok(name)
}

/// A name without the number of its compilation, which link-time optimisation adds to what was
/// private before. The number is a hash of everything, debug information included.
fn plain(name: &str) -> String {
    let mut parts = name.split(".llvm.");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Whether a section is data with a number for a name, which another order gives to other data.
fn is_private(section: &str) -> bool {
    section.contains("..L")
}

/// Where two descriptions part.
fn first_difference(one: &str, other: &str) -> String {
    for (one, other) in one.lines().zip(other.lines()) {
        if one == other {
            continue;
        }
        if let Some((at, _)) = one.split_once(' ') {
            return format!("the reference at {at} leads elsewhere");
        }
        let at = one.bytes().zip(other.bytes()).position(|(one, other)| one != other);
        let at = at.unwrap_or(one.len().min(other.len())) / 2;
        return format!("{} and {} bytes, first at {at:#x}", one.len() / 2, other.len() / 2);
    }
    "one of them refers to more".to_owned()
}

/// A number in groups of three.
fn spaced(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
