//! Gathers sightings into findings: one for each copy of a secret, however often it is seen.

use std::borrow::Cow;

use super::finding::{Finding, Moment, Place, Verdict, Why};
use super::layer::Layer;
use super::secrets::Secrets;
use crate::gate::{LeftoverPlace, Register};
use crate::heap::Block;
use crate::statics::Statics;
use crate::text::Encoding;

/// Findings that are kept; more of them tell nothing that these do not.
const FINDINGS_MAX: usize = 256;

/// What was found since the last clear.
#[derive(Debug, Default)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    /// The secret and the place of each of those, to know them again by.
    copies: Vec<(u32, Spot)>,
    /// How many calls there had been when each was first seen.
    #[cfg(feature = "trace")]
    calls: Vec<u32>,
    /// What chance may have brought, until it is long enough to be told.
    pending: Vec<Pending>,
    unlisted: u64,
    /// Layers of which nothing is listed.
    left_out: Vec<Layer>,
}

/// A copy of which too little was seen so far.
#[derive(Debug)]
struct Pending {
    secret: u32,
    spot: Spot,
    #[cfg_attr(not(feature = "trace"), expect(dead_code, reason = "only who traces asks for it"))]
    call: u32,
    finding: Finding,
}

/// A sighting that should not be: whose bytes, from which on, where, and why not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighted<'a> {
    pub(super) secret: u32,
    /// Where in the secret the eight bytes begin.
    pub(super) first: u32,
    pub(super) spot: Spot,
    pub(super) verdict: Verdict,
    /// The caller's name of what was passed or asked for.
    pub(super) look: Option<&'a str>,
}

/// A place, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Heap { block: Block, offset: u32 },
    FreedBlock { free: u64, call: u32, offset: u32, len: u32 },
    Stack { depth: u32 },
    Register { register: Register, offset: u8 },
    Static { region: u32, offset: u32 },
    Output { offset: u32 },
    Text { line: u32, encoding: Encoding },
}

/// What gives names to numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) calls: &'a [Cow<'static, str>],
    pub(super) statics: Option<&'a Statics>,
}

impl Findings {
    /// Lists what was sighted, unless it is listed already.
    #[cold]
    pub(super) fn note(&mut self, sighted: Sighted<'_>, secrets: &Secrets, names: Names<'_>) {
        let Sighted { secret, first, spot, verdict, look } = sighted;
        if self.left_out.contains(&spot.layer()) {
            return;
        }
        let last = match verdict {
            Verdict::NotAtHome => secrets.named(secret).len - 1,
            _ => first + 7,
        };
        let now = names.call(names.last_call());
        let is_known = |owner: u32, known: Spot, finding: &Finding| {
            owner == secret
                && known.is_same_copy(*finding.bytes.start(), spot, first)
                && finding.place.name().is_none_or(|name| Some(name) == look)
                && (finding.why == Why::NotAtHome) == (verdict == Verdict::NotAtHome)
                && (!spot.is_painted_over() || finding.is_as_of(&now, verdict))
        };
        let extend = |known: &mut Spot, finding: &mut Finding| {
            let (start, end) = (*finding.bytes.start(), *finding.bytes.end());
            if first < start {
                // The place is that of the first byte.
                *known = spot;
                finding.place = names.place(spot, look);
            }
            finding.bytes = start.min(first)..=end.max(last);
        };
        let both = self.copies.iter_mut().zip(&mut self.listed);
        if let Some(((_, known), finding)) =
            { both }.find(|((owner, known), finding)| is_known(*owner, *known, finding))
        {
            extend(known, finding);
            return;
        }
        let told_len = secrets.named(secret).visibility.told_len();
        let is_told = |finding: &Finding| {
            (finding.bytes.end() - finding.bytes.start()) as usize + 1 >= told_len
        };
        if let Some(index) =
            self.pending.iter().position(|it| is_known(it.secret, it.spot, &it.finding))
        {
            let pending = &mut self.pending[index];
            extend(&mut pending.spot, &mut pending.finding);
            if is_told(&pending.finding) {
                let pending = self.pending.swap_remove(index);
                self.list(pending);
            }
            return;
        }
        if self.listed.len().max(self.pending.len()) == FINDINGS_MAX {
            self.unlisted += 1;
            return;
        }
        let named = secrets.named(secret);
        let why = match (verdict, &named.retired) {
            (Verdict::Retired, Some(retired)) => Why::Retired {
                after: names.call(retired.after_call),
                reason: retired.reason.clone(),
            },
            (Verdict::GivenOut, _) => Why::GivenOut,
            (Verdict::OutsideItsHomes, _) => Why::OutsideItsHomes,
            (Verdict::NotAtHome, _) => Why::NotAtHome,
            (Verdict::LeftBehind | Verdict::Retired, _) => Why::LeftBehind,
        };
        let place = names.place(spot, look);
        let seen = match look {
            Some(name) if place.name().is_none() => Moment::Scan { name: name.to_owned() },
            _ => names.call(names.last_call()),
        };
        let finding = Finding { secret: named.name.clone(), bytes: first..=last, place, why, seen };
        let pending = Pending { secret, spot, call: names.last_call(), finding };
        if is_told(&pending.finding) {
            self.list(pending);
        } else {
            self.pending.push(pending);
        }
    }

    fn list(&mut self, told: Pending) {
        if self.listed.len() == FINDINGS_MAX {
            self.unlisted += 1;
            return;
        }
        self.listed.push(told.finding);
        self.copies.push((told.secret, told.spot));
        #[cfg(feature = "trace")]
        self.calls.push(told.call);
    }

    /// From now on nothing of this layer is listed.
    pub(super) fn leave_out(&mut self, layer: Layer) {
        if !self.left_out.contains(&layer) {
            self.left_out.push(layer);
        }
    }

    pub(super) fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// Where each of those is, in numbers, and how many calls there had been when it was first seen.
    #[cfg(feature = "trace")]
    pub(super) fn spots(&self) -> impl Iterator<Item = (Spot, u32)> {
        self.copies.iter().map(|(_, spot)| *spot).zip(self.calls.iter().copied())
    }

    pub(super) fn count_unlisted(&mut self, more: u64) {
        self.unlisted += more;
    }

    pub(super) fn unlisted(&self) -> u64 {
        self.unlisted
    }

    pub(super) fn clear(&mut self) {
        self.listed.clear();
        self.copies.clear();
        self.pending.clear();
        #[cfg(feature = "trace")]
        self.calls.clear();
        self.unlisted = 0;
    }
}

impl Finding {
    /// Whether it was seen behind a call of that name, and for the same reason.
    fn is_as_of(&self, now: &Moment, verdict: Verdict) -> bool {
        let name = |moment: &Moment| match moment {
            Moment::Call { name, .. } => Some(name.clone()),
            Moment::Start | Moment::Scan { .. } => None,
        };
        let is_retired = matches!(self.why, Why::Retired { .. });
        let is_other_call = name(&self.seen).is_some_and(|seen| name(now) != Some(seen));
        !is_other_call && is_retired == (verdict == Verdict::Retired)
    }
}

impl Spot {
    /// Whether nothing stays there once it was looked at: what is seen again was left again.
    fn is_painted_over(self) -> bool {
        matches!(self, Spot::Stack { .. } | Spot::Register { .. })
    }

    fn layer(self) -> Layer {
        match self {
            Spot::Heap { .. } => Layer::Heap,
            Spot::FreedBlock { .. } => Layer::FreedBlocks,
            Spot::Stack { .. } => Layer::Stack,
            Spot::Register { .. } => Layer::Registers,
            Spot::Static { .. } => Layer::Statics,
            Spot::Output { .. } => Layer::Outputs,
            Spot::Text { .. } => Layer::Texts,
        }
    }

    /// Whether two sightings are of one copy: in the same object, byte for byte behind one another.
    fn is_same_copy(self, first: u32, other: Spot, other_first: u32) -> bool {
        // Where byte 0 of the copy is, or would be.
        let is_begin = |offset: u32, other: u32| {
            i64::from(offset) - i64::from(first) == i64::from(other) - i64::from(other_first)
        };
        match (self, other) {
            (Spot::Heap { block, offset }, Spot::Heap { block: in_block, offset: at }) => {
                block.number == in_block.number && is_begin(offset, at)
            }
            (
                Spot::FreedBlock { free, call, offset, .. },
                Spot::FreedBlock { free: in_free, call: in_call, offset: at, .. },
            ) => (free, call) == (in_free, in_call) && is_begin(offset, at),
            // Depths count downwards.
            (Spot::Stack { depth }, Spot::Stack { depth: at }) => {
                u64::from(depth) + u64::from(first) == u64::from(at) + u64::from(other_first)
            }
            (
                Spot::Register { register, offset },
                Spot::Register { register: name, offset: at },
            ) => register == name && is_begin(offset.into(), at.into()),
            (Spot::Static { region, offset }, Spot::Static { region: number, offset: at }) => {
                region == number && is_begin(offset, at)
            }
            (Spot::Output { offset }, Spot::Output { offset: at }) => is_begin(offset, at),
            // One copy may be read in several ways.
            (Spot::Text { line, .. }, Spot::Text { line: number, .. }) => line == number,
            _ => false,
        }
    }
}

impl From<LeftoverPlace> for Spot {
    fn from(place: LeftoverPlace) -> Spot {
        match place {
            LeftoverPlace::Stack { depth } => Spot::Stack { depth },
            LeftoverPlace::Register { register, offset } => Spot::Register { register, offset },
        }
    }
}

impl Names<'_> {
    pub(super) fn last_call(self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    /// The call of this number; 0 is before the first.
    pub(super) fn call(self, number: u32) -> Moment {
        let index = (number as usize).checked_sub(1);
        match index.and_then(|index| self.calls.get(index)) {
            Some(name) => Moment::Call { number, name: name.clone() },
            None => Moment::Start,
        }
    }

    /// `look` names what was passed, if it is an output or a text.
    pub(super) fn place(self, spot: Spot, look: Option<&str>) -> Place {
        let passed = || look.unwrap_or_default().to_owned();
        match spot {
            Spot::Heap { block, offset } => Place::Heap {
                offset,
                len: block.len,
                allocated: self.call(block.allocated_in),
                freed: block.freed_in.map(|number| self.call(number)),
            },
            Spot::FreedBlock { offset, len, .. } => Place::FreedBlock { offset, len },
            Spot::Stack { depth } => Place::Stack { depth },
            Spot::Register { register, offset } => Place::Register { register, offset },
            Spot::Static { region, offset } => {
                let region = self.statics.and_then(|it| it.regions().nth(region as usize));
                let name = region.map(|region| region.name().to_owned()).unwrap_or_default();
                Place::Static { name, offset }
            }
            Spot::Output { offset } => Place::Output { name: passed(), offset },
            Spot::Text { line, encoding } => Place::Text { name: passed(), line, encoding },
        }
    }
}

impl Place {
    /// The name of what was passed, if the place is in such a thing.
    fn name(&self) -> Option<&str> {
        match self {
            Place::Output { name, .. } | Place::Text { name, .. } => Some(name),
            _ => None,
        }
    }
}
