//! Grows keys, random numbers and payloads from small seeds, by functions that never change.
//!
//! Key bytes must look like nothing else in memory, and no input may choose a key that matches
//! every empty buffer; so inputs hold seeds, and the bytes come from here.

use zeroize::Zeroize;

use super::words::Shape;

/// Which secrets and which payloads the seeds grow into.
///
/// The same sequence means the same calls in every world. A second world of secrets tells what
/// follows the key from what does not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct World {
    /// Of keys and random numbers; 0 is the one that reproducers are made in.
    pub secrets: u8,
    /// Of payloads.
    pub payloads: u8,
}

/// The session key of a seed, written into `key`.
///
/// By reference, because arrays are `Copy`: by value, copies would survive on the stack.
pub fn session_key(world: World, seed: u32, shape: Shape, key: &mut [u8; 16]) {
    distinctive(grown_in(world.secrets, 0x6B65_7900_0000_0000) | u64::from(seed), shape, key);
}

/// The `index`th random number that a fresh entropy source of this seed hands out.
pub fn refresh_random(world: World, seed: u32, index: u32, shape: Shape, random: &mut [u8; 16]) {
    let grown = grown_in(world.secrets, 0x726E_6400_0000_0000) | u64::from(index);
    // Another seed is far from this one, whatever the index.
    let far = if seed == 0 { 0 } else { next(&mut seed.into()) };
    distinctive(grown ^ far, shape, random);
}

/// The seed of everything of a kind, in a world.
const fn grown_in(world: u8, kind: u64) -> u64 {
    kind | (world as u64) << 32
}

/// Session keys that were grown before, so that the same few seeds are not grown again and again.
#[derive(Default)]
pub struct KeyRing {
    /// Where a seed's key would be: at the seed modulo the length.
    keys: Vec<Option<Grown>>,
    world: World,
}

/// A key with its seed and the number of its shape.
type Grown = (u32, u8, [u8; 16]);

impl KeyRing {
    /// How many keys are kept.
    const LEN: usize = 64;

    /// Forgets every key, in memory too.
    pub fn wipe(&mut self) {
        self.keys.zeroize();
    }

    /// The same as [`session_key`].
    pub fn session_key(&mut self, world: World, seed: u32, shape: Shape, key: &mut [u8; 16]) {
        if world.secrets != self.world.secrets {
            self.keys.clear();
            self.world = world;
        }
        self.keys.resize(Self::LEN, None);
        let place = &mut self.keys[seed as usize % Self::LEN];
        match place {
            Some((known, its, grown)) if (*known, *its) == (seed, shape.number()) => *key = *grown,
            _ => {
                session_key(world, seed, shape, key);
                *place = Some((seed, shape.number(), *key));
            }
        }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

/// The plaintext of the buffer that call number `call_index` submits; fills `payload`.
///
/// All its words differ, and none is in the payload of another call by more than chance, so that
/// bytes in the wrong place show. It is not random beyond that: there is a lot of it.
pub fn payload(world: World, call_index: usize, payload: &mut [u8]) {
    let mut word = first_word(world, call_index);
    let (words, rest) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = word.to_le_bytes();
        word = word.wrapping_add(STEP);
    }
    rest.copy_from_slice(&word.to_le_bytes()[..rest.len()]);
}

/// Whether these bytes are the beginning of the payload of call number `call_index`, in the world
/// of reproducers.
#[must_use]
pub fn is_payload(call_index: usize, bytes: &[u8]) -> bool {
    let mut word = first_word(World::default(), call_index);
    let (words, rest) = bytes.as_chunks();
    let mut difference = 0;
    for bytes in words {
        difference |= u64::from_le_bytes(*bytes) ^ word;
        word = word.wrapping_add(STEP);
    }
    difference == 0 && word.to_le_bytes().starts_with(rest)
}

/// An odd number without a pattern: adding it visits every word before any comes again.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn first_word(world: World, call_index: usize) -> u64 {
    next(&mut (grown_in(world.payloads, 0x7061_7900_0000_0000) | call_index as u64))
}

/// Sixteen bytes of this shape, of which every eight in a row have at least six different values.
fn distinctive(seed: u64, shape: Shape, bytes: &mut [u8; 16]) {
    // What has a shape shares no bytes with what has none.
    let far = if shape == Shape::Plain { 0 } else { next(&mut (u64::from(shape.number()) << 56)) };
    let mut state = seed ^ far;
    loop {
        bytes[..8].copy_from_slice(&next(&mut state).to_le_bytes());
        bytes[8..].copy_from_slice(&next(&mut state).to_le_bytes());
        match shape {
            Shape::Plain => {}
            Shape::LeadingZero => bytes[0] = 0,
            Shape::MiddleZero => bytes[7] = 0,
            Shape::TrailingZero => bytes[15] = 0,
            Shape::HighBits => bytes.iter_mut().for_each(|byte| *byte |= 0x80),
            Shape::EqualHalves => bytes.copy_within(..8, 8),
        }
        if keysan::looks_like_nothing_else(bytes) {
            return;
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ring_gives_the_key_of_the_seed_also_when_two_seeds_share_a_place() {
        let mut ring = KeyRing::default();
        let seeds = [1, 65, 1, 129, 65, u32::MAX];
        let shapes = [Shape::Plain, Shape::EqualHalves];
        for (seed, shape) in seeds.into_iter().flat_map(|seed| shapes.map(|shape| (seed, shape))) {
            let (mut expected, mut key) = ([0; 16], [0; 16]);
            session_key(World::default(), seed, shape, &mut expected);
            ring.session_key(World::default(), seed, shape, &mut key);
            assert!(key == expected, "seed {seed}");
        }
    }

    #[test]
    fn what_a_seed_grows_into_never_changes() {
        let mut bytes = [0; 16];
        let world = World::default();
        session_key(world, 7, Shape::Plain, &mut bytes);
        assert_eq!(u128::from_be_bytes(bytes), 0xDBAE_6041_4970_0269_8F1D_5F9D_D386_3BE2);
        refresh_random(world, 0, 0, Shape::Plain, &mut bytes);
        assert_eq!(u128::from_be_bytes(bytes), 0xC9E7_82DE_FB77_BB65_4946_E442_66C4_FB19);
        payload(world, 3, &mut bytes);
        assert_eq!(u128::from_be_bytes(bytes), 0xF588_B706_179D_1D85_0A05_0286_D016_5523);
        let mut short = [0; 5];
        let mut long = [0; 48];
        payload(world, 3, &mut short);
        payload(world, 3, &mut long);
        assert_eq!(short, long[..5]);
        assert!(is_payload(3, &short) && is_payload(3, &long));
        assert!(!is_payload(4, &short));
    }

    #[test]
    fn a_shape_is_kept_and_still_looks_like_nothing_else() {
        for seed in 1..200 {
            let grown = |shape| {
                let (mut key, mut random) = ([0; 16], [0; 16]);
                session_key(World::default(), seed, shape, &mut key);
                refresh_random(World::default(), 3, seed, shape, &mut random);
                assert!(keysan::looks_like_nothing_else(&key), "{seed} {shape:?}");
                assert!(keysan::looks_like_nothing_else(&random), "{seed} {shape:?}");
                [key, random]
            };
            assert!(grown(Shape::LeadingZero).iter().all(|bytes| bytes[0] == 0));
            assert!(grown(Shape::MiddleZero).iter().all(|bytes| bytes[7] == 0));
            assert!(grown(Shape::TrailingZero).iter().all(|bytes| bytes[15] == 0));
            assert!(grown(Shape::HighBits).iter().flatten().all(|&byte| byte >= 0x80));
            assert!(grown(Shape::EqualHalves).iter().all(|bytes| bytes[..8] == bytes[8..]));
        }
    }

    #[test]
    fn another_seed_of_the_source_gives_other_numbers() {
        let mut all = std::collections::BTreeSet::new();
        for (seed, index) in (0..20).flat_map(|seed| (0..20).map(move |index| (seed, index))) {
            let mut random = [0; 16];
            refresh_random(World::default(), seed, index, Shape::Plain, &mut random);
            assert!(all.insert(random), "seed {seed}, number {index}");
        }
    }

    #[test]
    fn another_world_of_secrets_leaves_the_payloads_as_they_are_and_the_other_way_round() {
        let grown = |world| {
            let (mut key, mut random, mut bytes) = ([0; 16], [0; 16], [0; 24]);
            session_key(world, 7, Shape::Plain, &mut key);
            refresh_random(world, 0, 7, Shape::Plain, &mut random);
            payload(world, 7, &mut bytes);
            (key, random, bytes)
        };
        let first = grown(World::default());
        let (key, random, bytes) = grown(World { secrets: 1, payloads: 0 });
        assert!(key != first.0 && random != first.1 && bytes == first.2);
        let (key, random, bytes) = grown(World { secrets: 0, payloads: 1 });
        assert!(key == first.0 && random == first.1 && bytes != first.2);
    }
}
