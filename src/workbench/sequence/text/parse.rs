//! Reads the text form.

use rekeylab_ddi::Hresult;

use super::arguments::{arguments, number};
use super::error::{ParseError, ParseErrorKind};
use super::line::{Line, Token};
use super::names::{Names, is_name};
use super::{Entry, HEADER, Remark, SequenceText, VERSION};
use crate::sequence::call::CallKind;
use crate::sequence::call::RESERVED;

/// See [`SequenceText::parse`]. No more than so many calls and bytes are read.
pub(super) fn parse(
    text: &str,
    calls_max: usize,
    len_max: usize,
) -> Result<SequenceText, ParseError> {
    if text.len() > len_max {
        let expected = format!("a text of at most {len_max} bytes");
        let error = ParseError::unexpected((1, 1), expected, &format!("{} bytes", text.len()));
        return Err(error.with_kind(ParseErrorKind::TooLong));
    }
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut parsed = SequenceText { version: 1, entries: Vec::new(), remarks: Vec::new() };
    let mut names = Names::default();
    let mut line = Line::empty();
    for (index, line_text) in text.lines().enumerate() {
        if index == 0
            && let Some(version) = version(line_text)?
        {
            parsed.version = version;
            continue;
        }
        line.read(line_text, index + 1);
        let before = parsed.entries.len();
        match line.peek() {
            None => parsed.remarks.push(Remark { before, comment: None }),
            Some(Token::Comment(comment)) => {
                let comment = Some(comment.trim_end().to_owned());
                parsed.remarks.push(Remark { before, comment });
            }
            Some(_) if before == calls_max => {
                let error = line.error(format!("at most {calls_max} calls"));
                let found = "one more".to_owned();
                return Err(ParseError { found, kind: ParseErrorKind::TooLong, ..error });
            }
            Some(_) => parsed.entries.push(entry(&mut line, index + 1, &mut names)?),
        }
    }
    Ok(parsed)
}

/// The number in the version line, or `None` if this is another line.
fn version(text: &str) -> Result<Option<u32>, ParseError> {
    let Some(rest) = text.strip_prefix(HEADER) else { return Ok(None) };
    if rest.starts_with(|c: char| !c.is_whitespace()) {
        return Ok(None);
    }
    let number = rest.trim();
    match number.parse() {
        Ok(version @ 1..=VERSION) => Ok(Some(version)),
        _ => {
            let blanks = rest.chars().take_while(|c| c.is_whitespace()).count();
            let blanks = if number.is_empty() { 0 } else { blanks };
            let column = HEADER.len() + blanks + 1;
            let expected = format!("a version that this build reads (up to {VERSION})");
            let error = ParseError::unexpected((1, column), expected, number);
            Err(error.with_kind(ParseErrorKind::Version))
        }
    }
}

/// `[name =] call arguments [-> code] [# comment]`
fn entry<'a>(
    line: &mut Line<'a>,
    number: usize,
    names: &mut Names<'a>,
) -> Result<Entry, ParseError> {
    let name = match (line.peek(), line.peek_after(1)) {
        (Some(Token::Word(_)), Some(Token::Equals)) => {
            let name =
                line.word(|| "a name such as s0".into(), |word| is_name(word).then_some(word))?;
            line.advance();
            Some(name)
        }
        _ => None,
    };
    let kind = kind(line, name.is_some())?;
    let call = arguments(line, kind, names)?;
    let expected = if line.take(Token::Arrow) {
        let expected = || "ok, the name of a return code, or its number".into();
        let code = line.word(expected, code);
        Some(code.map_err(|error| error.with_kind(ParseErrorKind::Code))?)
    } else {
        None
    };
    let comment = match line.peek() {
        None => None,
        Some(Token::Comment(comment)) => Some(comment.trim().to_owned()),
        Some(_) if expected.is_some() => return Err(line.error("the end of the line")),
        Some(_) => return Err(line.error("an argument, \"->\" or the end of the line")),
    };
    names.created(kind, name);
    Ok(Entry { call, expected, comment, line: number })
}

/// The word of a call; of one that creates, if a name waits for the result.
fn kind(line: &mut Line<'_>, is_named: bool) -> Result<CallKind, ParseError> {
    if let Some(Token::Word(word)) = line.peek()
        && RESERVED.iter().any(|&(_, reserved)| reserved == word)
    {
        return Err(line
            .error("a call that this version runs")
            .with_kind(ParseErrorKind::Reserved));
    }
    let creates = |kind| matches!(kind, CallKind::CreateDevice | CallKind::CreateSession);
    let expected = || {
        if is_named { "create-device or create-session" } else { "a call such as create-device" }
            .to_owned()
    };
    line.word(expected, |word| {
        let mut kinds = CallKind::ALL.iter().copied();
        kinds.find(|kind| kind.word() == word && (!is_named || creates(*kind)))
    })
}

fn code(word: &str) -> Option<Hresult> {
    if word.eq_ignore_ascii_case("ok") {
        return Some(Hresult::S_OK);
    }
    Hresult::from_name(word).or_else(|| u32::try_from(number(word)?).ok().map(Hresult))
}
