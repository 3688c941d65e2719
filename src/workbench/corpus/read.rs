//! Reads one file: text or wire, told apart by its name and its first bytes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::sequence::{CallSequence, SequenceText, is_text};

use super::error::{CorpusError, FILE_LEN_MAX};

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
    parse(path, &read_bytes(path)?)
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
    let is_named_text = path.extension().is_some_and(|extension| extension == "seq");
    let is_piped_text = path == Path::new(STDIN) && !bytes.is_empty() && is_printable(bytes);
    if !(is_text(bytes) || is_named_text || is_piped_text) {
        return Ok(Stored { form: Form::Wire, sequence: CallSequence::from_bytes(bytes) });
    }
    let text = str::from_utf8(bytes).map_err(|error| not_text(path, bytes, error.valid_up_to()))?;
    let text = SequenceText::parse(text)
        .map_err(|source| CorpusError::Parse { path: path.to_owned(), source })?;
    if text.entries.is_empty() {
        return Err(CorpusError::NoCall { path: path.to_owned() });
    }
    Ok(Stored { sequence: text.sequence(), form: Form::Text(text) })
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

fn read_bytes(path: &Path) -> Result<Vec<u8>, CorpusError> {
    let cannot = |source| CorpusError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path == Path::new(STDIN) {
        io::stdin().lock().take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        // Looked at before it is opened: opening a pipe would wait for somebody to write.
        let metadata = fs::metadata(path).map_err(cannot)?;
        if let Some(kind) = odd_kind(&metadata) {
            return Err(CorpusError::NotAFile { path: path.to_owned(), kind });
        }
        if metadata.len() > FILE_LEN_MAX {
            return Err(CorpusError::TooLong { path: path.to_owned() });
        }
        let file = File::open(path).map_err(cannot)?;
        file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(CorpusError::TooLong { path: path.to_owned() });
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
