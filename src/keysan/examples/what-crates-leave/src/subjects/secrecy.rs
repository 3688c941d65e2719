//! `SecretBox` and `SecretString`, which wipe what they hold and do not print it.

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, copy_by_bytes, failed, is_same_by_bytes};

pub(super) const SUBJECT: Subject = Subject {
    name: "secrecy",
    kind: Kind::Wrapper,
    life: "a SecretBox filled in place, one of a value, and a SecretString: read, printed, dropped",
    note: "init_with takes its value from a closure; its documentation says that a copy may stay.",
    run,
};

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let in_place = bench.draw::<32>("key filled in place")?;
    let by_value = bench.draw::<32>("key given by value")?;
    let password = bench.draw_password::<24>("password")?;
    let text = std::str::from_utf8(&*password).map_err(failed("letters"))?;

    let mut filled = Some(bench.call("init_with_mut", || {
        SecretBox::<[u8; 32]>::init_with_mut(|key| copy_by_bytes(&*in_place, key))
    }));
    let mut given = Some(bench.call_that_moves("init_with", || SecretBox::init_with(|| *by_value)));
    let mut string = Some(bench.call("SecretString::from", || SecretString::from(text)));
    let are_same = bench.call("expose_secret", || {
        let is_same = |boxed: &Option<SecretBox<[u8; 32]>>, key: &[u8]| {
            boxed.as_ref().is_some_and(|boxed| is_same_by_bytes(boxed.expose_secret(), key))
        };
        let is_string = string
            .as_ref()
            .is_some_and(|string| is_same_by_bytes(string.expose_secret().as_bytes(), &*password));
        is_same(&filled, &*in_place) && is_same(&given, &*by_value) && is_string
    });
    bench.look_at_text("Debug of the boxes", &format!("{filled:?} {given:?} {string:?}"));
    bench.call("drop all", || {
        filled = None;
        given = None;
        string = None;
    });
    bench.retire(&in_place, "its box is dropped");
    bench.retire(&by_value, "its box is dropped");
    bench.retire(&password, "its string is dropped");
    bench.check(are_same, "what was put in is exposed")
}
