//! Writes the text form.

use std::fmt::{self, Display, Formatter, Write};

use rekeylab_ddi::Hresult;

use super::{HEADER, Remark, SequenceText, VERSION};
use crate::sequence::argument::Values;
use crate::sequence::call::Call;
use crate::sequence::slot::{SessionRef, Slot, SlotKind};
use crate::sequence::words::HandleForm;

/// Where the arrows stand unless a call is longer.
const ARROW_COLUMN: usize = 40;

/// Always in the newest version, with the results named in the order of their creation.
impl Display for SequenceText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // All calls first, one after the other, because the longest decides where arrows stand.
        let mut text = String::new();
        let mut ends = Vec::with_capacity(self.entries.len());
        let (mut device_count, mut session_count) = (0, 0);
        let mut column = ARROW_COLUMN;
        for entry in &self.entries {
            let start = text.len();
            match entry.call.kind().descriptor().does.creates {
                Some(SlotKind::Device) => {
                    write!(text, "d{device_count} = ")?;
                    device_count += 1;
                }
                Some(SlotKind::Session) => {
                    write!(text, "s{session_count} = ")?;
                    session_count += 1;
                }
                None => {}
            }
            write!(text, "{}", entry.call)?;
            ends.push(text.len());
            if entry.expected.is_some() {
                column = column.max(text.len() - start + 1);
            }
        }

        writeln!(f, "{HEADER} {VERSION}")?;
        let mut remarks = self.remarks.iter().peekable();
        let mut start = 0;
        for (index, (entry, end)) in self.entries.iter().zip(ends).enumerate() {
            while let Some(remark) = remarks.next_if(|remark| remark.before <= index) {
                write_remark(f, remark)?;
            }
            let call = &text[start..end];
            start = end;
            match entry.expected {
                Some(Hresult::S_OK) => write!(f, "{call:column$}-> ok")?,
                Some(code) => write!(f, "{call:column$}-> {code}")?,
                None => f.write_str(call)?,
            }
            if let Some(comment) = &entry.comment {
                f.write_str("  #")?;
                write_comment(f, &format!(" {}", comment.trim()))?;
            }
            f.write_char('\n')?;
        }
        remarks.try_for_each(|remark| write_remark(f, remark))
    }
}

/// The call as it stands on its line, without the name of its result.
impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().word())?;
        if let Some(SessionRef { slot: Slot(slot), .. }) = self.session() {
            write!(f, " s{slot}")?;
        }
        if let Some(Slot(device)) = self.device() {
            write!(f, " d{device}")?;
        }
        let plain = self.kind().plain();
        for (index, (argument, value)) in self.arguments().enumerate() {
            match argument.values {
                // Already written, first of all.
                Values::Device | Values::Session => continue,
                Values::Word(_)
                    if !argument.key.is_empty() && plain.value(index) == Some(value) =>
                {
                    continue;
                }
                _ => f.write_char(' ')?,
            }
            if !argument.key.is_empty() {
                write!(f, "{}=", argument.key)?;
            }
            match argument.values {
                Values::Long(_) => write_long(f, value)?,
                Values::Word(words) => {
                    let word = usize::try_from(value).ok().and_then(|value| words.get(value));
                    f.write_str(word.unwrap_or(&"?"))?;
                }
                _ => write!(f, "{value}")?,
            }
        }
        let Some(SessionRef { slot: _, via, handle }) = self.session() else { return Ok(()) };
        if let Some(Slot(via)) = via {
            write!(f, " via=d{via}")?;
        }
        if handle == HandleForm::Given { Ok(()) } else { write!(f, " handle={}", handle.word()) }
    }
}

/// Decimal while that is readable.
fn write_long(f: &mut Formatter<'_>, number: u64) -> fmt::Result {
    if number > 1 << 32 { write!(f, "{number:#x}") } else { write!(f, "{number}") }
}

fn write_remark(f: &mut Formatter<'_>, remark: &Remark) -> fmt::Result {
    if let Some(comment) = &remark.comment {
        f.write_char('#')?;
        write_comment(f, comment)?;
    }
    f.write_char('\n')
}

/// A comment is one line, whatever it was made from.
fn write_comment(f: &mut Formatter<'_>, comment: &str) -> fmt::Result {
    for piece in comment.trim_end().split_inclusive(['\n', '\r']) {
        match piece.strip_suffix(['\n', '\r']) {
            Some(line) => write!(f, "{line} ")?,
            None => f.write_str(piece)?,
        }
    }
    Ok(())
}
