//! A table of slots whose handles are never given out twice.

use core::fmt;

/// `N` slots for values, each named by index and generation.
///
/// Semantics decision: a pair of index and generation is never reused, and a slot that has given
/// out its last generation is retired for ever (S-24).
pub(crate) struct Table<T, const N: usize> {
    slots: [Slot<T>; N],
    generations_max: u32,
}

struct Slot<T> {
    /// The generation given out last; 0 before the first.
    generation: u32,
    value: Option<T>,
}

/// Where a value lives in a table, and since which generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) generation: u32,
}

impl<T, const N: usize> Table<T, N> {
    pub(crate) fn new(generations_max: u32) -> Self {
        let slots = core::array::from_fn(|_| Slot { generation: 0, value: None });
        Self { slots, generations_max }
    }

    /// Where the next value would go, or `None` when every slot is in use or worn out.
    pub(crate) fn vacancy(&self) -> Option<Place> {
        let is_worn_out = |slot: &Slot<T>| slot.generation >= self.generations_max;
        let is_vacant = |slot: &Slot<T>| slot.value.is_none() && !is_worn_out(slot);
        let index = self.slots.iter().position(is_vacant)?;
        Some(Place { index, generation: self.slots[index].generation + 1 })
    }

    /// Puts a value where [`vacancy`](Self::vacancy) said.
    pub(crate) fn fill(&mut self, place: Place, value: T) {
        self.slots[place.index] = Slot { generation: place.generation, value: Some(value) };
    }

    /// The live value of exactly this index and generation.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let slot = self.slots.get_mut(place.index)?;
        if slot.generation != place.generation {
            return None;
        }
        slot.value.as_mut()
    }

    /// Takes a live value out; its place never resolves again.
    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        self.get_mut(place)?;
        self.slots[place.index].value.take()
    }

    /// Every live value, in the order of the slots.
    #[cfg(feature = "homes")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let place = Place { index, generation: slot.generation };
            slot.value.as_ref().map(|value| (place, value))
        })
    }

    /// Writes the state of every slot, the empty ones with the generation they gave out last.
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(
        &self,
        sink: &mut crate::observe::StateSink<'_>,
        write_value: impl Fn(&T, &mut crate::observe::StateSink<'_>),
    ) {
        // The bound on generations never changes, nor does the number of slots.
        let Self { slots, generations_max: _ } = self;
        for Slot { generation, value } in slots {
            sink.number(u64::from(*generation) << 1 | u64::from(value.is_some()));
            if let Some(value) = value {
                write_value(value, sink);
            }
        }
    }

    /// Every live value, in the order of the slots, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut T)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, slot)| {
            let place = Place { index, generation: slot.generation };
            slot.value.as_mut().map(|value| (place, value))
        })
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Table<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some(((index, slot.generation), value))
        });
        f.debug_map().entries(live).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Table};

    #[test]
    fn no_place_is_given_out_twice_and_a_worn_out_slot_is_retired() {
        let mut table = Table::<u8, 2>::new(3);
        let mut seen = Vec::new();
        while let Some(place) = table.vacancy() {
            assert!(!seen.contains(&place), "{place:?} again");
            seen.push(place);
            table.fill(place, 0);
            assert_eq!(table.remove(place), Some(0));
            assert_eq!(table.remove(place), None);
        }
        assert_eq!(seen.len(), 2 * 3, "two slots of three generations");
    }

    #[test]
    fn only_the_exact_place_resolves() {
        let mut table = Table::<u8, 2>::new(255);
        let first = table.vacancy().unwrap();
        table.fill(first, 1);
        table.remove(first);
        let second = table.vacancy().unwrap();
        table.fill(second, 2);
        assert_eq!(second.index, first.index);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.get_mut(second), Some(&mut 2));
        for place in [
            Place { index: 1, generation: 0 },
            Place { index: 0, generation: 0 },
            Place { index: 2, generation: 1 },
            Place { index: 0, generation: 3 },
        ] {
            assert_eq!(table.get_mut(place), None, "{place:?}");
        }
    }
}
