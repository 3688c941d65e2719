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
pub(crate) use planted::is_planted;

#[cfg(feature = "faults")]
mod planted {
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Plants a fault in every core on this thread, or none.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
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
    }
}
