//! The two controls: one leaves nothing, and one leaves its key in each kind of place.

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble};

pub(super) const NOTHING: Subject = Subject {
    name: "control: nothing",
    kind: Kind::Control,
    life: "the key is registered and not touched",
    note: "Whatever this row shows, the bench itself leaves.",
    run: leave_nothing,
};

pub(super) const EVERYWHERE: Subject = Subject {
    name: "control: everywhere",
    kind: Kind::Control,
    life: "the key is kept on purpose in every kind of place",
    note: "A column that is clean here would be blind.",
    run: leave_everywhere,
};

/// Where the second one keeps its key.
static LAST_KEY: [AtomicU8; 32] = [const { AtomicU8::new(0) }; 32];

fn leave_nothing(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let key = bench.draw::<32>("key")?;
    let sum = bench.call("do nothing", || black_box(20) + 22);
    bench.retire(&key, "nothing has begun");
    bench.look_at_text("log", "nothing happened");
    bench.check(sum == 42, "the call was made")
}

fn leave_everywhere(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let key = bench.draw::<32>("key")?;
    let kept = bench.call("keep", || Box::new(*key));
    bench.call("free", || drop(black_box(Box::new(*key))));
    bench.call("leave on the stack", || {
        black_box(&*black_box(&mut { *key }));
    });
    bench.call("keep in a static", || {
        for (last, byte) in black_box(&LAST_KEY).iter().zip(key.iter()) {
            last.store(*byte, Ordering::Relaxed);
        }
    });
    bench.look_at_text("log", &format!("the key is {:02x?}", &key[..]));
    bench.retire(&key, "it is over, and the key is still there");
    bench.scan("after all");
    let is_kept = *kept == *key;
    LAST_KEY.iter().for_each(|last| last.store(0, Ordering::Relaxed));
    bench.call("free what was kept", || drop(kept));
    bench.check(is_kept, "the key was kept")
}
