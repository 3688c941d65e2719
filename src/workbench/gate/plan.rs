//! The steps of a gate, chosen by what the change touches.

use std::path::Path;
use std::time::Duration;

use super::Step;
use super::changed::{Change, Kind};
use crate::campaign::TARGETS;

/// What a caller chooses of the steps.
#[derive(Clone, Copy, Debug)]
pub struct Seconds<'a> {
    /// How long each fuzz target runs.
    pub each_target: u32,
    /// Most calls of a sequence of the exhaustive run.
    pub depth: u8,
    /// Where findings are written.
    pub findings: &'a Path,
    /// What every command is given beside its own arguments.
    pub common: &'a [String],
    /// Data sheets of drivers that are run beside the core.
    pub drivers: &'a [String],
}

/// How long a step may take until it is thought to hang; each takes a small part of that.
const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(60 * minutes);

/// Steps in the order in which they are run: those that say most in the least time come first.
#[must_use]
pub fn usual_steps(change: &Change, chosen: Seconds<'_>) -> Vec<Step> {
    let findings = chosen.findings.display().to_string();
    let step = |name: &str, says: String, arguments: &[&str], limit: Duration| Step {
        name: name.to_owned(),
        says,
        arguments: arguments
            .iter()
            .map(|&word| word.to_owned())
            .chain(chosen.common.to_vec())
            .collect(),
        driver: None,
        limit,
        left_out: None,
        is_for_base: true,
        needs_faults: false,
    };
    let replay = step(
        "replay",
        "everything stored is run again".to_owned(),
        &["replay", "corpus"],
        MINUTES(10),
    );
    if change.kind == Kind::Documents {
        return vec![replay];
    }
    let depth = chosen.depth.to_string();
    let mut steps = vec![
        replay,
        step(
            "audit",
            "all memory is looked at after everything stored".to_owned(),
            &["audit", "corpus"],
            MINUTES(15),
        ),
        step(
            "exhaust",
            format!("every sequence of up to {depth} calls"),
            &["exhaust", "--depth", &depth, "--findings", &findings],
            MINUTES(30),
        ),
        Step {
            needs_faults: true,
            ..step(
                "canary",
                "every planted fault must ring its alarm, and the honest core none".to_owned(),
                &["canary", "--findings", &findings],
                MINUTES(30),
            )
        },
    ];
    for target in TARGETS {
        let is_left_out = !change.touches(&target) && !change.touches_workbench();
        let (seconds, why) = if is_left_out || change.touches(&target) {
            (chosen.each_target, "")
        } else {
            let quarter = chosen.each_target.div_ceil(4);
            (quarter, ", a quarter of the time, because nothing that it is about is touched")
        };
        let says = if is_left_out {
            format!("left out: {NOT_TOUCHED}")
        } else {
            format!("the engine searches for {seconds} s{why}")
        };
        let time = format!("{seconds}s");
        let fuzz = step(
            &format!("fuzz {}", target.name),
            says,
            &["fuzz", "--target", target.name, "--time", &time, "--findings", &findings],
            // It is built first.
            MINUTES(30) + Duration::from_secs(seconds.into()),
        );
        let left_out = is_left_out.then(|| NOT_TOUCHED.to_owned());
        // The fuzz targets of the base would have to be built as well.
        steps.push(Step { left_out, is_for_base: false, ..fuzz });
    }
    let time = format!("{}s", chosen.each_target);
    for sheet in chosen.drivers {
        let of_driver = |name: &str, says: String, arguments: &[&str], limit| {
            let arguments = [arguments, &["--driver", sheet], &ACCEPTED].concat();
            Step {
                driver: Some(sheet.clone()),
                ..step(&format!("{name} {sheet}"), says, &arguments, limit)
            }
        };
        steps.push(of_driver(
            "replay",
            format!("everything stored is run again on the driver of {sheet}"),
            &["replay", "corpus"],
            MINUTES(10),
        ));
        steps.push(of_driver(
            "fuzz",
            format!("the driver of {sheet} is searched for {} s", chosen.each_target),
            &["fuzz", "--time", &time],
            MINUTES(10) + Duration::from_secs(chosen.each_target.into()),
        ));
    }
    steps
}

/// Why a fuzz target need not even be built.
const NOT_TOUCHED: &str = "neither what it is about nor the workbench is touched";

/// No library can say these of itself, so that they are missing is nothing new.
const ACCEPTED: [&str; 2] = ["--allow-missing", "homes,debug,differential"];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Vec<(String, String)> {
        let change = Change::of_files(files.iter().map(|&file| file.to_owned()).collect());
        let findings = Path::new("fuzz/findings");
        let drivers = ["driver.toml".to_owned()];
        let chosen =
            Seconds { each_target: 20, depth: 7, findings, common: &[], drivers: &drivers };
        let steps = usual_steps(&change, chosen).into_iter();
        let time = |step: &Step| {
            let at = step.arguments.iter().position(|word| word == "--time");
            at.map_or_else(String::new, |at| step.arguments[at + 1].clone())
        };
        steps.map(|step| (step.name.clone(), time(&step))).collect()
    }

    #[test]
    fn documents_get_the_replay_alone_and_all_else_every_step() {
        assert_eq!(names(&["README.md"]), [("replay".to_owned(), String::new())]);
        let all = names(&["Cargo.toml"]);
        let steps: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            steps,
            [
                "replay",
                "audit",
                "exhaust",
                "canary",
                "fuzz call_sequence",
                "fuzz call_sequence_keysan",
                "fuzz sequence_forms",
                "replay driver.toml",
                "fuzz driver.toml"
            ]
        );
    }

    #[test]
    fn a_lane_that_is_not_touched_gets_a_quarter_of_its_time() {
        let times: Vec<String> =
            names(&["src/workbench/lib.rs"]).into_iter().map(|(_, time)| time).collect();
        assert_eq!(times, ["", "", "", "", "5s", "5s", "20s", "", "20s"]);
    }

    #[test]
    fn a_lane_of_which_nothing_is_touched_is_left_out_and_said_to_be() {
        let change = Change::of_files(vec!["src/driver/state.rs".to_owned()]);
        let findings = Path::new("fuzz/findings");
        let chosen = Seconds { each_target: 20, depth: 7, findings, common: &[], drivers: &[] };
        let steps = usual_steps(&change, chosen);
        let left_out: Vec<&Step> = steps.iter().filter(|step| step.left_out.is_some()).collect();
        let [step] = left_out[..] else { panic!("{left_out:?}") };
        assert_eq!(step.name, "fuzz sequence_forms");
        assert!(step.says.starts_with("left out: "), "{}", step.says);
    }
}
