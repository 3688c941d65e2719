//! Argument structures whose padding holds something that no driver should depend on.

/// Makes an argument structure in place: `argument!(name: Type, padding { member: value, ... })`, with every
/// byte that no member takes set to `padding`. All members have to be given.
macro_rules! argument {
    ($name:ident: $type:ty, $padding:expr, { $($member:ident: $value:expr),* $(,)? }) => {
        let mut place = core::mem::MaybeUninit::<$type>::uninit();
        let $name = place.as_mut_ptr();
        // SAFETY: the place is there as long as this block, and as large as the type.
        unsafe { $name.cast::<u8>().write_bytes($padding, size_of::<$type>()) };
        // SAFETY: each member is a part of the place.
        unsafe { $((&raw mut (*$name).$member).write($value);)* }
    };
}

pub(super) use argument;
