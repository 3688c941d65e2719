//! The fuzz targets: what each is about, what it eats, and how much of it a campaign must reach.

use crate::corpus::Forms;
use crate::observation::{Layer, Layers};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name in `fuzz/Cargo.toml`.
    pub name: &'static str,
    /// What people call it beside the others.
    pub lane: &'static str,
    /// The packages that it is about: coverage is on in these, and nowhere else.
    pub packages: &'static [&'static str],
    /// The forms in which it gets the seeds and reproducers of `corpus/`.
    pub forms: Forms,
    /// The folder below `fuzz/corpus` with its working set; targets that eat the same share one.
    pub working_set: &'static str,
    /// What is looked into for every input.
    pub layers: Layers,
    /// A campaign that reaches fewer edges of `packages` has seen too little to pass: some 60 % of
    /// what ten seconds from the corpus alone reach.
    pub edges_min: u64,
    /// Its part of the workers, or of the time of one worker, beside the parts of the others.
    pub share: u32,
    /// How many new inputs are a turn of it where turns are counted in inputs: some seconds.
    pub turn_input_count: u64,
}

/// The core, and the copy of it that holds the planted faults.
const DRIVER: &[&str] = &["rekeylab-driver", "rekeylab-cipher", "rekeylab-faults"];

/// Every target in `fuzz/fuzz_targets` that is about this workspace.
///
/// The gated lane gets three parts of four. It finds what the fast lane finds with some three times less
/// inputs a second, and also what that cannot see. With 1:3, 1:1 and 3:1, jobs of 20 s on one worker with
/// nothing stored found all of ten faults of hygiene and ten of behaviour, the former after 5.4, 9.5
/// and 13.6 s, the latter after 3.3, 3.6 and 3.8 s in the mean.
pub const TARGETS: [Target; 3] = [
    Target {
        name: "call_sequence",
        lane: "fast lane",
        packages: DRIVER,
        forms: Forms::Wire,
        working_set: "call_sequence",
        layers: Layers::FAST,
        edges_min: 175,
        share: 1,
        turn_input_count: 100_000,
    },
    Target {
        name: "call_sequence_keysan",
        lane: "gated lane",
        packages: DRIVER,
        forms: Forms::Wire,
        working_set: "call_sequence",
        layers: Layers::GATED,
        edges_min: 185,
        share: 3,
        turn_input_count: 100_000,
    },
    Target {
        name: "sequence_forms",
        lane: "forms",
        // The parsers; the oracles in the same package are not run by this target.
        packages: &["rekeylab"],
        forms: Forms::TextAndWire,
        working_set: "sequence_forms",
        layers: Layers::NONE,
        edges_min: 570,
        share: 1,
        turn_input_count: 100_000,
    },
];

/// The one for a driver in a library: the search of this program in a process of its own.
pub const LIBRARY: Target = Target {
    name: "library",
    lane: "search",
    packages: &[],
    forms: Forms::Wire,
    working_set: "library",
    // And what else can be looked into of the driver at hand.
    layers: Layers::NONE.with(Layer::Outputs),
    edges_min: 0,
    share: 1,
    turn_input_count: 100_000,
};

/// The lanes of the main job: together they look everywhere.
pub const MAIN_JOB: [&str; 2] = ["call_sequence", "call_sequence_keysan"];

impl Target {
    /// The target of this name, if it has a row here.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// The crates of its packages, as the compiler calls them.
    #[must_use]
    pub fn crates(&self) -> Vec<String> {
        self.packages.iter().map(|package| package.replace('-', "_")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_fuzz_target_has_a_row_and_every_row_a_target() {
        let files = fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
        let there: BTreeSet<String> = files
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        // The target `driver` is about a driver that this workspace does not have.
        let names = TARGETS.iter().map(|row| row.name).chain(["driver"]);
        let listed: BTreeSet<String> = names.map(str::to_owned).collect();
        assert_eq!(there, listed);
        assert!(MAIN_JOB.iter().all(|name| Target::named(name).is_some()));
    }

    #[test]
    fn every_package_that_a_target_is_about_is_in_the_workspace() {
        let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
        for package in TARGETS.iter().flat_map(|target| target.packages) {
            assert!(lock.contains(&format!("\nname = \"{package}\"\n")), "{package}");
        }
    }

    #[test]
    fn a_lane_that_runs_the_oracles_gets_no_coverage_of_them() {
        for target in TARGETS.iter().filter(|target| target.layers != Layers::NONE) {
            assert!(!target.crates().contains(&"rekeylab".to_owned()), "{}", target.name);
            assert!(!target.crates().contains(&"keysan".to_owned()), "{}", target.name);
        }
    }

    #[test]
    fn every_target_has_a_floor_that_glue_alone_does_not_reach() {
        for target in TARGETS {
            assert!(target.edges_min >= 100, "{}: {}", target.name, target.edges_min);
        }
    }
}
