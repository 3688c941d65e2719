//! Every planted fault: its name, its rule, its alarm, its shortest sequence and its sentence.

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

    // Refresh: its order, its values, its number.
    SecondStartAccumulates = "second-start-accumulates", "S-01", rings "wrong-answer", 5 calls:
        "a second start is accepted, and XORs the random number of the first into the key";
    SecondStartKeepsRandom = "second-start-keeps-random", "S-01", rings "key-leak", 5 calls:
        "a second start is accepted, and hands out the random number of the first";
    UnkeyedStartAccepted = "unkeyed-start-accepted", "S-04", rings "wrong-answer", 3 calls:
        "start succeeds on a session without a key";
    UnkeyedFinishAccepted = "unkeyed-finish-accepted", "S-04", rings "double-finish", 3 calls:
        "finish succeeds on a session without a key";
    UnkeyedSubmitAccepted = "unkeyed-submit-accepted", "S-05", rings "wrong-answer", 3 calls:
        "a session without a key processes buffers under zeros";
    FinishWithoutStartXorsGarbage = "finish-without-start-xors-garbage", "S-02", rings "double-finish", 4 calls:
        "finish without a start succeeds, and XORs what lay in uninitialised memory";
    RefusedFinishXorsGarbage = "refused-finish-xors-garbage", "S-02", rings "wrong-key-epoch", 5 calls:
        "finish without a start is refused, and XORs uninitialised memory all the same";
    NewSessionInheritsRefresh = "new-session-inherits-refresh", "S-21", rings "double-finish", 8 calls:
        "the refresh of a destroyed session waits for the next one in its slot";
    SecondRefreshFinishesTwice = "second-refresh-finishes-twice", "S-03", rings "double-finish", 8 calls:
        "the second refresh of a session can be finished twice";
    EighthFinishKeepsOldKey = "eighth-finish-keeps-old-key", "INV-03", rings "wrong-key-epoch", 20 calls:
        "every eighth finish keeps the old key";
    FifthKeyIsTheFirst = "fifth-key-is-the-first", "INV-03", rings "wrong-key-epoch", 12 calls:
        "keys are kept in a ring of four, and the fifth is the first again";
    FinishXorsBackwards = "finish-xors-backwards", "R-17", rings "wrong-key-epoch", 6 calls:
        "finish XORs the random number in the wrong byte order";
    FinishSkipsTheLastByte = "finish-skips-the-last-byte", "INV-02", rings "wrong-key-epoch", 6 calls:
        "finish updates fifteen of the sixteen key bytes";
    SecondRefreshAppliesFirstRandom = "second-refresh-applies-first-random", "INV-02", rings "wrong-key-epoch", 8 calls:
        "the second refresh XORs the random number of the first";
    FinishEndsSession = "finish-ends-session", "S-71", rings "wrong-answer", 6 calls:
        "finish ends the session";
    PendingRefreshTimesOut = "pending-refresh-times-out", "S-10", rings "wrong-answer", 13 calls:
        "a refresh that is pending for eight buffers is given up";
    OneRefreshPerDevice = "one-refresh-per-device", "INV-12", rings "wrong-answer", 6 calls:
        "a device has one refresh under way at most";
    RandomKeptPerDevice = "random-kept-per-device", "INV-12", rings "wrong-key-epoch", 9 calls:
        "the random number is kept once a device, and the last start decides it";
    RefusedStartEndsRefresh = "refused-start-ends-refresh", "S-01", rings "wrong-answer", 6 calls:
        "a refused second start gives the pending refresh up";
    NullStartStaysPending = "null-start-stays-pending", "S-15", rings "failed-call-is-inert", 5 calls:
        "a start without a buffer is refused and leaves the session refreshing";
    SizeZeroAccepted = "size-zero-accepted", "S-11", rings "wrong-answer", 3 calls:
        "start accepts a buffer of no bytes, and the random number stays with the driver";
    SizeFifteenAccepted = "size-fifteen-accepted", "S-11", rings "wrong-answer", 3 calls:
        "start accepts a buffer of fifteen bytes, and writes none of them";
    FourthDrawSkipped = "fourth-draw-skipped", "S-12", rings "wrong-answer", 5 calls:
        "start gives the entropy source up after three draws";
    FifthDrawMade = "fifth-draw-made", "S-12", rings "wrong-answer", 5 calls:
        "start gives the entropy source up after five draws";
    FourthStartDoesNotDraw = "fourth-start-does-not-draw", "S-12", rings "wrong-answer", 8 calls:
        "every fourth start hands out zeros without drawing";
    EntropyFailureSticks = "entropy-failure-sticks", "S-06", rings "wrong-answer", 6 calls:
        "after one failure of the entropy source every start of the session fails";
    FailedStartForgetsLastRandom = "failed-start-forgets-last-random", "S-12", rings "wrong-answer", 8 calls:
        "a failed start forgets the last random number, and the next may hand it out again";

    // Key exchange and loss.
    PendingExchangeAccepted = "pending-exchange-accepted", "S-08", rings "wrong-answer", 5 calls:
        "a session takes another key while a refresh is pending";
    RefusedExchangeWipesKey = "refused-exchange-wipes-key", "S-07", rings "wrong-key-epoch", 5 calls:
        "a refused second exchange wipes the key all the same";
    RefusedExchangeForgetsCounters = "refused-exchange-forgets-counters", "S-07", rings "keystream-reuse", 6 calls:
        "a refused second exchange clears the counter history";
    FailedExchangeKeysSession = "failed-exchange-keys-session", "S-13", rings "failed-call-is-inert", 4 calls:
        "a key that does not unwrap leaves the session keyed";
    LostSessionTakesKey = "lost-session-takes-key", "S-52", rings "wrong-answer", 4 calls:
        "a lost session takes a new key";

    // Work in flight: its key, its bytes, its room.
    KeyBoundPerSlot = "key-bound-per-slot", "INV-12", rings "session-isolation", 7 calls:
        "a buffer is bound to the key of the session in the same slot of the first device";
    KeyBoundPerDevice = "key-bound-per-device", "S-17", rings "session-isolation", 6 calls:
        "a buffer is bound to the key of the first session on the device";
    KeyBoundAtQueueBegin = "key-bound-at-queue-begin", "S-17", rings "wrong-key-epoch", 7 calls:
        "all work that a session has in flight is bound to the key of the oldest";
    NinthCommandMovesData = "ninth-command-moves-data", "INV-08", rings "wrong-key-epoch", 12 calls:
        "the ninth command that waits puts its bytes in front of the others";
    TwoFencesShareAHome = "two-fences-share-a-home", "S-17", rings "wrong-key-epoch", 35 calls:
        "captured keys have one home too few, and two of a full queue share one";
    FenceWrapsIntoEmptyHome = "fence-wraps-into-empty-home", "S-17", rings "wrong-key-epoch", 37 calls:
        "from the thirty-third fence on, captured keys are not written to their homes";
    DestroyWipesBoundKeys = "destroy-wipes-bound-keys", "INV-08", rings "wrong-key-epoch", 5 calls:
        "destroy wipes the captured keys of work in flight";
    DestroyLosesQueuedWork = "destroy-loses-queued-work", "S-22", rings "lost-work", 5 calls:
        "destroy loses what the session has in flight as a reset would";
    DestroyReleasesQueuedWork = "destroy-releases-queued-work", "S-49", rings "lost-work", 5 calls:
        "destroy gives the memory of work in flight back, and completion does again";
    QueueTakesOneMore = "queue-takes-one-more", "INV-10", rings "lost-work", 36 calls:
        "a full queue takes one command more, whose key replaces that of the first";
    QueueRefusesItsLast = "queue-refuses-its-last", "INV-10", rings "lost-work", 35 calls:
        "a queue with one place left is full";
    QueueTakesABlockMore = "queue-takes-a-block-more", "INV-10", rings "lost-work", 8 calls:
        "a queue that is full by bytes takes one block more";
    QueueRefusesItsLastByte = "queue-refuses-its-last-byte", "INV-10", rings "lost-work", 7 calls:
        "a buffer that would fill the queue to the last byte is refused";
    SeventeenthCommandPanics = "seventeenth-command-panics", "INV-10", rings "no-panic", 20 calls:
        "the seventeenth command that waits runs over a table of sixteen";
    LostBytesStillCount = "lost-bytes-still-count", "S-54", rings "lost-work", 11 calls:
        "the bytes of lost commands count until they are retired";
    LostWorkMovesOffset = "lost-work-moves-offset", "INV-09", rings "lost-work", 8 calls:
        "a completion is reported behind the bytes that lost commands before it would have had";
    SecondResetReleasesAgain = "second-reset-releases-again", "S-56", rings "lost-work", 6 calls:
        "a second reset gives the memory of lost commands back again";
    RetireStopsOneShort = "retire-stops-one-short", "INV-08", rings "lost-work", 5 calls:
        "retire delivers one completion less than it was asked for";
    NinthCompletionWritesBehind = "ninth-completion-writes-behind", "INV-09", rings "output-bounds", 12 calls:
        "a retire of more than eight commands writes a byte behind their results";
    ResetRestartsFences = "reset-restarts-fences", "S-54", rings "wrong-answer", 8 calls:
        "an engine reset restarts the fences at one";

    // Counters.
    RestoredKeyForgetsCounters = "restored-key-forgets-counters", "S-26", rings "keystream-reuse", 12 calls:
        "the counter history belongs to the key, and is forgotten when a refresh brings the first key back";
    SixteenthBufferForgotten = "sixteenth-buffer-forgotten", "S-26", rings "keystream-reuse", 20 calls:
        "the counters of every sixteenth buffer are not remembered";
    ThirdSessionLowersCounters = "third-session-lowers-counters", "INV-12", rings "keystream-reuse", 9 calls:
        "the third session of a device lowers the counters of the first to its own";
    RefusedBufferLowersCounters = "refused-buffer-lowers-counters", "S-37", rings "keystream-reuse", 6 calls:
        "a buffer that is refused for its counters lowers the history to them";
    FirstBlockAloneUsedUp = "first-block-alone-used-up", "S-34", rings "keystream-reuse", 5 calls:
        "a buffer uses up its first block only";
    LowHalfOfIvCompared = "low-half-of-iv-compared", "S-32", rings "keystream-reuse", 5 calls:
        "an IV whose low 32 bits rise is accepted";
    CountIgnoredWithinIv = "count-ignored-within-iv", "S-30", rings "keystream-reuse", 5 calls:
        "within one IV any Count is accepted";
    CountCarriesIntoIv = "count-carries-into-iv", "S-33", rings "wrong-answer", 3 calls:
        "a Count that passes 2^64 is carried into the IV";
    LastCountRefused = "last-count-refused", "S-33", rings "wrong-answer", 3 calls:
        "the last Count before 2^64 is refused";
    FullQueueConsumesCounter = "full-queue-consumes-counter", "S-37", rings "failed-call-is-inert", 9 calls:
        "a buffer that a full queue refuses uses its counters up";
    CountersOutliveSession = "counters-outlive-session", "INV-12", rings "wrong-answer", 8 calls:
        "a new session begins with the counters of the dead one in its slot";

    // Handles, slots and bounds.
    EverySecondGenerationLives = "every-second-generation-lives", "S-24", rings "use-after-destroy", 6 calls:
        "of a generation one bit is compared, and an old handle lives again two later";
    DeviceGenerationIgnored = "device-generation-ignored", "S-24", rings "use-after-destroy", 6 calls:
        "a session handle says the slot of its device and not its generation";
    WornOutTableStartsOver = "worn-out-table-starts-over", "S-24", rings "use-after-destroy", 25 calls:
        "a table whose slots are all worn out starts over at the first handle";
    SessionSlotServesOnceMore = "session-slot-serves-once-more", "S-24", rings "wrong-answer", 15 calls:
        "a session slot gives out one handle more than it may";
    DeviceSlotRetiredEarly = "device-slot-retired-early", "S-24", rings "wrong-answer", 8 calls:
        "a device slot is retired one handle too early";
    FourthDeviceRefused = "fourth-device-refused", "INV-10", rings "wrong-answer", 4 calls:
        "the last free device slot is not used";
    EighthSessionRefused = "eighth-session-refused", "INV-10", rings "wrong-answer", 9 calls:
        "the last free session slot is not used";
    NinthSessionEvictsFirst = "ninth-session-evicts-first", "INV-10", rings "wrong-answer", 10 calls:
        "a ninth session takes the place of the first";
    FailedCreateTakesSlot = "failed-create-takes-slot", "S-56", rings "wrong-answer", 11 calls:
        "a create that fails half-way leaves a session that nobody can name";
    FailedCreateTakesDevice = "failed-create-takes-device", "S-56", rings "wrong-answer", 6 calls:
        "a create-device that fails leaves a device that nobody can name";
    FailedCreateReleasesTooMuch = "failed-create-releases-too-much", "S-56", rings "lost-work", 3 calls:
        "a create that fails at once gives back what it never got";

    // Outputs, status and reset.
    RefusedSubmitLeavesFence = "refused-submit-leaves-fence", "S-48", rings "failed-call-is-inert", 1 calls:
        "a refused submit leaves the fence as it was";
    RefusedStatusSaysOk = "refused-status-says-ok", "S-48", rings "failed-call-is-inert", 1 calls:
        "a refused status query says that all is well";
    SecondResetForgetsContentLoss = "second-reset-forgets-content-loss", "S-54", rings "wrong-answer", 7 calls:
        "a second reset forgets that content was lost";
    ContentLossIsShared = "content-loss-is-shared", "INV-12", rings "wrong-answer", 7 calls:
        "a session lost its content if any session had work in flight";
    ContentLossOutlivesSession = "content-loss-outlives-session", "S-54", rings "wrong-answer", 8 calls:
        "a session lost its content if the dead one in its slot had work in flight";
    StatusHidesContentLoss = "status-hides-content-loss", "S-54", rings "wrong-answer", 6 calls:
        "the status of a session that lost content says that only its key is lost";
    ResetUnkeysSessions = "reset-unkeys-sessions", "S-52", rings "wrong-answer", 4 calls:
        "an engine reset leaves its sessions unkeyed instead of lost";
    ResetSparesOtherDevices = "reset-spares-other-devices", "S-54", rings "wrong-answer", 5 calls:
        "an engine reset reaches the sessions of the first device only";

    // Lengths.
    EmptyBufferPanics = "empty-buffer-panics", "S-40", rings "no-panic", 3 calls:
        "a buffer of no bytes underflows in the driver";
    PartialBlockAccepted = "partial-block-accepted", "S-40", rings "wrong-answer", 3 calls:
        "a buffer may end within a block";
    LongerBufferAccepted = "longer-buffer-accepted", "S-40", rings "wrong-answer", 3 calls:
        "a buffer may be one block longer than the bound";
    LongestBufferRefused = "longest-buffer-refused", "S-40", rings "wrong-answer", 3 calls:
        "a buffer of exactly the longest length is refused";
}
