//! How much of a secret can be sighted: all of it, unless it was not drawn for that.

use std::fmt;

/// How much of a secret is found where it stands.
///
/// Sighted are eight bytes in a row that are unlike everything else. Of a key that was drawn at random these are any
/// eight of its bytes. A token in hex, a password or a very long key has some that memory holds anyway, or that
/// chance brings: these are passed over, and what consists of them alone goes unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// The bytes of the secret.
    len: usize,
    /// How many of its runs of eight bytes are sighted.
    window_count: usize,
    /// Of these, how many begin at each offset modulo 8.
    by_alignment: [usize; 8],
    /// The most that follow one another.
    unseen_max: usize,
    /// Where the first begins, once there is one.
    first: Option<usize>,
    /// Where the next one begins.
    next: usize,
    /// Whether they have few different bytes.
    is_common: bool,
    /// The fewest bytes together that are told.
    told_len: usize,
}

/// A secret with fewer bytes may well be a word that something else has, too.
const SHORT: usize = 16;

impl Visibility {
    /// Of a secret of which any eight bytes are sighted.
    pub(super) fn whole(len: usize) -> Visibility {
        let window_count = len - 7;
        let by_alignment = std::array::from_fn(|lead| (len - lead) / 8);
        Visibility {
            len,
            window_count,
            by_alignment,
            unseen_max: 0,
            first: Some(0),
            next: window_count,
            is_common: false,
            told_len: 8,
        }
    }

    /// Of this secret, whose bytes may be few different ones.
    pub(super) fn told_as(mut self, secret: &[u8]) -> Visibility {
        // Of a short one all that can be seen has to do.
        let seen_len = self.next + 7 - self.first.unwrap_or(self.next);
        self.told_len = told_len(secret).min(seen_len).max(8);
        self
    }

    /// Of one of which none are yet; if `is_common`, those that are added have few different bytes.
    pub(super) fn none(len: usize, is_common: bool) -> Visibility {
        Visibility {
            len,
            window_count: 0,
            by_alignment: [0; 8],
            unseen_max: 0,
            first: None,
            next: 0,
            is_common,
            told_len: 8,
        }
    }

    /// The eight bytes from `offset` on are sighted. Called in order of the offsets.
    pub(super) fn add(&mut self, offset: usize) {
        self.by_alignment[offset % 8] += 1;
        self.window_count += 1;
        self.unseen_max = self.unseen_max.max(offset - self.next);
        self.first.get_or_insert(offset);
        self.next = offset + 1;
    }

    /// The fewest bytes together that are told: 8, and more of a secret that is written in few different ones. Eight digits
    /// of hex are as much as four bytes, and a text of such digits has any four bytes by chance once in a while.
    #[must_use]
    pub fn told_len(&self) -> usize {
        self.told_len
    }

    pub(super) fn is_none(&self) -> bool {
        self.window_count == 0
    }

    /// How many words are sighted of a copy whose first aligned one begins at this byte of the secret.
    pub(super) fn aligned_count(&self, lead: usize) -> usize {
        self.by_alignment[lead % 8]
    }

    /// Whether any eight bytes of it are found where every byte is looked at, and there are enough of them that nothing
    /// else looks like it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unseen_len() == 7 && self.len >= SHORT && !self.is_common && self.told_len == 8
    }

    /// The longest part of it, in bytes, that goes unseen in statics, outputs and texts: 7 if any eight bytes are found.
    /// On the heap and on the stack, where words are looked at, up to seven more may go unseen.
    #[must_use]
    pub fn unseen_len(&self) -> usize {
        self.unseen_max.max(self.len - 7 - self.next) + 7
    }

    /// At how many of the eight alignments a whole copy is found in the heap and on the stack, where only aligned
    /// words are looked at. In statics, outputs and texts it is found at each.
    #[must_use]
    pub fn alignment_count(&self) -> usize {
        self.by_alignment.iter().filter(|count| **count > 0).count()
    }
}

/// How unlikely it has to be that chance brings what is told: one in two to this power.
const TOLD_BITS: f64 = 60.0;

/// How many bytes of a secret chance brings as seldom as that in a text that is written as the secret is.
fn told_len(secret: &[u8]) -> usize {
    let is_in = |alphabet: fn(&u8) -> bool| secret.iter().all(alphabet);
    let letters: u32 = if is_in(u8::is_ascii_digit) {
        10
    } else if is_in(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(it))
        || is_in(|it| it.is_ascii_digit() || (b'A'..=b'F').contains(it))
    {
        16
    } else if is_in(|it| it.is_ascii_digit() || it.is_ascii_lowercase())
        || is_in(|it| it.is_ascii_digit() || it.is_ascii_uppercase())
    {
        36
    } else if is_in(u8::is_ascii_graphic) {
        94
    } else {
        256
    };
    let needed = (8..).find(|len| f64::from(*len) * f64::from(letters).log2() >= TOLD_BITS);
    needed.map_or(8, |len: u32| len as usize)
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return f.write_str(
                "any eight bytes of it are found, and any fifteen where words are looked at",
            );
        }
        let (found, all) = (self.window_count, self.len - 7);
        write!(f, "{found} of its {all} runs of eight bytes are found")?;
        if self.unseen_len() > 7 {
            write!(f, ", and a part of up to {} bytes is not", self.unseen_len())?;
        }
        if self.alignment_count() < 8 {
            let count = self.alignment_count();
            write!(
                f,
                "; in the heap and on the stack, a copy is found at {count} of 8 alignments"
            )?;
        }
        if self.told_len > 8 {
            write!(f, "; told are {} bytes together or more", self.told_len)?;
        }
        if self.len < SHORT || self.is_common {
            let why = if self.is_common { "has few different bytes" } else { "is short" };
            write!(f, "; it {why}, and something else may look like it")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_is_told() {
        let expected = "any eight bytes of it are found, and any fifteen where words are looked at";
        assert_eq!(Visibility::whole(32).to_string(), expected);
        let mut some = Visibility::none(32, false);
        for offset in [0, 1, 2, 3, 4, 5, 6, 7, 20] {
            some.add(offset);
        }
        assert_eq!((some.unseen_len(), some.alignment_count()), (19, 8));
        assert_eq!(
            some.to_string(),
            "9 of its 25 runs of eight bytes are found, and a part of up to 19 bytes is not"
        );
        let mut short = Visibility::none(9, false);
        short.add(0);
        short.add(1);
        assert!(!short.is_whole());
        assert_eq!(
            short.to_string(),
            "2 of its 2 runs of eight bytes are found; in the heap and on the stack, a copy is found at 2 of 8 \
             alignments; it is short, and something else may look like it"
        );
    }

    #[test]
    fn a_whole_one_counts_as_if_each_run_had_been_added() {
        for len in 16..80 {
            let mut added = Visibility::none(len, false);
            (0..=len - 8).for_each(|offset| added.add(offset));
            assert_eq!(added, Visibility::whole(len));
        }
    }
}
