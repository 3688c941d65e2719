//! What a campaign looked into, how much of it, and what not: the last line of `rekeylab fuzz`.

use std::time::Duration;

use serde::Serialize;

use crate::campaign::{FirstLook, LaneOutcome, Outcome, grouped};
use crate::observation::{Layer, Layers};

/// What a machine reads of the first look.
#[derive(Debug, Serialize)]
pub(super) struct ToldLook {
    inputs: u64,
    calls: u64,
    layers: Vec<&'static str>,
}

/// What a machine reads of a lane.
#[derive(Debug, Serialize)]
pub(super) struct ToldLane {
    target: &'static str,
    /// What searched: `libfuzzer`, `afl`, or `rekeylab` where this program itself is the engine.
    engine: &'static str,
    /// Its part of the workers' time beside the parts of the other lanes.
    share: u32,
    /// The time of all its workers.
    worker_seconds: f64,
    inputs: u64,
    calls: u64,
    /// What was looked into for every input.
    layers: Vec<&'static str>,
    /// For how many of them `Debug` text was looked into.
    inputs_with_debug: u64,
    /// For how many of them runs were compared and derived secrets searched for.
    inputs_with_differential: u64,
    edges: u64,
    edges_min: u64,
}

pub(super) fn told_look(look: &FirstLook) -> ToldLook {
    ToldLook { inputs: look.input_count, calls: look.call_count, layers: look.layers.names() }
}

pub(super) fn told_lane(lane: &LaneOutcome) -> ToldLane {
    ToldLane {
        target: lane.target.name,
        engine: lane.engine.word(),
        share: lane.target.share,
        worker_seconds: lane.time.as_secs_f64(),
        inputs: lane.input_count,
        calls: lane.call_count,
        layers: lane.target.layers.names(),
        inputs_with_debug: lane.debug_count,
        inputs_with_differential: lane.differential_count,
        edges: lane.edges,
        edges_min: lane.target.edges_min,
    }
}

/// The layers that nothing was looked into for, or not everything that should have been.
pub(super) fn not_looked_into(outcome: &Outcome) -> Layers {
    let look = outcome.first_look.map_or(Layers::NONE, |look| look.layers);
    let lanes = outcome.lanes.iter().filter(|lane| lane.input_count > 0);
    let seen = lanes.fold(look, |seen, lane| seen | layers_of(lane));
    let is_missing = |layer: &Layer| outcome.not_looked_into.contains(layer.name());
    let is_unseen = |layer: &Layer| !seen.has(*layer) || is_missing(layer);
    Layer::ALL.into_iter().filter(is_unseen).collect()
}

/// What was looked into for an input of this lane or another.
fn layers_of(lane: &LaneOutcome) -> Layers {
    let mut layers = lane.target.layers;
    if lane.debug_count > 0 {
        layers = layers.with(Layer::Debug);
    }
    if lane.differential_count > 0 {
        layers = layers.with(Layer::Derived).with(Layer::Differential);
    }
    layers
}

/// The line for people.
pub(super) fn looked_into_line(outcome: &Outcome) -> String {
    let mut parts = Vec::new();
    if let Some(look) = &outcome.first_look {
        let inputs = grouped(look.input_count);
        parts.push(format!("first look: {inputs} inputs ({})", layers(look.layers)));
    }
    let total: Duration = outcome.lanes.iter().map(|lane| lane.time).sum();
    parts.extend(outcome.lanes.iter().map(|lane| lane_text(lane, total)));
    let missing = not_looked_into(outcome);
    let missing =
        if missing == Layers::NONE { "nothing".to_owned() } else { missing.names().join(", ") };
    format!("{}; not looked into: {missing}", parts.join("; "))
}

fn lane_text(lane: &LaneOutcome, total: Duration) -> String {
    let percent = lane.time.as_millis() * 100 / total.as_millis().max(1);
    let mut text = format!(
        "{}{}, {percent} % of the time: {} inputs, {} calls",
        lane.target.lane,
        lane.engine.by(),
        grouped(lane.input_count),
        grouped(lane.call_count)
    );
    if lane.target.layers == Layers::NONE {
        return text;
    }
    text.push_str(&format!(" ({}", layers(lane.target.layers)));
    for (count, what) in
        [(lane.debug_count, "debug"), (lane.differential_count, "derived and differential")]
    {
        if count > 0 {
            text.push_str(&format!("; for {} of them {what}", grouped(count)));
        }
    }
    text.push(')');
    text
}

/// A set of layers by what is shorter to say: those in it, or those not.
fn layers(layers: Layers) -> String {
    let rest = Layers::ALL.except(layers).names();
    match rest.len() {
        0 => "every layer".to_owned(),
        len if len < layers.names().len() => format!("all but {}", rest.join(", ")),
        _ => layers.names().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Engine, Target};

    fn lane(name: &str, input_count: u64, debug_count: u64) -> LaneOutcome {
        LaneOutcome {
            target: Target::named(name).unwrap(),
            engine: Engine::LibFuzzer,
            input_count,
            call_count: 20 * input_count,
            debug_count,
            differential_count: 0,
            edges: 1,
            is_all_read: true,
            time: Duration::from_secs(10),
        }
    }

    #[test]
    fn the_fast_lane_alone_says_what_it_leaves_out() {
        let lanes = vec![lane("call_sequence", 1_234_567, 560)];
        let outcome = Outcome { lanes, ..Outcome::default() };
        assert_eq!(
            looked_into_line(&outcome),
            "fast lane, 100 % of the time: 1,234,567 inputs, 24,691,340 calls (outputs, log, \
             freed-heap; for 560 of them debug); not looked into: heap, homes, stack, registers, \
             statics, derived, differential"
        );
    }

    #[test]
    fn the_main_job_says_how_much_came_where() {
        let gated =
            LaneOutcome { differential_count: 300, ..lane("call_sequence_keysan", 12_345, 256) };
        let first_look = Some(FirstLook {
            input_count: 238,
            call_count: 9,
            layers: Layers::ALL,
            is_void: false,
        });
        let lanes = vec![lane("call_sequence", 5, 0), gated];
        let mut outcome = Outcome { lanes, first_look, ..Outcome::default() };
        assert_eq!(
            looked_into_line(&outcome),
            "first look: 238 inputs (every layer); fast lane, 50 % of the time: 5 inputs, 100 calls \
             (outputs, log, freed-heap); gated lane, 50 % of the time: 12,345 inputs, 246,900 calls \
             (all but debug, derived, differential; for 256 of them debug; for 300 of them derived \
             and differential); not looked into: nothing"
        );
        outcome.not_looked_into.insert("heap".to_owned());
        assert!(looked_into_line(&outcome).ends_with("; not looked into: heap"));
    }

    #[test]
    fn a_lane_that_ran_nothing_looked_into_nothing() {
        let lanes = vec![lane("call_sequence_keysan", 0, 0)];
        let outcome = Outcome { lanes, ..Outcome::default() };
        assert_eq!(not_looked_into(&outcome), Layers::ALL);
    }
}
