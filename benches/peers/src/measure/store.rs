//! Finished runs as JSON lines: appended one by one, so that a long measurement can go on later.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::run::{Key, Run, Task};

/// The file of finished runs.
#[derive(Debug)]
pub struct Store {
    file: File,
    runs: BTreeMap<Key, Run>,
}

impl Store {
    /// Opens the file, which need not exist.
    ///
    /// Lines that are no runs are passed over: the last one may be half of a run.
    ///
    /// # Errors
    ///
    /// When it cannot be read or created.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let text = fs::read_to_string(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file)?;
        }
        let runs = text.lines().filter_map(|line| serde_json::from_str::<Run>(line).ok());
        Ok(Self { file, runs: runs.map(|run| (run.key(), run)).collect() })
    }

    /// The finished run of this task, if there is one.
    #[must_use]
    pub fn run_of(&self, task: &Task) -> Option<&Run> {
        self.runs.get(&task.key())
    }

    /// Adds a finished run, in one write.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, run: Run) -> io::Result<()> {
        let line = serde_json::to_string(&run)?;
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.runs.insert(run.key(), run);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arms::Arm;
    use crate::judge::{Limits, Outcome};
    use rekeylab_faults::Fault;

    const LIMITS: Limits = Limits { executions: 10, seconds: 0.5 };

    fn run(seed: u64) -> Run {
        Run {
            arm: "indexed".to_owned(),
            fault: "generation-ignored".to_owned(),
            seed,
            limits: LIMITS,
            outcome: Outcome { rang: None, executions: 10, calls: 70 },
            seconds: 0.25,
        }
    }

    fn task(seed: u64) -> Task {
        Task { arm: Arm::Indexed, fault: Fault::GenerationIgnored, seed, limits: LIMITS }
    }

    #[test]
    fn what_was_added_is_there_again_and_half_a_line_is_passed_over() {
        let path = std::env::temp_dir().join(format!("peers-store-{}.jsonl", std::process::id()));
        fs::write(&path, "{\"arm\":\"ind").unwrap();
        Store::open(&path).unwrap().add(run(1)).unwrap();
        let mut again = Store::open(&path).unwrap();
        assert_eq!(again.run_of(&task(1)), Some(&run(1)));
        assert_eq!(again.run_of(&task(2)), None);
        again.add(run(2)).unwrap();
        assert_eq!(Store::open(&path).unwrap().run_of(&task(2)), Some(&run(2)));
        let longer = Limits { seconds: 60.0, ..LIMITS };
        assert_eq!(again.run_of(&Task { limits: longer, ..task(1) }), None);
        fs::remove_file(&path).unwrap();
    }
}
