//! A line as words and signs, with the place of each.

use winnow::LocatingSlice;
use winnow::Parser;
use winnow::combinator::{alt, not, preceded, repeat};
use winnow::error::EmptyError;
use winnow::token::{rest, take_while};

use super::error::ParseError;

/// What a line consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    /// Anything between blanks and signs.
    Word(&'a str),
    /// `=`
    Equals,
    /// `->`
    Arrow,
    /// `#` and what follows it.
    Comment(&'a str),
}

/// One line on its way through the parser.
#[derive(Debug)]
pub(super) struct Line<'a> {
    text: &'a str,
    number: usize,
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
}

impl<'a> Line<'a> {
    /// A reader without a line.
    pub(super) fn empty() -> Self {
        Self { text: "", number: 0, tokens: Vec::new(), at: 0 }
    }

    /// Goes on to the next line.
    pub(super) fn read(&mut self, text: &'a str, number: usize) {
        let mut input = LocatingSlice::new(text);
        self.tokens.clear();
        while let Ok((token, span)) = token(&mut input) {
            self.tokens.push((token, span.start));
        }
        (self.text, self.number, self.at) = (text, number, 0);
    }

    /// The next token.
    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.peek_after(0)
    }

    /// The token behind `skipped` others.
    pub(super) fn peek_after(&self, skipped: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + skipped).map(|&(token, _)| token)
    }

    /// Goes past the next token.
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Takes the next token if it is this one.
    pub(super) fn take(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    /// Takes the next word and makes something of it.
    pub(super) fn word<T>(
        &mut self,
        expected: impl FnOnce() -> String,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ParseError> {
        if let Some(Token::Word(word)) = self.peek()
            && let Some(value) = read(word)
        {
            self.at += 1;
            return Ok(value);
        }
        Err(self.error(expected()))
    }

    /// The next token is not what could stand there.
    pub(super) fn error(&self, expected: impl Into<String>) -> ParseError {
        let (found, start) = match self.tokens.get(self.at) {
            Some(&(Token::Word(word), start)) => (word, start),
            Some(&(Token::Equals, start)) => ("=", start),
            Some(&(Token::Arrow, start)) => ("->", start),
            Some(&(Token::Comment(_), start)) => (&self.text[start..], start),
            None => ("", self.text.trim_end().len()),
        };
        let column = self.text[..start].chars().count() + 1;
        ParseError::unexpected((self.number, column), expected, found)
    }
}

/// The next token and where it stands. Fails at the end of the line only.
fn token<'a>(
    input: &mut LocatingSlice<&'a str>,
) -> Result<(Token<'a>, std::ops::Range<usize>), EmptyError> {
    let word = repeat::<_, _, (), _, _>(1.., (not("->"), take_while(1, is_in_word))).take();
    preceded(
        take_while(0.., char::is_whitespace),
        alt((
            "->".value(Token::Arrow),
            '='.value(Token::Equals),
            preceded('#', rest).map(Token::Comment),
            word.map(Token::Word),
        ))
        .with_span(),
    )
    .parse_next(input)
}

fn is_in_word(c: char) -> bool {
    !c.is_whitespace() && c != '=' && c != '#'
}
