//! What can be wrong with each argument, and at which moment, and how a sequence says it.

/// One way in which a call can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misuse {
    /// The argument or the moment.
    pub of: &'static str,
    /// What is wrong with it.
    pub bad: &'static str,
    /// How a sequence says it.
    pub said: Said,
}

/// How a sequence says a misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// With these calls, separated by semicolons.
    By(&'static str),
    /// In every call of its kind, without a word: why.
    Always(&'static str),
    /// Not at all: why.
    Not(&'static str),
}

const fn by(of: &'static str, bad: &'static str, calls: &'static str) -> Misuse {
    Misuse { of, bad, said: Said::By(calls) }
}

const fn always(of: &'static str, bad: &'static str, how: &'static str) -> Misuse {
    Misuse { of, bad, said: Said::Always(how) }
}

const fn not(of: &'static str, bad: &'static str, why: &'static str) -> Misuse {
    Misuse { of, bad, said: Said::Not(why) }
}

const SESSION: &str = "session handle";
const DEVICE: &str = "device handle";
const CREATED: &str = "handle that a create writes";
const TYPE: &str = "crypto type";
const PROFILE: &str = "decode profile";
const BLOB: &str = "wrapped key";
const BLOB_LEN: &str = "length of the wrapped key";
const KEY: &str = "session key";
const OUT: &str = "random-number buffer";
const OUT_LEN: &str = "random-number length";
const RANDOM: &str = "random number";
const WRAP: &str = "read-back key buffer";
const WRAP_LEN: &str = "read-back key length";
const READ_BACK_KEY: &str = "read-back key";
const CAPS_OF: &str = "what capabilities are asked for";
const CAPS: &str = "structure of capabilities";
const CAPS_LEN: &str = "length of the structure of capabilities";
const IV: &str = "IV and Count";
const DATA: &str = "data of a buffer";
const DATA_LEN: &str = "length of the data";
const SCALARS: &str = "fence, status, counts of a retire";
const COUNT: &str = "commands to retire";
const SURFACE: &str = "surface of a retire";
const LIST: &str = "list of completions";
const MEMORY: &str = "memory";
const TEARDOWN: &str = "order of tear-down";
const TIME: &str = "moment of a call";
const BOUNDS: &str = "bounds and counters";

/// Everything that can be wrong, by argument and moment; `rekeylab list misuse` prints it.
pub const ALL: &[Misuse] = &[
    by(SESSION, "NULL", "finish-refresh s0 handle=null"),
    by(SESSION, "never given out", "create-session d0 type=unknown; finish-refresh s0"),
    by(SESSION, "dead", "destroy-session s0; finish-refresh s0"),
    by(SESSION, "of another device", "finish-refresh s0 via=d1"),
    by(SESSION, "a device's", "finish-refresh s0 handle=wrong-kind"),
    by(SESSION, "wrong in its lowest bit", "finish-refresh s0 handle=low-bit"),
    by(SESSION, "wrong in bit 32", "finish-refresh s0 handle=middle-bit"),
    by(SESSION, "wrong in its highest bit", "finish-refresh s0 handle=high-bit"),
    not(
        SESSION,
        "of another adapter",
        "an adapter numbers its handles from the same start as any other, so the bits are its own",
    ),
    by(DEVICE, "NULL", "create-session d0 handle=null"),
    by(DEVICE, "dead", "destroy-device d0; create-session d0"),
    by(DEVICE, "a session's", "destroy-device d0 handle=wrong-kind"),
    by(DEVICE, "a session's, in a call on a session", "finish-refresh s0 handle=device-wrong-kind"),
    by(DEVICE, "wrong in its lowest bit", "create-session d0 handle=low-bit"),
    by(DEVICE, "wrong there, in a call on a session", "finish-refresh s0 handle=device-low-bit"),
    by(DEVICE, "wrong in bit 32", "destroy-device d0 handle=middle-bit"),
    by(DEVICE, "wrong in its highest bit", "destroy-device d0 handle=high-bit"),
    always(CREATED, "full of old bytes", "filled with a pattern before every create"),
    by(TYPE, "NULL_GUID", "create-session d0 type=null"),
    by(TYPE, "unknown", "create-session d0 type=unknown"),
    by(TYPE, "known and not offered", "create-session d0 type=proprietary"),
    by(
        TYPE,
        "one bit from the one offered, in its first byte",
        "create-session d0 type=almost-first",
    ),
    by(
        TYPE,
        "one bit from the one offered, in its last byte",
        "create-session d0 type=almost-last",
    ),
    by(PROFILE, "unknown", "create-session d0 profile=unknown"),
    by(
        PROFILE,
        "one bit from one offered, in its first byte",
        "create-session d0 profile=almost-first",
    ),
    by(
        PROFILE,
        "one bit from one offered, in its last byte",
        "create-session d0 profile=almost-last",
    ),
    by(BLOB, "a NULL pointer", "exchange-key s0 blob=null"),
    by(BLOB, "a NULL pointer of no length", "exchange-key s0 blob=null-empty"),
    by(BLOB, "garbled", "exchange-key s0 blob=corrupt"),
    by(BLOB_LEN, "0", "exchange-key s0 blob=empty"),
    by(BLOB_LEN, "one short, one long", "exchange-key s0 blob=short; exchange-key s0 blob=long"),
    by(BLOB_LEN, "2^32 - 1", "exchange-key s0 blob=absurd"),
    by(KEY, "with a zero byte", "exchange-key s0 shape=middle-zero"),
    by(
        KEY,
        "with high bits, or equal halves",
        "exchange-key s0 shape=high-bits; exchange-key s0 shape=equal-halves",
    ),
    not(KEY, "weak or all zero", "it could not be told from empty memory when it is searched for"),
    by(OUT, "a NULL pointer", "start-refresh s0 null=buffer"),
    always(
        OUT,
        "full of old bytes",
        "filled with a pattern before every start, and a margin behind",
    ),
    by(
        OUT_LEN,
        "0, 15, 17",
        "start-refresh s0 size=0; start-refresh s0 size=15; start-refresh s0 size=17",
    ),
    by(
        OUT_LEN,
        "2^31, 2^32 - 1",
        "start-refresh s0 size=2147483648; start-refresh s0 size=4294967295",
    ),
    by(RANDOM, "not to be had", "inject-entropy fail draws=1"),
    by(RANDOM, "zeros", "inject-entropy zero draws=4"),
    by(RANDOM, "the last one again", "inject-entropy again draws=1"),
    by(RANDOM, "zeros and then the last one again", "inject-entropy zero-then-again draws=2"),
    by(RANDOM, "one that brings the first key back", "inject-entropy restore draws=1"),
    by(RANDOM, "with a zero byte", "inject-entropy leading-zero draws=1"),
    by(
        RANDOM,
        "with high bits, or equal halves",
        "inject-entropy high-bits draws=1; inject-entropy equal-halves draws=1",
    ),
    by(RANDOM, "from another source", "open-adapter entropy=7"),
    by(
        CAPS_OF,
        "a cipher that nobody knows, also one bit from a known one, and one that is not offered",
        "content-protection-caps type=unknown; content-protection-caps type=almost-first; \
         content-protection-caps type=almost-last; content-protection-caps type=proprietary",
    ),
    by(
        CAPS_OF,
        "a profile that nobody knows, also one bit from a known one",
        "content-protection-caps profile=unknown; content-protection-caps profile=almost-first; \
         content-protection-caps profile=almost-last",
    ),
    by(CAPS, "a NULL pointer", "content-protection-caps null=buffer"),
    always(
        CAPS,
        "full of old bytes",
        "filled with a pattern before every call, and a margin behind",
    ),
    by(
        CAPS_LEN,
        "0, the 36 of x86, 39, 41",
        "content-protection-caps size=0; content-protection-caps size=36; \
         content-protection-caps size=39; content-protection-caps size=41",
    ),
    by(CAPS_LEN, "2^32 - 1", "content-protection-caps size=4294967295"),
    by(WRAP, "a NULL pointer", "encryption-blt-key s0 null=buffer"),
    always(
        WRAP,
        "full of old bytes",
        "filled with a pattern before every call, and a margin behind",
    ),
    by(
        WRAP_LEN,
        "0, 15, 17",
        "encryption-blt-key s0 size=0; encryption-blt-key s0 size=15; encryption-blt-key s0 size=17",
    ),
    by(
        WRAP_LEN,
        "2^31, 2^32 - 1",
        "encryption-blt-key s0 size=2147483648; encryption-blt-key s0 size=4294967295",
    ),
    by(READ_BACK_KEY, "not to be had", "inject-entropy fail draws=1; encryption-blt-key s0"),
    by(READ_BACK_KEY, "zeros", "inject-entropy zero draws=4; encryption-blt-key s0"),
    by(
        READ_BACK_KEY,
        "the last one again, or the last random number",
        "inject-entropy again draws=1; encryption-blt-key s0",
    ),
    by(IV, "a NULL pointer", "submit-buffer s0 null=iv"),
    by(IV, "not above the last", "submit-buffer s0 iv=2; submit-buffer s0 iv=1"),
    by(IV, "past the last Count", "submit-buffer s0 count=0xffffffffffffffff len=32"),
    by(DATA, "a NULL pointer", "submit-buffer s0 null=data"),
    not(
        DATA,
        "changed during the call",
        "what a caller in Rust lends cannot change meanwhile (S-43)",
    ),
    not(
        DATA,
        "in the same memory as the IV, or misaligned",
        "bytes in Rust have neither; a table of C functions has both",
    ),
    by(
        DATA_LEN,
        "0, part of a block",
        "submit-buffer s0 len=0; submit-buffer s0 len=15; submit-buffer s0 len=17",
    ),
    by(
        DATA_LEN,
        "a block too long, 2^32 - 1",
        "submit-buffer s0 len=1040; submit-buffer s0 len=4294967295",
    ),
    always(SCALARS, "full of old bytes", "filled with a pattern, or all ones, before every call"),
    by(COUNT, "0, too many", "retire 0; retire 4294967295"),
    by(SURFACE, "absent", "retire 1 room=no-surface"),
    by(SURFACE, "one byte short", "retire 1 room=short-surface"),
    by(SURFACE, "for the first command alone", "retire 2 room=surface-for-one"),
    by(SURFACE, "not one byte too long", "retire 1 room=exact"),
    by(LIST, "absent", "retire 1 room=no-list"),
    by(LIST, "one entry short", "retire 2 room=short-list"),
    always(
        LIST,
        "overrun",
        "the entries behind those that are claimed are looked at after every retire",
    ),
    by(MEMORY, "refused", "inject-allocation-failure after=1"),
    not(MEMORY, "refused by the allocator of the process", "Rust then ends the process"),
    by(TEARDOWN, "a device before its sessions", "destroy-device d0; destroy-session s0"),
    by(TEARDOWN, "the adapter before its devices", "close-adapter"),
    by(TEARDOWN, "an engine reset before a destroy", "reset-engine; destroy-session s0"),
    by(TEARDOWN, "a session before its work", "submit-buffer s0; destroy-session s0; retire 1"),
    by(TIME, "twice", "finish-refresh s0; finish-refresh s0"),
    by(TIME, "before the call that it needs", "finish-refresh s0"),
    not(TIME, "inside another call", "no entry calls its caller back"),
    not(TIME, "at the same time as another", "the trait takes the driver by exclusive reference"),
    by(BOUNDS, "those of a product", "open-adapter bounds=product"),
    not(
        BOUNDS,
        "counters of more than ten bits",
        "a sequence has 1024 calls: generations of 24 bits wear out in src/driver/table.rs, and a fence \
         of 64 bits lasts for ever",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALL, Said};
    use crate::sequence::argument::Values;
    use crate::sequence::{Call, CallKind, SequenceText};

    fn calls() -> impl Iterator<Item = Call> {
        let said = ALL.iter().filter_map(|misuse| match misuse.said {
            Said::By(calls) => Some(calls),
            Said::Always(_) | Said::Not(_) => None,
        });
        said.flat_map(|calls| {
            let text = calls.replace("; ", "\n");
            let parsed = SequenceText::parse(&text).unwrap_or_else(|error| panic!("{error}"));
            parsed.sequence().calls
        })
    }

    #[test]
    fn every_word_that_is_not_plain_says_a_misuse() {
        let mut unsaid = BTreeSet::new();
        for kind in CallKind::ALL {
            for (index, argument) in kind.descriptor().arguments.iter().enumerate() {
                let Values::Word(words) = argument.values else { continue };
                for (value, word) in (0..).zip(words) {
                    let is_it =
                        |call: &Call| call.kind() == *kind && call.value(index) == Some(value);
                    if kind.plain().value(index) != Some(value) && !calls().any(|call| is_it(&call))
                    {
                        unsaid.insert(format!("{} {}={word}", kind.word(), argument.key));
                    }
                }
            }
        }
        // The other shapes are like one that is there, each with its zero in another place; a repeat is
        // what `again` is in a sequence of one session, and a profile that is offered is no misuse.
        let alike = [
            "content-protection-caps profile=h264",
            "content-protection-caps type=null",
            "create-session handle=device-low-bit",
            "create-session handle=device-wrong-kind",
            "create-session handle=high-bit",
            "create-session handle=middle-bit",
            "create-session handle=wrong-kind",
            "create-session profile=h264",
            "destroy-device handle=device-low-bit",
            "destroy-device handle=device-wrong-kind",
            "destroy-device handle=low-bit",
            "destroy-device handle=null",
            "exchange-key shape=leading-zero",
            "exchange-key shape=trailing-zero",
            "inject-entropy =middle-zero",
            "inject-entropy =repeat",
            "inject-entropy =trailing-zero",
        ];
        assert_eq!(unsaid, alike.map(str::to_owned).into());
    }

    #[test]
    fn every_call_is_misused_in_some_way() {
        let said: BTreeSet<CallKind> = calls().map(|call| call.kind()).collect();
        let never: Vec<_> = CallKind::ALL.iter().filter(|kind| !said.contains(kind)).collect();
        assert_eq!(never, [&CallKind::CreateDevice, &CallKind::SessionStatus]);
    }
}
