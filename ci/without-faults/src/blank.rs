//! Takes pieces out of a source file and leaves every other character where it is.

use std::ops::Range;

/// A source file and what is to go from it.
#[derive(Debug)]
pub(crate) struct Blanks<'a> {
    text: &'a str,
    gone: Vec<(Range<usize>, &'static str)>,
}

impl<'a> Blanks<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, gone: Vec::new() }
    }

    /// Turns a range of bytes into spaces. Line feeds stay, so that lines and columns do.
    pub(crate) fn blank(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    /// Turns a range of bytes into something shorter and spaces.
    pub(crate) fn replace(&mut self, range: Range<usize>, by: &'static str) {
        assert!(by.len() <= range.len(), "`{by}` does not fit at {range:?}");
        self.gone.push((range, by));
    }

    /// Turns a range into spaces, and the comma that follows it, if one does.
    pub(crate) fn blank_with_comma(&mut self, range: Range<usize>) {
        let rest = &self.text[range.end..];
        let comma =
            rest.find(|c: char| !c.is_whitespace()).filter(|&at| rest[at..].starts_with(','));
        self.blank(range.start..comma.map_or(range.end, |at| range.end + at + 1));
    }

    /// The file as it is without them.
    pub(crate) fn finish(mut self) -> String {
        // What is inside of something larger that goes, goes with it.
        self.gone.sort_by_key(|(range, _)| range.len());
        let mut bytes = self.text.as_bytes().to_vec();
        for (range, by) in self.gone {
            for byte in &mut bytes[range.clone()] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            bytes[range.start..][..by.len()].copy_from_slice(by.as_bytes());
        }
        String::from_utf8(bytes).expect("whole tokens were replaced by spaces")
    }
}
