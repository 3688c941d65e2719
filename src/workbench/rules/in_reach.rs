//! The rules that calls can keep or break, in the order of their ids.

use super::Rule;

macro_rules! rules {
    ($($id:literal: $says:literal, by $decided_by:literal, shown $shown_by:literal;)*) => {
        &[$(Rule { id: $id, says: $says, decided_by: $decided_by, shown_by: $shown_by },)*]
    };
}

/// Every rule in reach.
pub const ALL: &[Rule] = rules! {
    "R-01": "a session belongs to the device that created it",
        by "src/driver/device.rs: find",
        shown "corpus/seeds/a-foreign-device-is-refused.seq";
    "R-02": "calls on a session from another device fail",
        by "src/driver/device.rs: find",
        shown "corpus/seeds/a-foreign-device-is-refused.seq";
    "R-04": "a crypto type that is unknown or NULL is not available",
        by "src/driver/adapter.rs: create_session",
        shown "corpus/seeds/only-aes128-ctr-is-offered.seq";
    "R-05": "a crypto type that is known and not offered for the profile is unsupported",
        by "src/driver/adapter.rs: create_session",
        shown "corpus/seeds/only-aes128-ctr-is-offered.seq";
    "R-06": "a NULL decode profile makes a session that is not used for decode",
        by "src/driver/adapter.rs: create_session",
        shown "corpus/seeds/only-aes128-ctr-is-offered.seq";
    "R-07": "capabilities are only reported for what is there",
        by "src/driver/capabilities.rs: offered",
        shown "corpus/seeds/what-works-is-advertised.seq";
    "R-08": "refresh, read-back keys and transfers are optional",
        by "src/ddi/lib.rs: get_encryption_blt_key",
        shown "src/workbench/tests/own_driver.rs: a_driver_without_read_back_keys_answers_that_they_are_not_available";
    "R-09": "there is one key-exchange mechanism for a crypto type",
        by "src/driver/seams.rs: KeyUnwrap",
        shown "corpus/seeds/bad-wrapped-keys-leave-the-session-unkeyed.seq";
    "R-10": "an optional call that is not supported is not available",
        by "src/ddi/lib.rs: get_encryption_blt_key",
        shown "src/workbench/tests/own_driver.rs: a_driver_without_read_back_keys_answers_that_they_are_not_available";
    "R-11": "the wrapped key has exactly the length of its mechanism",
        by "src/driver/adapter.rs: exchange_key",
        shown "corpus/seeds/bad-wrapped-keys-leave-the-session-unkeyed.seq";
    "R-16": "start draws a random number, keeps it and hands it out",
        by "src/driver/secrets.rs: draw_random",
        shown "corpus/seeds/a-refresh-between-frames.seq";
    "R-17": "finish XORs the kept random number into the session key",
        by "src/driver/secrets.rs: apply_random",
        shown "corpus/seeds/a-refresh-between-frames.seq";
    "R-18": "every buffer from finish on uses the updated key",
        by "src/ddi/lib.rs: finish_session_key_refresh",
        shown "corpus/seeds/a-refresh-between-frames.seq";
    "R-19": "before finish the old key remains in use",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/data-goes-on-while-a-refresh-is-pending.seq";
    "R-20": "the client does the same XOR on its copy of the key",
        by "src/workbench/executor/client.rs: finish",
        shown "corpus/seeds/a-refresh-between-frames.seq";
    "R-21": "the random number is as long as the session key",
        by "src/ddi/arguments.rs: RANDOM_NUMBER_LEN",
        shown "corpus/seeds/start-takes-exactly-sixteen-bytes.seq";
    "R-24": "decryption fails when the IV was already used with the key",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/a-reused-iv-is-refused.seq";
    "R-25": "decryption may fail when the IV is not above the last one",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/a-reused-iv-is-refused.seq";
    "R-26": "decode fails when the IV was already used with the key",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/a-reused-iv-is-refused.seq";
    "R-27": "decode may fail when the IV is not above the last one",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/a-reused-iv-is-refused.seq";
    "R-29": "the driver makes the counters of a read-back, and uses no block twice under a key",
        by "src/workbench/invariant/read_back.rs: check",
        shown "corpus/seeds/uploads-rise-above-what-read-backs-use.seq";
    "R-30": "sequential counters keep the IV for a frame, and Count goes on in whole blocks",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/sequential-counters-go-on-within-one-iv.seq";
    "R-31": "IV and Count are big-endian in memory and are compared as numbers",
        by "src/driver/counter.rs: CounterRange",
        shown "corpus/seeds/ivs-are-compared-as-numbers.seq";
    "R-33": "what is wrapped under a session key is wrapped by AES-ECB",
        by "src/driver/secrets.rs: draw_read_back_key",
        shown "corpus/seeds/a-read-back-key-is-wrapped-under-the-key-in-force.seq";
    "R-35": "each call for a read-back key makes a new one",
        by "src/driver/secrets.rs: draw_read_back_key",
        shown "corpus/seeds/every-read-back-key-is-new.seq";
    "R-36": "a read-back key is handed out wrapped under the session key",
        by "src/driver/secrets.rs: draw_read_back_key",
        shown "corpus/seeds/a-read-back-key-is-wrapped-under-the-key-in-force.seq";
    "R-68": "after a tear-down the status of a session tells of it",
        by "src/ddi/lib.rs: check_crypto_session_status",
        shown "corpus/seeds/nothing-revives-a-lost-session.seq";
    "R-69": "no document asks for secrecy in what is printed; here no secret is ever shown",
        by "src/driver/home.rs: Home",
        shown "corpus/crashes/key-leak/debug-shows-the-key-of-a-session.seq";

    "S-01": "a second start is refused and the first random number stays",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/second-start-is-refused.seq";
    "S-02": "a finish without a start is refused and the key is untouched",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/finish-without-start-is-refused.seq";
    "S-03": "finish consumes the random number, so the second finish is refused",
        by "src/driver/secrets.rs: apply_random",
        shown "corpus/seeds/second-finish-is-refused.seq";
    "S-04": "without a key there is no refresh",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/nothing-works-before-the-key-exchange.seq";
    "S-05": "without a key there is no data and no read-back key",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/nothing-works-before-the-key-exchange.seq";
    "S-06": "a start that fails changes no state and erases what it drew",
        by "src/driver/secrets.rs: draw_random",
        shown "corpus/seeds/entropy-failure-leaves-the-session-keyed.seq";
    "S-07": "a session is keyed once; a new key needs a new session",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/second-exchange-is-refused.seq";
    "S-08": "there is no key exchange between start and finish",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/exchange-while-refreshing-is-refused.seq";
    "S-09": "nothing cancels a refresh; it is pending until finish, destroy or tear-down",
        by "src/driver/state.rs: State",
        shown "corpus/seeds/a-pending-refresh-has-no-time-limit.seq";
    "S-10": "a refresh has no time limit, and whatever is kept is bounded",
        by "src/driver/state.rs: State",
        shown "corpus/seeds/a-pending-refresh-has-no-time-limit.seq";
    "S-11": "the random number has exactly 16 bytes, and the size is never written back",
        by "src/driver/adapter.rs: start_session_key_refresh",
        shown "corpus/seeds/start-takes-exactly-sixteen-bytes.seq";
    "S-12": "a random number of zeros, or the last one again, is drawn again",
        by "src/driver/secrets.rs: draw_random",
        shown "corpus/seeds/a-zero-random-number-is-drawn-again.seq";
    "S-13": "every fault of a wrapped key has one answer and the same work behind it",
        by "src/driver/adapter.rs: exchange_key",
        shown "corpus/seeds/bad-wrapped-keys-leave-the-session-unkeyed.seq";
    "S-14": "random numbers come from the system in production and from the harness here only",
        by "src/driver/seams.rs: OsEntropy",
        shown "corpus/seeds/entropy-failure-leaves-the-session-keyed.seq";
    "S-15": "a NULL pointer is an argument error and changes nothing",
        by "src/driver/adapter.rs: submit",
        shown "corpus/seeds/start-without-a-buffer-does-not-start.seq";
    "S-17": "work in flight keeps the key that it was submitted under",
        by "src/driver/session.rs: bind_buffer",
        shown "corpus/seeds/work-in-flight-keeps-its-key-over-finish.seq";
    "S-19": "a read-back key lives until finish",
        by "src/driver/secrets.rs: apply_random",
        shown "corpus/seeds/a-finish-ends-the-read-back-key.seq";
    "S-21": "destroy ends a pending refresh, erases both secrets and switches no key",
        by "src/driver/adapter.rs: destroy",
        shown "corpus/seeds/destroy-while-refreshing.seq";
    "S-22": "a session with work in flight dies at once, and the work completes",
        by "src/driver/adapter.rs: destroy",
        shown "corpus/seeds/work-in-flight-outlives-its-session.seq";
    "S-23": "a destroyed session answers as one that never was",
        by "src/driver/device.rs: find",
        shown "corpus/seeds/a-destroyed-session-serves-no-call.seq";
    "S-24": "no handle is given out twice, and a worn-out slot is retired",
        by "src/driver/table.rs: Table",
        shown "corpus/seeds/worn-out-session-slots-are-retired.seq";
    "S-26": "counters only rise, for the whole life of a session and over every refresh",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/a-refresh-does-not-restart-the-counters.seq";
    "S-29": "uploads and read-backs have one row of counters, which only rises",
        by "src/workbench/invariant/read_back.rs: check",
        shown "corpus/seeds/uploads-rise-above-what-read-backs-use.seq";
    "S-30": "what rises is the pair of IV and Count, so sequential counters are accepted",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/sequential-counters-go-on-within-one-iv.seq";
    "S-31": "the caller gives the IV; without one nothing is decrypted",
        by "src/driver/adapter.rs: submit",
        shown "corpus/seeds/a-buffer-is-whole-blocks-and-not-too-long.seq";
    "S-32": "IVs are compared as numbers, never as bytes in native order",
        by "src/driver/counter.rs: CounterRange",
        shown "src/driver/counter.rs: ivs_are_compared_as_numbers_not_as_bytes_in_native_order";
    "S-33": "a Count that would pass 2^64 is refused",
        by "src/driver/counter.rs: CounterRange",
        shown "corpus/seeds/a-count-that-would-pass-2-to-the-64-is-refused.seq";
    "S-34": "ranges of counters do not overlap, not by one block",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/overlapping-counts-are-refused.seq";
    "S-37": "a refused buffer uses no counter up",
        by "src/driver/counter.rs: use_up",
        shown "corpus/seeds/a-refused-buffer-uses-no-counter-up.seq";
    "S-38": "after the last counter there is none, and no refresh brings one",
        by "src/driver/counter.rs: use_up",
        shown "corpus/seeds/the-last-iv-is-final.seq";
    "S-40": "a buffer is a whole number of blocks, at least one and no more than the driver takes",
        by "src/driver/adapter.rs: submit",
        shown "corpus/seeds/a-buffer-is-whole-blocks-and-not-too-long.seq";
    "S-41": "the buffer for a wrapped key has exactly 16 bytes",
        by "src/driver/adapter.rs: get_encryption_blt_key",
        shown "corpus/seeds/a-read-back-key-takes-exactly-sixteen-bytes.seq";
    "S-43": "each input is copied once, and the caller may change it when the call is back",
        by "src/driver/adapter.rs: submit",
        shown "corpus/seeds/work-in-flight-keeps-its-key-over-finish.seq";
    "S-44": "unknown, dead, worn-out and foreign handles have one answer",
        by "src/driver/device.rs: find",
        shown "corpus/seeds/calls-before-any-device-are-refused.seq";
    "S-45": "a call that the state does not allow has one code",
        by "src/driver/state.rs: Refusal",
        shown "corpus/seeds/finish-without-start-is-refused.seq";
    "S-48": "the output of a refused call is zeroed",
        by "src/driver/adapter.rs: start_session_key_refresh",
        shown "corpus/crashes/failed-call-is-inert/a-refused-start-leaves-its-output.seq";
    "S-49": "destroying a live session never fails",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/destroy-ends-a-session-in-every-state.seq";
    "S-50": "what is advertised works, and what works is advertised",
        by "src/driver/capabilities.rs: offered",
        shown "corpus/seeds/what-works-is-advertised.seq";
    "S-52": "a lost session tells its status and can be destroyed; nothing revives it",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/nothing-revives-a-lost-session.seq";
    "S-54": "with the engine every session key is lost, and erased",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/a-reset-loses-the-work-in-flight.seq";
    "S-56": "nothing of a failed create stays, and no destroy is expected",
        by "src/driver/adapter.rs: create_session",
        shown "corpus/seeds/no-memory-for-a-session.seq";
    "S-71": "finish does not end the session, whatever one page calls its handle",
        by "src/ddi/lib.rs: finish_session_key_refresh",
        shown "corpus/seeds/a-refresh-between-frames.seq";
    "S-79": "secrets are erased on finish, destroy, loss and completion",
        by "src/driver/secrets.rs: apply_random",
        shown "corpus/crashes/key-residue/a-dying-device-leaves-a-random-number-behind.seq";

    "INV-01": "a start leaves the key of the data as it was",
        by "src/ddi/lib.rs: start_session_key_refresh",
        shown "corpus/seeds/data-goes-on-while-a-refresh-is-pending.seq";
    "INV-02": "the new key is the old one XOR exactly the number that start handed out",
        by "src/ddi/lib.rs: finish_session_key_refresh",
        shown "corpus/seeds/a-chain-of-eight-refreshes.seq";
    "INV-03": "after n refreshes the key is the first one XOR all n random numbers",
        by "src/driver/secrets.rs: apply_random",
        shown "corpus/seeds/a-chain-of-eight-refreshes.seq";
    "INV-04": "a refused call changes nothing and leaves its outputs zeroed",
        by "src/driver/state.rs: step",
        shown "corpus/seeds/a-refused-buffer-uses-no-counter-up.seq";
    "INV-05": "no key and counter block are used twice, also when an old key comes back",
        by "src/driver/counter.rs: CounterTrack",
        shown "corpus/seeds/a-restored-key-does-not-restore-its-counters.seq";
    "INV-06": "no secret is left in memory once its life is over",
        by "src/driver/home.rs: Home",
        shown "corpus/crashes/key-residue/a-destroyed-session-leaves-its-key-behind.seq";
    "INV-07": "a handle resolves on its own device only, and only while it lives",
        by "src/driver/device.rs: find",
        shown "corpus/seeds/an-old-handle-does-not-find-the-new-session.seq";
    "INV-08": "work in flight keeps what it captured and completes exactly once",
        by "src/driver/session.rs: bind_buffer",
        shown "corpus/seeds/a-refresh-between-submission-and-completion.seq";
    "INV-09": "exactly the promised bytes are written",
        by "src/driver/adapter.rs: start_session_key_refresh",
        shown "corpus/crashes/output-bounds/start-zeroes-a-seventeenth-byte.seq";
    "INV-10": "every combination of arguments gets a code",
        by "src/ddi/lib.rs: CryptoSessionDdi",
        shown "corpus/seeds/calls-before-any-device-are-refused.seq";
    "INV-11": "capabilities, entries and behaviour agree, at any time",
        by "src/driver/capabilities.rs: offered",
        shown "corpus/seeds/capabilities-are-the-same-at-any-time.seq";
    "INV-12": "calls on one session change no other",
        by "src/workbench/invariant/session_isolation.rs: foreign_keys",
        shown "corpus/seeds/two-sessions-refresh-independently.seq";
    "INV-13": "no two read-back keys in a row are the same, and none is a random number",
        by "src/driver/secrets.rs: draw_read_back_key",
        shown "corpus/seeds/a-read-back-key-of-zeros-is-drawn-again.seq";
    "INV-14": "the same calls over the same entropy have the same outputs",
        by "src/workbench/executor/seams.rs: SeededEntropy",
        shown "corpus/seeds/a-start-that-does-not-draw-leaves-the-entropy-fault.seq";
};
