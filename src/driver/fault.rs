//! Planted bugs, each one line at its natural place, so that the workbench's alarms can be heard.
//!
//! Without the feature `faults`, [`fault!`] is the constant `false` and nothing else of this file
//! exists.

/// Whether this fault is planted on this thread.
macro_rules! fault {
    ($name:ident) => {{
        #[cfg(feature = "faults")]
        {
            $crate::fault::is_planted($crate::fault::Fault::$name)
        }
        #[cfg(not(feature = "faults"))]
        {
            false
        }
    }};
}
pub(crate) use fault;

#[cfg(feature = "faults")]
pub use planted::{Fault, plant};

#[cfg(feature = "faults")]
pub(crate) use planted::{is_planted, planted};

#[cfg(feature = "faults")]
mod planted {
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Plants a fault in every core on this thread, or none.
    ///
    /// What faults keep outside any core is cleared, and cleared again with each new core.
    pub fn plant(fault: Option<Fault>) {
        crate::keepsakes::forget();
        PLANTED.set(fault);
        crate::keepsakes::forget();
    }

    pub(crate) fn planted() -> Option<Fault> {
        PLANTED.get()
    }

    pub(crate) fn is_planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    macro_rules! faults {
        ($($variant:ident = $name:literal, $rule:literal, rings $invariant:literal, $calls:literal calls: $summary:literal;)*) => {
            /// A bug that can be planted in the core.
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
            pub enum Fault {
                $(#[doc = $summary] $variant,)*
            }

            impl Fault {
                /// Every fault.
                pub const ALL: &[Self] = &[$(Self::$variant,)*];

                /// Its name on the command line.
                #[must_use]
                pub const fn name(self) -> &'static str {
                    match self { $(Self::$variant => $name,)* }
                }

                /// The rule that it breaks.
                #[must_use]
                pub const fn breaks(self) -> &'static str {
                    match self { $(Self::$variant => $rule,)* }
                }

                /// The invariant that it must ring, and no other.
                #[must_use]
                pub const fn rings(self) -> &'static str {
                    match self { $(Self::$variant => $invariant,)* }
                }

                /// The length of the shortest sequence that shows it, in calls.
                #[must_use]
                pub const fn shortest(self) -> usize {
                    match self { $(Self::$variant => $calls,)* }
                }

                /// What goes wrong, in one sentence.
                #[must_use]
                pub const fn summary(self) -> &'static str {
                    match self { $(Self::$variant => $summary,)* }
                }

                /// The fault of this name, or `None`.
                #[must_use]
                pub fn from_name(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|fault| fault.name() == name)
                }
            }
        };
    }

    impl Fault {
        /// Whether it leaves its traces in memory that all threads share: beside it, no other
        /// thread can be drilled.
        #[must_use]
        pub const fn is_seen_by_other_threads(self) -> bool {
            matches!(self, Self::KeyInStatic | Self::MaskedKeyInStatic | Self::SpreadKeyInStatic)
        }
    }

    faults! {
        KeyInDebug = "key-in-debug", "R-69", rings "key-leak", 3 calls:
            "Debug of a session shows the bytes of its key";
        HomeDroppedUnwiped = "home-dropped-unwiped", "S-79", rings "key-residue", 3 calls:
            "a home of a secret goes back to the heap with the secret in it";
        FinishKeepsRandom = "finish-keeps-random", "S-03", rings "double-finish", 6 calls:
            "finish does not consume the random number, and a second finish XORs it again";
        FinishWithoutStart = "finish-without-start", "S-02", rings "double-finish", 4 calls:
            "finish succeeds on a keyed session that never started a refresh";
        DestroyLeavesSessionAlive = "destroy-leaves-session-alive", "S-23", rings "use-after-destroy", 4 calls:
            "destroy answers ok and the session goes on serving calls";
        WornOutSlotWraps = "worn-out-slot-wraps", "S-24", rings "use-after-destroy", 7 calls:
            "a slot past its last generation starts again at the first, and old handles live again";
        GenerationIgnored = "generation-ignored", "S-24", rings "use-after-destroy", 4 calls:
            "a handle is looked up by index alone, so a stale one finds the slot's new session";
        KeyBoundAtCompletion = "key-bound-at-completion", "S-17", rings "wrong-key-epoch", 6 calls:
            "a buffer is decrypted under the key of the moment it completes";
        FinishXorsHalfTheKey = "finish-xors-half-the-key", "INV-02", rings "wrong-key-epoch", 6 calls:
            "finish updates eight of the sixteen key bytes";
        StartSwitchesTheKey = "start-switches-the-key", "R-19", rings "wrong-key-epoch", 5 calls:
            "the key changes at start instead of at finish";
        FinishForgetsCounters = "finish-forgets-counters", "S-26", rings "keystream-reuse", 7 calls:
            "finish clears the counter history";
        IvMayRiseInNativeOrder = "iv-may-rise-in-native-order", "S-32", rings "keystream-reuse", 5 calls:
            "an IV that only rises when its bytes are read in native order is accepted";
        CounterOverlapsByOne = "counter-overlaps-by-one", "S-34", rings "keystream-reuse", 5 calls:
            "a buffer may begin with the last counter block of the one before";
        ForeignDeviceAccepted = "foreign-device-accepted", "R-02", rings "session-isolation", 4 calls:
            "a session can be reached through a device that did not create it";
        FailedStartStaysPending = "failed-start-stays-pending", "S-06", rings "failed-call-is-inert", 6 calls:
            "a start whose entropy failed leaves the session refreshing";
        FailedStartLeavesOutput = "failed-start-leaves-output", "S-48", rings "failed-call-is-inert", 1 calls:
            "a refused start leaves the caller's buffer as it was";
        RefusedSubmitConsumesCounter = "refused-submit-consumes-counter", "S-37", rings "failed-call-is-inert", 6 calls:
            "a buffer that is refused for want of memory uses its counters up";
        StartWritesSeventeenBytes = "start-writes-seventeen-bytes", "INV-09", rings "output-bounds", 1 calls:
            "start zeroes one byte more than the random number has";
        SizeSeventeenAccepted = "size-seventeen-accepted", "S-11", rings "wrong-answer", 3 calls:
            "start accepts a buffer of seventeen bytes";
        SecondExchangeAccepted = "second-exchange-accepted", "S-07", rings "wrong-answer", 4 calls:
            "a keyed session takes another key";
        SecondStartReplacesRandom = "second-start-replaces-random", "S-01", rings "wrong-answer", 5 calls:
            "a second start replaces the random number of the first";
        ZeroRandomAccepted = "zero-random-accepted", "S-12", rings "wrong-answer", 5 calls:
            "start hands out a random number of all zeros";
        RepeatedRandomAccepted = "repeated-random-accepted", "S-12", rings "wrong-answer", 7 calls:
            "start hands out the same random number twice in a row";
        StatusHidesLoss = "status-hides-loss", "S-52", rings "wrong-answer", 4 calls:
            "the status of a lost session is OK";
        ResetSparesPendingSessions = "reset-spares-pending-sessions", "S-54", rings "wrong-answer", 6 calls:
            "a session that is refreshing survives an engine reset";
        DestroyDropsQueuedWork = "destroy-drops-queued-work", "INV-08", rings "lost-work", 5 calls:
            "destroy throws away what the session has in flight";
        CompletionDeliveredTwice = "completion-delivered-twice", "INV-08", rings "lost-work", 4 calls:
            "a completed command completes again";
        FailedCreateKeepsMemory = "failed-create-keeps-memory", "S-56", rings "lost-work", 3 calls:
            "a create that fails half-way keeps what it had reserved";
        CountOverflowPanics = "count-overflow-panics", "S-33", rings "no-panic", 3 calls:
            "a Count that passes 2^64 overflows in the driver";
        WipeClearsHalf = "wipe-clears-half", "S-79", rings "key-residue", 3 calls:
            "a wipe clears eight of the sixteen bytes of a home";
        WipeClearsACopy = "wipe-clears-a-copy", "S-79", rings "key-residue", 3 calls:
            "a wipe clears a copy of the secret, and the home keeps it";
        FinishLeavesRandom = "finish-leaves-random", "INV-06", rings "key-residue", 5 calls:
            "finish consumes the random number and leaves its bytes in their home";
        OldKeyInHistory = "old-key-in-history", "INV-06", rings "key-residue", 5 calls:
            "finish keeps the old key in a list of former keys";
        UpdatedKeyInFreedBox = "updated-key-in-freed-box", "S-79", rings "key-residue", 5 calls:
            "finish computes the updated key in a box and frees it unwiped";
        FinishLeavesKeyInRegister = "finish-leaves-key-in-register", "INV-06", rings "key-residue", 5 calls:
            "finish returns with the new key in a vector register";
        MarkIsTheRandom = "mark-is-the-random", "INV-06", rings "key-residue", 4 calls:
            "what tells a random number from the next one is the random number itself";
        FailedStartLeavesRandom = "failed-start-leaves-random", "S-06", rings "key-residue", 7 calls:
            "a start whose entropy repeats itself leaves the random number in its home";
        RandomTakenByValue = "random-taken-by-value", "S-79", rings "key-residue", 4 calls:
            "start passes the random number by value, and a copy stays on the stack";
        FailedExchangeKeepsKey = "failed-exchange-keeps-key", "S-13", rings "key-residue", 3 calls:
            "a key that did not unwrap properly stays in its home";
        KeyTakenByValue = "key-taken-by-value", "S-79", rings "key-residue", 3 calls:
            "the key exchange passes the key by value, and a copy stays on the stack";
        KeyInStatic = "key-in-static", "INV-06", rings "key-residue", 3 calls:
            "the key exchange caches the key in a static";
        MaskedKeyInStatic = "masked-key-in-static", "INV-06", rings "key-residue", 3 calls:
            "the key exchange caches the key in a static, XORed with a constant";
        SpreadKeyInStatic = "spread-key-in-static", "INV-06", rings "key-residue", 3 calls:
            "the key exchange caches the key in a static, one byte a word";
        KeyInThreadLocal = "key-in-thread-local", "INV-06", rings "key-residue", 3 calls:
            "the key exchange caches the key for its thread";
        KeyGrownByteByByte = "key-grown-byte-by-byte", "S-79", rings "key-residue", 3 calls:
            "a copy of the key grows byte by byte, and the blocks that it outgrows keep its beginning";
        KeysInGrowingVec = "keys-in-growing-vec", "S-79", rings "key-residue", 3 calls:
            "a session keeps its keys in a vector, which leaves them behind when it grows";
        RotatedKeyKept = "rotated-key-kept", "INV-06", rings "key-residue", 3 calls:
            "a session keeps its key in a box, rotated by three bits and XORed with a constant";
        RoundKeysKept = "round-keys-kept", "S-79", rings "key-residue", 3 calls:
            "a session keeps the round keys of its first key in a box";
        UnwindingSkipsWipe = "unwinding-skips-wipe", "S-79", rings "key-residue", 3 calls:
            "a panic that the driver catches unwinds past the wipe of a copy of the key";
        SubmitLeavesRoundKeys = "submit-leaves-round-keys", "S-79", rings "key-residue", 4 calls:
            "submit returns with round keys in two vector registers";
        KeysInGrowingDeque = "keys-in-growing-deque", "S-79", rings "key-residue", 4 calls:
            "the queue keeps captured keys in a deque, which leaves them behind when it grows";
        CompletedKeyLeft = "completed-key-left", "S-79", rings "key-residue", 4 calls:
            "the captured key of a completed command stays in its home";
        KeystreamKept = "keystream-kept", "INV-06", rings "key-residue", 4 calls:
            "the queue keeps the first keystream block of the last command in a box";
        ResetLeavesBoundKeys = "reset-leaves-bound-keys", "S-54", rings "key-residue", 5 calls:
            "an engine reset leaves the captured keys of lost commands in their homes";
        ResetLeavesSessionSecrets = "reset-leaves-session-secrets", "S-54", rings "key-residue", 4 calls:
            "an engine reset leaves the secrets of lost sessions in their homes";
        ResetLeavesRandom = "reset-leaves-random", "S-54", rings "key-residue", 5 calls:
            "an engine reset wipes the keys and forgets the random numbers";
        NewSessionInheritsKey = "new-session-inherits-key", "S-79", rings "key-residue", 4 calls:
            "the secrets of a destroyed session wait unwiped for the next session to move in";
        WornOutSessionForgotten = "worn-out-session-forgotten", "S-79", rings "key-residue", 8 calls:
            "a session destroyed in its slot's last generation is neither wiped nor freed";
        ClosedDeviceForgotten = "closed-device-forgotten", "S-79", rings "key-residue", 3 calls:
            "the sessions of a destroyed device are neither wiped nor freed";
        KeyInDebugAsBase64 = "key-in-debug-as-base64", "R-69", rings "key-leak", 3 calls:
            "Debug of a session shows its key as base64";
        RandomInDebug = "random-in-debug", "R-69", rings "key-leak", 4 calls:
            "Debug of the adapter shows random numbers, each as one integer";
        KeyInLog = "key-in-log", "R-69", rings "key-leak", 3 calls:
            "a line of the log shows the bytes of a key";
        KeyInErrorMessage = "key-in-error-message", "R-69", rings "key-leak", 4 calls:
            "a refused finish logs an error message with the key as one integer";
        PanicShowsKey = "panic-shows-key", "R-69", rings "key-leak", 4 calls:
            "a second key exchange panics, and the message shows the key";
        RefusedStartShowsRandom = "refused-start-shows-random", "S-48", rings "key-leak", 5 calls:
            "a refused second start leaves the random number of the first in the caller's buffer";
        RetireWritesKeyBehindOutput = "retire-writes-key-behind-output", "INV-09", rings "key-leak", 4 calls:
            "retire writes eight key bytes behind what it says it wrote";
        DecryptionSkipped = "decryption-skipped", "R-19", rings "wrong-key-epoch", 4 calls:
            "a buffer completes as it was submitted, still encrypted";
        KeyWipedBeforeUse = "key-wiped-before-use", "S-17", rings "wrong-key-epoch", 4 calls:
            "the captured key is wiped before the engine uses it";
    }
}
