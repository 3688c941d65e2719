//! Tells the engine which states were reached, so that a new state is progress without new code.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::observation::Trace;
use crate::search::feature::{FEATURES, Features, Reached};

/// Counters that an engine reads after each input; libFuzzer calls them extra counters.
#[derive(Debug)]
#[repr(transparent)]
pub struct Counters([AtomicU8; FEATURES]);

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; FEATURES])
    }
}

/// Works out the features of a trace; remembers which were ever reached.
pub(super) struct Feedback {
    features: Features,
    reached: [bool; FEATURES],
}

impl Default for Feedback {
    fn default() -> Self {
        Self { features: Features::default(), reached: [false; FEATURES] }
    }
}

impl Feedback {
    /// Sets the counters of every state, transition and depth in the trace.
    pub(super) fn mark(&mut self, trace: &Trace, counters: &Counters) {
        for &Reached { feature, .. } in self.features.of(trace) {
            counters.0[usize::from(feature)].store(1, Ordering::Relaxed);
            self.reached[usize::from(feature)] = true;
        }
    }

    /// How many features were ever reached.
    pub(super) fn reached_count(&self) -> usize {
        self.reached.iter().filter(|&&reached| reached).count()
    }
}
