//! The registered secrets by name: which bytes they have, whether they live, and where.

use std::borrow::Cow;
use std::fmt;

use super::finding::Verdict;
use super::visibility::Visibility;
use crate::distinctive::{
    DISTINCT_FEW, DISTINCT_MIN, looks_like_nothing_else, window_looks_like_nothing_else,
};
use crate::secret_set::SecretSet;

/// The shortest secret that can be registered, and all that is ever sighted at a time.
const WINDOW_LEN: usize = 8;

/// The unit in which a set takes secrets of which any eight bytes are sighted.
const PIECE_LEN: usize = 16;

/// A piece begins at every so many bytes, so that each eight bytes in a row lie within one.
const PIECE_STEP: usize = 8;

/// A registered secret, until the next [`Keysan::clear`](super::Keysan::clear).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretId {
    number: u32,
    /// Which sequence it was registered in.
    sequence: u32,
}

/// Why a secret was not registered. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// It has fewer than 8 bytes.
    TooShort,
    /// Any eight bytes of it look like something that memory holds anyway: fill, counting, few different bytes.
    /// Sightings of them would prove nothing; see
    /// [`looks_like_nothing_else`](crate::looks_like_nothing_else).
    LooksLikeSomethingElse,
    /// The secret of this name has the same bytes, or the same 16 of them, and a sighting would be of either.
    SameAs {
        /// The name of the other one; its own, if the bytes repeat within the secret.
        name: Cow<'static, str>,
    },
    /// There is no room for another secret.
    SetIsFull,
}

/// Why a home was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HomeRefused {
    /// The secret is retired and has no home any more.
    Retired,
    /// No scan looks there: it is in no block that a call through keysan allocated since the last
    /// clear, and in no static that was named. Nothing needs to be allowed there.
    NotLookedInto,
}

/// All secrets of a sequence. A tag of the set is the number of a piece.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    named: Vec<Named>,
    pieces: Vec<Piece>,
    sequence: u32,
}

/// One secret.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: Cow<'static, str>,
    pub(super) len: u32,
    pub(super) visibility: Visibility,
    /// Where eight bytes of it stand again: the offset at which they are sighted, and another of theirs.
    repeats: Vec<(u32, u32)>,
    pub(super) retired: Option<Retired>,
    pub(super) homes: Vec<Home>,
    /// Whether a home was ever declared, so that it may be nowhere else.
    is_confined: bool,
}

/// Since when a secret must be gone.
#[derive(Clone, Debug)]
pub(super) struct Retired {
    /// The call before; 0 if there was none.
    pub(super) after_call: u32,
    pub(super) reason: Cow<'static, str>,
}

/// Where a secret may live. Its address is compared and never read through.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) address: usize,
    /// Where that is, as of the scan under way.
    pub(super) located: Option<Location>,
    /// How many aligned words of the secret the scan has seen in their place.
    seen_words: usize,
    /// The last of them.
    last_seen: Option<u32>,
}

/// A place in memory that a scan can come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Block { number: u32, offset: u32 },
    Static { region: u32, offset: u32 },
}

/// What kind of place a secret was seen in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ground {
    /// Where nothing is kept any more.
    Dead,
    /// Where the code under test may keep it.
    Live(Location),
    /// Where others can read it.
    GivenOut,
}

/// Sixteen bytes of a secret.
#[derive(Debug)]
struct Piece {
    secret: u32,
    offset: u32,
}

impl Secrets {
    pub(super) fn register(
        &mut self,
        set: &mut SecretSet,
        name: Cow<'static, str>,
        secret: &[u8],
    ) -> Result<SecretId, RegisterError> {
        if secret.len() < WINDOW_LEN {
            return Err(RegisterError::TooShort);
        }
        let (set_len, piece_count) = (set.len(), self.pieces.len());
        let number = small(self.named.len());
        let mut registered = self.register_pieces(set, secret, number);
        for distinct_min in [DISTINCT_MIN, DISTINCT_FEW] {
            if let Err(Refused::Common) = registered {
                self.forget_pieces(set, set_len, piece_count);
                registered = self.register_distinctive(set, secret, number, distinct_min);
            }
        }
        let visibility = registered.map_err(|refused| {
            self.forget_pieces(set, set_len, piece_count);
            match refused {
                Refused::Common => RegisterError::LooksLikeSomethingElse,
                Refused::Full => RegisterError::SetIsFull,
                Refused::Same(other) => {
                    let other = self.named.get(other as usize);
                    RegisterError::SameAs { name: other.map_or(name.clone(), |it| it.name.clone()) }
                }
            }
        })?;
        let repeats = self.repeats(set, secret, number);
        self.named.push(Named {
            name,
            len: small(secret.len()),
            visibility: visibility.told_as(secret),
            repeats,
            retired: None,
            homes: Vec::new(),
            is_confined: false,
        });
        Ok(SecretId { number, sequence: self.sequence })
    }

    /// So that any eight bytes of it are sighted.
    fn register_pieces(
        &mut self,
        set: &mut SecretSet,
        secret: &[u8],
        number: u32,
    ) -> Result<Visibility, Refused> {
        let last = secret.len().checked_sub(PIECE_LEN).ok_or(Refused::Common)?;
        for offset in (0..last).step_by(PIECE_STEP).chain([last]) {
            let piece = secret[offset..].first_chunk().expect("a piece begins so far from the end");
            self.register_piece(set, piece, number, offset)?;
        }
        Ok(Visibility::whole(secret.len()))
    }

    /// Of a secret that nobody has drawn so that any eight bytes of it are unlike everything else: those that are.
    fn register_distinctive(
        &mut self,
        set: &mut SecretSet,
        secret: &[u8],
        number: u32,
        distinct_min: u32,
    ) -> Result<Visibility, Refused> {
        let mut visibility = Visibility::none(secret.len(), distinct_min < DISTINCT_MIN);
        // The other secrets that have all of these, too.
        let mut same: Option<Vec<u32>> = None;
        for (offset, window) in secret.windows(WINDOW_LEN).enumerate() {
            let window = window.first_chunk().expect("a window is so long");
            if !window_looks_like_nothing_else(window, distinct_min) {
                continue;
            }
            let mut owners = self.owners(set, window);
            owners.retain(|owner| {
                *owner != number && same.as_ref().is_none_or(|it| it.contains(owner))
            });
            same = Some(owners);
            let is_own =
                |tag: u32| self.pieces.get(tag as usize).is_some_and(|it| it.secret == number);
            let is_new = set.register_window(window, small(self.pieces.len()), is_own);
            // Bytes that repeat are sighted as those that were first.
            if is_new.map_err(|_| Refused::Full)? {
                self.pieces.push(Piece { secret: number, offset: small(offset) });
            }
            visibility.add(offset);
        }
        match same.unwrap_or_default().first() {
            _ if visibility.is_none() => Err(Refused::Common),
            Some(&other) => Err(Refused::Same(other)),
            None => Ok(visibility),
        }
    }

    /// The secrets that have these eight bytes.
    fn owners(&self, set: &SecretSet, window: &[u8; WINDOW_LEN]) -> Vec<u32> {
        let mut owners = Vec::new();
        set.scan_bytes(window, &mut |sighting| {
            owners.extend(self.pieces.get(sighting.tag as usize).map(|piece| piece.secret));
        });
        owners
    }

    /// See [`Named::repeats`].
    fn repeats(&self, set: &SecretSet, secret: &[u8], number: u32) -> Vec<(u32, u32)> {
        let mut repeats = Vec::new();
        set.scan_bytes(secret, &mut |sighting| {
            let Some(piece) = self.pieces.get(sighting.tag as usize) else { return };
            let (first, at) = (piece.offset + u32::from(sighting.window), small(sighting.position));
            if piece.secret == number && first != at {
                repeats.push((first, at));
            }
        });
        repeats
    }

    fn forget_pieces(&mut self, set: &mut SecretSet, set_len: usize, piece_count: usize) {
        set.forget_down_to(set_len);
        self.pieces.truncate(piece_count);
    }

    fn register_piece(
        &mut self,
        set: &mut SecretSet,
        piece: &[u8; PIECE_LEN],
        secret: u32,
        offset: usize,
    ) -> Result<(), Refused> {
        if !looks_like_nothing_else(piece) {
            return Err(Refused::Common);
        }
        let set_len = set.len();
        set.register(piece, small(self.pieces.len())).map_err(|_| Refused::Full)?;
        if set.len() == set_len {
            // The set keeps the tag that the bytes had first, and that is whose they are.
            let mut tag = None;
            set.scan_bytes(piece, &mut |sighting| _ = tag.get_or_insert(sighting.tag));
            let owner = tag.and_then(|tag| self.pieces.get(tag as usize));
            return Err(Refused::Same(owner.map_or(secret, |piece| piece.secret)));
        }
        self.pieces.push(Piece { secret, offset: small(offset) });
        Ok(())
    }

    /// Whose eight bytes these are, and where in the secret they begin.
    pub(super) fn resolve(&self, tag: u32, window: u8) -> (u32, u32) {
        let piece = &self.pieces[tag as usize];
        (piece.secret, piece.offset + u32::from(window))
    }

    pub(super) fn named(&self, secret: u32) -> &Named {
        &self.named[secret as usize]
    }

    /// # Panics
    ///
    /// When the secret was registered before the last clear.
    pub(super) fn named_by(&self, id: SecretId) -> &Named {
        assert_eq!(id.sequence, self.sequence, "a secret is forgotten when keysan is cleared");
        &self.named[id.number as usize]
    }

    /// # Panics
    ///
    /// When the secret was registered before the last clear.
    pub(super) fn named_mut(&mut self, id: SecretId) -> &mut Named {
        assert_eq!(id.sequence, self.sequence, "a secret is forgotten when keysan is cleared");
        &mut self.named[id.number as usize]
    }

    /// Whether a secret may be where a scan has come by it, which also counts for its home.
    pub(super) fn judge(&mut self, secret: u32, first: u32, ground: Ground) -> Option<Verdict> {
        let named = &mut self.named[secret as usize];
        if named.retired.is_some() {
            return Some(Verdict::Retired);
        }
        let at = match ground {
            Ground::Dead => return Some(Verdict::LeftBehind),
            Ground::GivenOut => return Some(Verdict::GivenOut),
            Ground::Live(at) => at,
        };
        let repeated = named.repeats.iter().filter(|(sighted, _)| *sighted == first);
        for first in std::iter::once(first).chain(repeated.map(|(_, again)| *again)) {
            let is_there =
                |home: &&mut Home| home.located.is_some_and(|home| home.plus(first) == at);
            if let Some(home) = named.homes.iter_mut().find(is_there) {
                home.note(first);
                return None;
            }
        }
        named.is_confined.then_some(Verdict::OutsideItsHomes)
    }

    /// Those of which not any eight bytes are sighted.
    pub(super) fn weak(&self) -> impl Iterator<Item = &Named> {
        self.named.iter().filter(|named| !named.visibility.is_whole())
    }

    /// Every home, with the number of its secret.
    pub(super) fn homes(&self) -> impl Iterator<Item = (u32, &Home)> {
        let numbered = (0..).zip(&self.named);
        numbered.flat_map(|(number, named)| named.homes.iter().map(move |home| (number, home)))
    }

    /// Says where every home is, for the scan that follows.
    pub(super) fn locate_homes(&mut self, locate: impl Fn(usize) -> Option<Location>) {
        for home in self.named.iter_mut().flat_map(|named| &mut named.homes) {
            home.located = locate(home.address);
            (home.seen_words, home.last_seen) = (0, None);
        }
    }

    pub(super) fn clear(&mut self) {
        self.named.clear();
        self.pieces.clear();
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// Why a piece was not registered.
enum Refused {
    Common,
    Same(u32),
    Full,
}

impl Named {
    pub(super) fn allow(&mut self, address: usize) {
        self.is_confined = true;
        if !self.homes.iter().any(|home| home.address == address) {
            self.homes.push(Home { address, located: None, seen_words: 0, last_seen: None });
        }
    }

    pub(super) fn disallow(&mut self, address: usize) {
        self.homes.retain(|home| home.address != address);
    }
}

impl Home {
    /// Whether the scan has seen every aligned word of the secret in its place. The bytes before
    /// the first and behind the last of them are not asked for, as not every scan looks there.
    pub(super) fn is_whole(&self, visibility: &Visibility) -> bool {
        let lead = self.address.wrapping_neg() % 8;
        self.seen_words == visibility.aligned_count(lead)
    }

    fn note(&mut self, first: u32) {
        let is_aligned = (self.address + first as usize).is_multiple_of(8);
        // Two pieces may share the window; their sightings follow one another.
        if is_aligned && self.last_seen != Some(first) {
            self.seen_words += 1;
            self.last_seen = Some(first);
        }
    }
}

impl Location {
    fn plus(self, bytes: u32) -> Location {
        match self {
            Location::Block { number, offset } => {
                Location::Block { number, offset: offset + bytes }
            }
            Location::Static { region, offset } => {
                Location::Static { region, offset: offset + bytes }
            }
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a set has room for some thousand secrets")
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::TooShort => {
                f.write_str("a secret needs 8 bytes to be told from chance")
            }
            RegisterError::LooksLikeSomethingElse => f.write_str(
                "any eight bytes of it look like what memory holds anyway, such as zeros or counting; \
                 take another one for the test",
            ),
            RegisterError::SameAs { name } => write!(f, "{name} has the same bytes"),
            RegisterError::SetIsFull => f.write_str("no room for another secret"),
        }
    }
}

impl fmt::Display for HomeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HomeRefused::Retired => "the secret is retired",
            HomeRefused::NotLookedInto => "no scan looks there, so nothing needs to be allowed",
        })
    }
}

impl std::error::Error for RegisterError {}

impl std::error::Error for HomeRefused {}
