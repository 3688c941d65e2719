//! `Zeroizing`, which wipes what it holds when it is dropped.

use std::hint::black_box;

use zeroize::Zeroizing;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, copy_by_bytes, is_same_by_bytes};

pub(super) const SUBJECT: Subject = Subject {
    name: "zeroize",
    kind: Kind::Wrapper,
    life: "a Zeroizing filled in place, one that is moved into a box, and a Zeroizing<Vec> that \
           grows",
    note: "Wiped is what is dropped, not what it was moved or copied from. The documentation says \
           both.",
    run,
};

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let in_place = bench.draw::<32>("key filled in place")?;
    let moved = bench.draw::<32>("key moved")?;
    let pushed = bench.draw::<32>("key pushed")?;

    let is_same = bench.call("fill in place and drop", || {
        let mut key = Zeroizing::new([0; 32]);
        copy_by_bytes(&*in_place, &mut *key);
        let is_same = is_same_by_bytes(&*key, &*in_place);
        black_box(&key);
        is_same
    });
    bench.check(is_same, "what was put in is there")?;

    let mut boxed = Some(bench.call_that_moves("fill and move into a box", || {
        let mut key = Zeroizing::new([0; 32]);
        copy_by_bytes(&*moved, &mut black_box(&mut key)[..]);
        Box::new(key)
    }));
    let is_same = boxed.as_ref().is_some_and(|key| is_same_by_bytes(&key[..], &*moved));
    bench.call("drop the box", || boxed = None);
    bench.check(is_same, "what was moved is there")?;

    let is_same = bench.call("grow by push and drop", || {
        let mut key = Zeroizing::new(Vec::new());
        pushed.iter().for_each(|byte| black_box(&mut key).push(black_box(*byte)));
        is_same_by_bytes(&key, &*pushed)
    });
    bench.retire(&in_place, "it is dropped");
    bench.retire(&moved, "its box is dropped");
    bench.retire(&pushed, "the vector is dropped");
    bench.check(is_same, "what was pushed is there")
}
