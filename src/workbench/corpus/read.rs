//! Reads one file: text or wire, told apart by its name and its first bytes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::sequence::text::HEADER;
use crate::sequence::{
    CALLS_MAX, CallSequence, LOG_CALLS_MAX, ParseError, SequenceText, is_text, wire,
};

use super::error::{CorpusError, FILE_LEN_MAX, LOG_FILE_LEN_MAX};

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// What a file held.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The form it was stored in.
    pub form: Form,
    /// The calls.
    pub sequence: CallSequence,
}

/// The form of a file.
#[derive(Clone, Debug)]
pub enum Form {
    /// Text, with what stands around its calls.
    Text(SequenceText),
    /// Wire, which has nothing but calls.
    Wire,
}

/// Reads the file at `path`, or standard input for `-`.
///
/// # Errors
///
/// When it is not a readable file of sensible size, or is text that is no sequence. Wire never
/// fails: every byte string is a sequence.
pub fn read(path: &Path) -> Result<Stored, CorpusError> {
    parse(path, &read_bytes(path, FILE_LEN_MAX)?)
}

/// The same for a log, which may have more calls than a sequence.
///
/// # Errors
///
/// The same, with the bounds of a log.
pub fn read_log(path: &Path) -> Result<Stored, CorpusError> {
    let bytes = read_bytes(path, LOG_FILE_LEN_MAX)?;
    parse_as(path, &bytes, SequenceText::parse_log, LOG_CALLS_MAX)
}

/// Understands the bytes of a file.
///
/// Text is what begins like text, or is named `.seq`; from standard input also whatever consists
/// of printable text. Everything else is wire.
///
/// # Errors
///
/// When it is text that is no sequence.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Stored, CorpusError> {
    parse_as(path, bytes, SequenceText::parse, CALLS_MAX)
}

/// The same, with text read by `parse_text` and no more than so many calls of wire.
fn parse_as(
    path: &Path,
    bytes: &[u8],
    parse_text: fn(&str) -> Result<SequenceText, ParseError>,
    calls_max: usize,
) -> Result<Stored, CorpusError> {
    let is_named_text = path.extension().is_some_and(|extension| extension == "seq");
    let is_piped_text = path == Path::new(STDIN) && !bytes.is_empty() && is_printable(bytes);
    if is_utf16(bytes, is_named_text) {
        return Err(CorpusError::Utf16 { path: path.to_owned() });
    }
    if !(is_text(bytes) || is_named_text || is_piped_text) {
        let mut sequence = CallSequence::default();
        wire::decode_up_to(calls_max, bytes, &mut sequence);
        return Ok(Stored { form: Form::Wire, sequence });
    }
    let text = str::from_utf8(bytes).map_err(|error| not_text(path, bytes, error.valid_up_to()))?;
    let text =
        parse_text(text).map_err(|source| CorpusError::Parse { path: path.to_owned(), source })?;
    if text.entries.is_empty() {
        return Err(CorpusError::NoCall { path: path.to_owned() });
    }
    Ok(Stored { sequence: text.sequence(), form: Form::Text(text) })
}

/// Whether it is text in two-byte characters: it begins with their mark, and unless its name says that
/// it is text, with the first line of a sequence.
fn is_utf16(bytes: &[u8], is_named_text: bool) -> bool {
    let (first, rest) = match bytes {
        [0xFF, 0xFE, rest @ ..] => (0, rest),
        [0xFE, 0xFF, rest @ ..] => (1, rest),
        _ => return false,
    };
    let mut letters = rest.iter().skip(first).step_by(2);
    is_named_text || HEADER.bytes().all(|letter| letters.next() == Some(&letter))
}

fn is_printable(bytes: &[u8]) -> bool {
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    str::from_utf8(bytes).is_ok_and(|text| !text.contains(is_control))
}

fn not_text(path: &Path, bytes: &[u8], valid_up_to: usize) -> CorpusError {
    let (before, rest) = bytes.split_at(valid_up_to.min(bytes.len()));
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    CorpusError::NotText {
        path: path.to_owned(),
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        column: 1 + String::from_utf8_lossy(&before[line_start..]).chars().count(),
        byte: rest.first().copied().unwrap_or(0),
    }
}

/// The bytes of a file that has no more than `len_max`.
fn read_bytes(path: &Path, len_max: u64) -> Result<Vec<u8>, CorpusError> {
    let cannot = |source| CorpusError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path == Path::new(STDIN) {
        io::stdin().lock().take(len_max + 1).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        // Looked at before it is opened: opening a pipe would wait for somebody to write.
        let metadata = fs::metadata(path).map_err(cannot)?;
        if let Some(kind) = odd_kind(&metadata) {
            return Err(CorpusError::NotAFile { path: path.to_owned(), kind });
        }
        if metadata.len() > len_max {
            return Err(CorpusError::TooLong { path: path.to_owned(), len_max });
        }
        let file = File::open(path).map_err(cannot)?;
        file.take(len_max + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() as u64 > len_max {
        return Err(CorpusError::TooLong { path: path.to_owned(), len_max });
    }
    Ok(bytes)
}

/// What a path is if it is not a file.
fn odd_kind(metadata: &Metadata) -> Option<&'static str> {
    match metadata.file_type() {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a directory"),
        _ => Some("a pipe, a socket or a device"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_and_column(bytes: &[u8]) -> String {
        parse(Path::new("x.seq"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn bytes_that_are_not_text_are_placed_by_line_and_column() {
        assert_eq!(line_and_column(b"\xFF"), "x.seq:1:1: byte 0xff is not UTF-8 text");
        assert_eq!(
            line_and_column("create-device\n# é\u{1F600}".as_bytes().split_last().unwrap().1),
            "x.seq:2:4: byte 0xf0 is not UTF-8 text"
        );
    }

    #[test]
    fn the_name_or_the_first_bytes_make_it_text_and_nothing_else_does() {
        let plain = b"create-device\n";
        let form = |name: &str, bytes: &[u8]| {
            matches!(parse(Path::new(name), bytes).unwrap().form, Form::Text(_))
        };
        assert!(form("a.seq", plain));
        assert!(form("-", plain));
        assert!(!form("a", plain));
        assert!(form("a", b"# rekeylab sequence 1\ncreate-device\n"));
        assert!(!form("-", b"\x01\x00\x00"));
    }

    #[test]
    fn a_text_without_a_call_is_refused_because_it_would_hold_for_ever() {
        for text in ["", "\n\n", "# rekeylab sequence 1\n"] {
            let error = parse(Path::new("x.seq"), text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "x.seq:1:1: the text holds no call");
        }
    }
}
