//! The looks that a sanitizer takes, and what it makes of each sighting.

use super::Keysan;
use super::finding::Verdict;
use super::findings::{Findings, Names, Sighted, Spot};
use super::layer::{Layer, Void, WhyVoid};
use super::secrets::{Ground, Location, Secrets};
use crate::gate::GateLayers;
use crate::heap::{self, Arena, Block};
use crate::secret_set::SecretSet;
use crate::statics::Statics;
use crate::text::{self, Scratch};

/// What lies before the first block is described as behind one that has no length.
const BEFORE_ALL: Block = Block { number: u32::MAX, len: 0, allocated_in: 0, freed_in: None };

/// Where an address is, if scans come by it.
pub(super) fn locate(
    arena: Option<&Arena>,
    statics: Option<&Statics>,
    address: usize,
) -> Option<Location> {
    let pointer = std::ptr::without_provenance(address);
    // Thread-locals of a library may lie in a block, and are what they are named.
    if let Some((region, offset)) = statics.and_then(|statics| statics.locate(pointer)) {
        return Some(Location::Static { region, offset: u32::try_from(offset).ok()? });
    }
    let (number, offset) = arena.and_then(|arena| arena.locate(pointer))?;
    Some(Location::Block { number, offset: u32::try_from(offset).ok()? })
}

/// What a look needs of the sanitizer: what it looks with, apart from what it notes in.
struct Look<'a> {
    arena: Option<&'a Arena>,
    set: &'a SecretSet,
    scratch: &'a mut Scratch,
    void: &'a mut Option<Void>,
    notes: Notes<'a>,
}

/// Where a look notes what it sees.
struct Notes<'a> {
    secrets: &'a mut Secrets,
    findings: &'a mut Findings,
    names: Names<'a>,
    /// The caller's name of the scan, or of what was passed.
    look: Option<&'a str>,
}

impl Notes<'_> {
    /// Whether it should not be there.
    #[cold]
    fn sight(&mut self, tag: u32, window: u8, spot: Spot, ground: Ground) -> bool {
        let (secret, first) = self.secrets.resolve(tag, window);
        let Some(verdict) = self.secrets.judge(secret, first, ground) else { return false };
        self.note(secret, first, spot, verdict);
        true
    }

    /// Sees how far the copies go of which a scan of aligned words has met these.
    #[cold]
    fn sight_around(&mut self, met: &[(Block, u32, Ground)], arena: &Arena, set: &SecretSet) {
        for &(block, offset, ground) in met {
            arena.look_around(set, block.number, offset, &mut |seen| {
                let near = u32::try_from(seen.position).unwrap_or(u32::MAX);
                let ground = match ground {
                    Ground::Live(_) => {
                        Ground::Live(Location::Block { number: block.number, offset: near })
                    }
                    other => other,
                };
                self.sight(seen.tag, seen.window, Spot::Heap { block, offset: near }, ground);
            });
        }
    }

    fn note(&mut self, secret: u32, first: u32, spot: Spot, verdict: Verdict) {
        let sighted = Sighted { secret, first, spot, verdict, look: self.look };
        self.findings.note(sighted, self.secrets, self.names);
    }
}

impl Look<'_> {
    /// A layer that was not looked at makes the run void; the first such is kept.
    fn expect(&mut self, layer: Layer, is_good: bool, why: WhyVoid) {
        if !is_good {
            self.void.get_or_insert(Void { layer, why });
        }
    }
}

impl Keysan {
    fn look<'a>(&'a mut self, name: Option<&'a str>) -> Look<'a> {
        Look {
            arena: self.arena.as_ref(),
            set: &self.set,
            scratch: &mut self.scratch,
            void: &mut self.void,
            notes: Notes {
                secrets: &mut self.secrets,
                findings: &mut self.findings,
                names: Names { calls: &self.calls, statics: self.statics.as_ref() },
                look: name,
            },
        }
    }

    /// What the call that has just returned left in freed blocks, on its stack and in registers.
    #[inline]
    pub(super) fn look_behind_the_call(&mut self) {
        let mut gate = self.gate.take();
        let Look { arena, set, mut notes, void, .. } = self.look(None);
        let mut met = Vec::new();
        let report = heap::take_report(|freed| {
            let offset = u32::try_from(freed.position).unwrap_or(u32::MAX);
            let spot = match freed.block {
                Some(block) => Spot::Heap { block, offset },
                None => Spot::FreedBlock {
                    free: freed.free_index,
                    call: notes.names.last_call(),
                    offset,
                    len: u32::try_from(freed.block_len).unwrap_or(u32::MAX),
                },
            };
            let is_finding = notes.sight(freed.tag, freed.window, spot, Ground::Dead);
            met.extend(
                freed.block.filter(|_| is_finding).map(|block| (block, offset, Ground::Dead)),
            );
        });
        if let Some(arena) = arena {
            notes.sight_around(&met, arena, set);
        }
        notes.findings.count_unlisted(report.dropped.into());
        if let Some(gate) = &mut gate {
            let inspected = gate.inspect(set, GateLayers::ALL, &mut |left| {
                notes.sight(left.tag, left.window, left.place.into(), Ground::Dead);
            });
            if !inspected.is_complete {
                let is_stack = inspected.stack.canaries == 0;
                let layer = if is_stack { Layer::Stack } else { Layer::Registers };
                void.get_or_insert(Void { layer, why: WhyVoid::CanaryNotSeen });
            }
        }
        self.gate = gate;
    }

    /// What calls since the last deep look left below what was looked at after each.
    pub(super) fn look_deep(&mut self, name: &str) {
        let Some(mut gate) = self.gate.take() else { return };
        let mut look = self.look(Some(name));
        let inspected = gate.inspect_all(look.set, &mut |left| {
            look.notes.sight(left.tag, left.window, left.place.into(), Ground::Dead);
        });
        look.expect(Layer::Stack, inspected.is_complete, WhyVoid::CanaryNotSeen);
        self.gate = Some(gate);
    }

    pub(super) fn look_through_the_heap(&mut self, name: &str) {
        let mut look = self.look(Some(name));
        let Some(arena) = look.arena else { return };
        let mut met = Vec::new();
        let looked = arena.scan(look.set, &mut |seen| {
            let place = arena.place_of(seen.position);
            let offset = place.offset;
            let ground = match place.block {
                Some(Block { number, freed_in: None, .. }) if !place.is_in_gap() => {
                    Ground::Live(Location::Block { number, offset })
                }
                _ => Ground::Dead,
            };
            let spot = Spot::Heap { block: place.block.unwrap_or(BEFORE_ALL), offset };
            if look.notes.sight(seen.tag, seen.window, spot, ground) {
                met.extend(place.block.map(|block| (block, offset, ground)));
            }
        });
        look.notes.sight_around(&met, arena, look.set);
        look.expect(Layer::Heap, looked.canaries > 0, WhyVoid::CanaryNotSeen);
        look.expect(Layer::Heap, arena.outside_count() == 0, WhyVoid::ArenaIsFull);
    }

    pub(super) fn look_through_statics(&mut self, name: &str) {
        let mut look = self.look(Some(name));
        let Some(statics) = look.notes.names.statics else { return };
        let looked = statics.scan_every_byte(look.set, &mut |seen| {
            let (region, offset) = (seen.region, seen.offset);
            let ground = Ground::Live(Location::Static { region, offset });
            look.notes.sight(seen.tag, seen.window, Spot::Static { region, offset }, ground);
        });
        let is_good = looked.canaries == Statics::CANARIES;
        look.expect(Layer::Statics, is_good, WhyVoid::CanaryNotSeen);
    }

    /// Notes the homes in which the scan that has just been made has not seen the whole secret.
    pub(super) fn look_for_empty_homes(&mut self, name: &str) {
        let mut look = self.look(Some(name));
        let (secrets, arena) = (&look.notes.secrets, look.arena);
        let empty: Vec<(u32, Spot)> = secrets
            .homes()
            .filter(|(secret, home)| !home.is_whole(&secrets.named(*secret).visibility))
            .filter_map(|(secret, home)| {
                let spot = match home.located? {
                    Location::Block { offset, .. } => {
                        Spot::Heap { block: block_at(arena?, home.address)?, offset }
                    }
                    Location::Static { region, offset } => Spot::Static { region, offset },
                };
                Some((secret, spot))
            })
            .collect();
        for (secret, spot) in empty {
            look.notes.note(secret, 0, spot, Verdict::NotAtHome);
        }
    }

    pub(super) fn look_at_bytes(&mut self, name: &str, bytes: &[u8]) {
        let mut look = self.look(Some(name));
        look.set.scan_bytes(bytes, &mut |seen| {
            let offset = u32::try_from(seen.position).unwrap_or(u32::MAX);
            look.notes.sight(seen.tag, seen.window, Spot::Output { offset }, Ground::GivenOut);
        });
    }

    pub(super) fn look_at_lines(&mut self, name: &str, text: &str) {
        let Look { set, scratch, mut notes, .. } = self.look(Some(name));
        let mut ends: Option<Vec<usize>> = None;
        text::scan_text(set, text, scratch, &mut |seen| {
            let ends =
                ends.get_or_insert_with(|| text.match_indices('\n').map(|it| it.0).collect());
            let before = ends.partition_point(|end| *end < seen.position);
            let line = u32::try_from(before + 1).unwrap_or(u32::MAX);
            let spot = Spot::Text { line, encoding: seen.encoding };
            notes.sight(seen.tag, seen.window, spot, Ground::GivenOut);
        });
    }
}

/// The arena's block that an address lies in, with its history.
fn block_at(arena: &Arena, address: usize) -> Option<Block> {
    arena.place_of_word(word_at(arena, address)?).block
}

/// Which of [`Arena::words`] an address in a block lies in.
pub(super) fn word_at(arena: &Arena, address: usize) -> Option<usize> {
    Some(arena.word_at(arena.position_of(std::ptr::without_provenance(address))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_without_its_canary_is_an_error_until_the_next_clear() {
        let mut keysan = Keysan::open().unwrap();
        keysan.look(None).expect(Layer::Heap, true, WhyVoid::CanaryNotSeen);
        assert_eq!(keysan.findings(), Ok(&[][..]));
        keysan.look(None).expect(Layer::Statics, false, WhyVoid::CanaryNotSeen);
        keysan.look(None).expect(Layer::Heap, false, WhyVoid::ArenaIsFull);
        let void = Void { layer: Layer::Statics, why: WhyVoid::CanaryNotSeen };
        assert_eq!(keysan.findings(), Err(void));
        keysan.clear();
        assert_eq!(keysan.findings(), Ok(&[][..]));
    }
}
