//! The audit's own canaries: one for each class of memory, each in its place.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroize;

use super::Class;
use crate::secret_set::SecretSet;

/// Windows of a canary, one for each offset from 0 to 8.
const CANARY_WINDOWS: u32 = 9;

/// A place for a canary. Aligned, so that it never lies in two chunks.
#[repr(C, align(16))]
pub(super) struct Planted([u8; 16]);

/// What [`Planted`] is, for a static that several threads may fill with the same bytes.
#[repr(C, align(16))]
struct PlantedStatic([AtomicU64; 2]);

static IN_STATIC: PlantedStatic = PlantedStatic([AtomicU64::new(0), AtomicU64::new(0)]);

/// The three canaries, until the audit ends.
pub(super) struct Canaries<'a> {
    bytes: [u8; 16],
    in_heap: Box<Planted>,
    on_stack: &'a mut Planted,
    /// Class, address, and whether it was seen there.
    places: [(Class, usize, bool); 3],
}

impl Planted {
    pub(super) fn new() -> Planted {
        Planted([0; 16])
    }
}

impl<'a> Canaries<'a> {
    pub(super) fn plant(set: &SecretSet, on_stack: &'a mut Planted) -> Canaries<'a> {
        let mut in_heap = Box::new(Planted::new());
        let mut bytes = [0; 16];
        set.plant_canary(&mut bytes);
        in_heap.0 = bytes;
        on_stack.0 = bytes;
        for (place, word) in IN_STATIC.0.iter().zip(bytes.as_chunks::<8>().0) {
            place.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        }
        // Black boxes, because the optimiser sees nobody read them.
        let places = [
            (Class::Heap, black_box(&*in_heap).0.as_ptr().addr(), false),
            (Class::Stack, black_box(&*on_stack).0.as_ptr().addr(), false),
            (Class::Static, black_box(&IN_STATIC).0.as_ptr().addr(), false),
        ];
        Canaries { bytes, in_heap, on_stack, places }
    }

    /// Takes note of a chunk that was read from `start`, and of how many canary windows were
    /// counted in it. A canary was seen if it is in its place and was among those counted.
    pub(super) fn note(&mut self, start: usize, chunk: &[u8], counted: u32) {
        let mut counted = counted;
        for (_, address, is_seen) in &mut self.places {
            let Some(offset) = address.checked_sub(start) else { continue };
            let is_there = chunk.get(offset..offset + 16) == Some(&self.bytes[..]);
            if is_there && counted >= CANARY_WINDOWS {
                counted -= CANARY_WINDOWS;
                *is_seen = true;
            }
        }
    }

    /// The first class whose canary was not seen is the error.
    pub(super) fn check(&self) -> Result<(), Class> {
        match self.places.iter().find(|(_, _, is_seen)| !is_seen) {
            Some((class, _, _)) => Err(*class),
            None => Ok(()),
        }
    }
}

/// An old canary would stand for looking in a place where nobody looked.
impl Drop for Canaries<'_> {
    fn drop(&mut self) {
        self.in_heap.0.zeroize();
        self.on_stack.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::{CANARY_WINDOWS, Canaries, Class, Planted};
    use crate::secret_set::SecretSet;

    #[test]
    fn a_canary_is_seen_when_it_is_in_its_place_and_was_counted() {
        let set = SecretSet::new();
        let mut on_stack = Planted::new();
        let mut canaries = Canaries::plant(&set, &mut on_stack);
        let mut chunk = [0; 64];
        chunk[32..48].copy_from_slice(&canaries.bytes);
        let start = canaries.places.map(|(_, address, _)| address - 32);
        let [heap, stack, fixed] = start;

        canaries.note(heap, &chunk, CANARY_WINDOWS - 1);
        canaries.note(heap + 1, &chunk, CANARY_WINDOWS);
        canaries.note(heap, &chunk[..47], CANARY_WINDOWS);
        assert_eq!(canaries.check(), Err(Class::Heap));
        canaries.note(heap, &chunk, CANARY_WINDOWS);
        assert_eq!(canaries.check(), Err(Class::Stack));
        canaries.note(stack, &chunk, CANARY_WINDOWS);
        assert_eq!(canaries.check(), Err(Class::Static));
        canaries.note(fixed, &chunk, CANARY_WINDOWS + 5);
        assert_eq!(canaries.check(), Ok(()));

        drop(canaries);
        assert_eq!(on_stack.0, [0; 16]);
    }
}
