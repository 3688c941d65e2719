//! A lane of a campaign: a built target, and what came of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::engine::Engine;
use super::target::Target;

/// A built target that workers are started of.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The target.
    pub target: Target,
    /// What searches.
    pub engine: Engine,
    /// Its program.
    pub binary: PathBuf,
    /// What stands before the options of an engine.
    pub arguments: Vec<OsString>,
}

/// What was done in a lane.
#[derive(Clone, Debug)]
pub struct LaneOutcome {
    /// The target.
    pub target: Target,
    /// What searched.
    pub engine: Engine,
    /// Inputs run by all its workers.
    pub input_count: u64,
    /// Calls made by them.
    pub call_count: u64,
    /// Inputs for which `Debug` text was looked into, too.
    pub debug_count: u64,
    /// Inputs for which runs were compared, too, and what is made of a key was searched for.
    pub differential_count: u64,
    /// Most edges that one worker reached.
    pub edges: u64,
    /// Whether a worker has read the whole working set.
    pub is_all_read: bool,
    /// How long all its workers searched, together: from when each had read the inputs that it began with.
    pub time: Duration,
}

impl LaneOutcome {
    /// Nothing yet.
    pub(super) fn of(lane: &Lane) -> Self {
        Self {
            target: lane.target,
            engine: lane.engine,
            input_count: 0,
            call_count: 0,
            debug_count: 0,
            differential_count: 0,
            edges: 0,
            is_all_read: false,
            time: Duration::ZERO,
        }
    }

    /// Whether it ran, and no worker of it has come to the end of the inputs that it begins with.
    pub(super) fn has_only_read(&self) -> bool {
        self.input_count > 0 && !self.is_all_read
    }

    /// Why its silence means nothing, and where to look.
    pub(super) fn why_blind(&self) -> String {
        let Target { name, packages, edges_min, working_set, .. } = self.target;
        if !self.is_all_read {
            return format!(
                "{name} did not come to the end of the inputs that it begins with, and searched for \
                 nothing new; look what ended its engine, or give it more --time"
            );
        }
        format!(
            "{name} saw too little: it reached {} edges of {}, and its floor is {edges_min}; \
             look whether fuzz/instrument-only.sh leaves coverage on these, and whether \
             fuzz/corpus/{working_set} has the seeds of corpus/",
            self.edges,
            packages.join(", "),
        )
    }
}
