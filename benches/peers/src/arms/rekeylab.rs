//! rekeylab's search without an engine, whole or without one of its parts.

use rekeylab::generate::SearchOptions;
use rekeylab::search::Search;

use super::until_over;
use crate::judge::{Judge, Outcome};

/// The loop of `Workbench::hunt`, with this package's judge in it.
pub(super) fn hunt(seed: u64, options: SearchOptions, judge: &mut Judge) -> Outcome {
    let mut search = Search::new(seed, options);
    until_over(|| {
        let flow = judge.judge(search.propose());
        if flow.is_continue() {
            search.learn(judge.trace());
        }
        flow
    })
}
