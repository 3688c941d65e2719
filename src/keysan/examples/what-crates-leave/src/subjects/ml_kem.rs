//! ML-KEM-768, key encapsulation on lattices.

use std::hint::black_box;

use ml_kem::{Decapsulate, DecapsulationKey, KeyInit, MlKem768};
use zeroize::Zeroize;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, is_same_by_bytes};

pub(super) const SUBJECT: Subject = Subject {
    name: "ml-kem",
    kind: Kind::Lattice,
    life: "ML-KEM-768: a key made of a seed decapsulates, another one in a box encapsulates to \
           itself",
    note: "With the feature zeroize, which is not a default. The shared key is answered by value \
           and wiped by the caller.",
    run,
};

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let seed = bench.draw::<64>("seed")?;
    let message = bench.draw::<32>("message")?;
    let outside = DecapsulationKey::<MlKem768>::new((&*seed).into());
    let encapsulate = |key: &DecapsulationKey<MlKem768>| {
        key.encapsulation_key().encapsulate_deterministic((&*message).into())
    };
    let (sent, expected) = encapsulate(&outside);
    let shared = bench.learn("shared key", expected.as_ref())?;

    let is_agreed = bench.call("decapsulate", || {
        let key = DecapsulationKey::<MlKem768>::new((&*seed).into());
        let mut agreed = key.decapsulate(&sent);
        let is_agreed = is_same_by_bytes(&agreed, &*shared);
        agreed.zeroize();
        black_box((&key, &agreed));
        is_agreed
    });
    bench.check(is_agreed, "both sides agree")?;

    let mut boxed = Some(bench.call_that_moves("new and box", || {
        Box::new(DecapsulationKey::<MlKem768>::new((&*seed).into()))
    }));
    let is_agreed = bench.call("encapsulate", || {
        let Some(key) = &boxed else { return false };
        let (again, mut agreed) = encapsulate(key);
        let is_agreed = again == sent && is_same_by_bytes(&agreed, &*shared);
        agreed.zeroize();
        black_box(&agreed);
        is_agreed
    });
    bench.call("drop the box", || boxed = None);
    bench.retire(&seed, "both keys are dropped");
    bench.retire(&message, "it was encapsulated");
    bench.retire(&shared, "the caller has wiped it");
    bench.check(is_agreed, "the boxed key encapsulates the same")
}
