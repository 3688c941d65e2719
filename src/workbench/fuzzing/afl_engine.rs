//! AFL++ as an engine of a campaign: started here, given what others find, and told of in the lines of libFuzzer.
//!
//! ```text
//! working set ─► input/ ─► afl-fuzz ─► worker/queue ─► working set
//!      └───────► others/queue ─┘ └───► worker/crashes, hangs ─► artifacts
//! ```
//!
//! What it reads, AFL++ has as links in a folder of its own, because others replace files of the working set.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::search_engine::{EngineOrder, name_of, store};

/// A target that was built for AFL++.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AflTarget {
    /// The target.
    pub program: PathBuf,
    /// The library with the mutator.
    pub mutator: PathBuf,
}

/// Runs AFL++ until the order is done or nobody reads the lines any more; how it ended. What it said last is told if
/// it failed.
///
/// # Errors
///
/// When its folder cannot be made, it cannot be started, or a line cannot be written.
pub fn afl_engine(target: &AflTarget, order: &EngineOrder) -> io::Result<ExitStatus> {
    let folder = order.artifacts.join("afl");
    // Of an earlier process of the same name there is nothing that was not taken over or is not in the working set.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut afl = Afl {
        order,
        folder,
        given: BTreeSet::new(),
        passed_on_count: 0,
        taken: BTreeSet::new(),
        said: Said::default(),
    };
    let child = afl.start(target)?;
    let status = afl.watch(child);
    // What is of use in there has been taken out.
    let _ = fs::remove_dir_all(&afl.folder);
    status
}

/// AFL++ at work.
struct Afl<'a> {
    order: &'a EngineOrder,
    /// All that it reads and writes.
    folder: PathBuf,
    /// Files of the working set that it was given, or that came from it.
    given: BTreeSet<OsString>,
    /// How many it was given since it began.
    passed_on_count: usize,
    /// Files of its queue that were looked at.
    taken: BTreeSet<OsString>,
    said: Said,
}

/// What AFL++ calls itself beside what it reads of others.
const NAME: &str = "worker";

/// How often its numbers are read.
const TICK: Duration = Duration::from_secs(1);

/// How often what it keeps goes to the working set: to list a queue takes longer the more there is in it.
const EXCHANGED_EVERY: Duration = Duration::from_secs(5);

/// How much longer than it was given it may take to end.
const GRACE: Duration = Duration::from_secs(10);

impl Afl<'_> {
    fn start(&mut self, target: &AflTarget) -> io::Result<Child> {
        let input = self.folder.join("input");
        fs::create_dir_all(&input)?;
        for name in self.not_given()? {
            // One that another has removed is not missed.
            if link(&self.order.working_set.join(&name), &input.join(&name)).is_ok() {
                self.given.insert(name);
            }
        }
        if self.given.is_empty() {
            // It wants something to start from.
            fs::write(input.join("empty"), [0])?;
        }
        // It reads more of what this folder has, if it takes it for that of the main one of several.
        fs::create_dir_all(self.others())?;
        fs::write(self.folder.join("others/is_main_node"), "")?;

        // Should this process be killed, AFL++ ends with it and takes the target along.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "afl-fuzz", "-S", NAME]);
        command.arg("-i").arg(&input).arg("-o").arg(&self.folder);
        command.arg("-t").arg(self.order.run_time.as_millis().to_string());
        command.arg("-G").arg(self.order.len_max.to_string());
        command.arg("-s").arg(self.order.seed.to_string());
        if let Some(time) = self.order.time {
            command.arg("-V").arg(time.as_secs().to_string());
        }
        if let Some(count) = self.order.input_count {
            command.arg("-E").arg(count.to_string());
        }
        command.arg("--").arg(&target.program);
        command.env("AFL_CUSTOM_MUTATOR_LIBRARY", &target.mutator);
        // In minutes; it knows no shorter time.
        command.env("AFL_SYNC_TIME", "1");
        for set in [
            "AFL_NO_UI",
            "AFL_NO_AFFINITY",
            "AFL_SKIP_CPUFREQ",
            "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES",
            "AFL_NO_CRASH_README",
            // Three runs say as much as eight of how long an input takes.
            "AFL_FAST_CAL",
            // Calls are left out by the mutator.
            "AFL_DISABLE_TRIM",
            // What the target counts is heard by the campaign.
            "AFL_DEBUG_CHILD",
        ] {
            command.env(set, "1");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("setpriv: {error}")))?;
        if let Some(out) = child.stdout.take() {
            let said = self.said.clone();
            thread::spawn(move || said.listen(out));
        }
        Ok(child)
    }

    fn watch(&mut self, mut child: Child) -> io::Result<ExitStatus> {
        let started = Instant::now();
        let (mut has_begun, mut exchanged) = (false, Instant::now());
        let status = loop {
            let status = child.try_wait()?;
            if status.is_some() || exchanged.elapsed() > EXCHANGED_EVERY {
                self.exchange()?;
                exchanged = Instant::now();
            }
            let numbers = self.numbers();
            if !has_begun && self.said.has_begun() {
                has_begun = true;
                numbers.say("INITED")?;
            }
            if let Some(status) = status {
                numbers.say("DONE")?;
                writeln!(io::stderr(), "stat::number_of_executed_units: {}", numbers.executions)?;
                break status;
            }
            if has_begun {
                // Nobody who reads it is the sign that the campaign is gone.
                numbers.say("pulse")?;
            }
            if self.order.time.is_some_and(|time| started.elapsed() > time + GRACE) {
                end(&child);
            }
            // AFL++ tells of nothing by itself: its files and its end have to be looked for.
            thread::sleep(TICK);
        };
        if !status.success() {
            for line in self.said.last() {
                writeln!(io::stderr(), "{line}")?;
            }
        }
        Ok(status)
    }

    /// Takes over what it has found, and gives it what others have.
    fn exchange(&mut self) -> io::Result<()> {
        for (folder, kind) in [("crashes", "crash"), ("hangs", "timeout")] {
            for path in files_of(&self.folder.join(NAME).join(folder)) {
                let bytes = fs::read(&path)?;
                let artifact = format!("{kind}-{}", name_of(&bytes).display());
                fs::rename(&path, self.order.artifacts.join(artifact))?;
            }
        }
        for path in files_of(&self.folder.join(NAME).join("queue")) {
            let Some(name) = path.file_name().map(OsString::from) else { continue };
            if !self.taken.insert(name.clone()) || !is_its_own(&name) {
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue };
            let name = name_of(&bytes);
            if let Err(error) = store(&self.order.working_set, &name, &bytes) {
                let set = self.order.working_set.display();
                writeln!(io::stderr(), "rekeylab: cannot-write={set}: {error}")?;
            }
            self.given.insert(name);
        }
        if self.order.reload.is_some() {
            for name in self.not_given()? {
                let link_name = format!("id:{:06}", self.passed_on_count);
                let from = self.order.working_set.join(&name);
                if link(&from, &self.others().join(link_name)).is_ok() {
                    self.passed_on_count += 1;
                }
                self.given.insert(name);
            }
        }
        Ok(())
    }

    /// Where it looks for what others have.
    fn others(&self) -> PathBuf {
        self.folder.join("others/queue")
    }

    /// What the working set has that it was not given, in the order of names.
    fn not_given(&self) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(&self.order.working_set)?;
        let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.retain(|name| {
            !self.given.contains(name) && !name.as_encoded_bytes().starts_with(b".")
        });
        names.sort();
        Ok(names)
    }

    fn numbers(&self) -> Numbers {
        let read =
            |name: &str| fs::read_to_string(self.folder.join(NAME).join(name)).unwrap_or_default();
        // One is written once a minute and the other now and then.
        Numbers::of_stats(&read("fuzzer_stats")).max(Numbers::of_plot(&read("plot_data")))
    }
}

/// What AFL++ counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Numbers {
    executions: u64,
    edges: u64,
    input_count: u64,
}

impl Numbers {
    /// From its file `fuzzer_stats`, a name and a number a line.
    fn of_stats(text: &str) -> Self {
        Self::of(text.lines().filter_map(|line| line.split_once(':')))
    }

    /// From its file `plot_data`: a line with the names of the columns, and some lines a minute.
    fn of_plot(text: &str) -> Self {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default().trim_start_matches("# ");
        let last = lines.next_back().unwrap_or_default();
        Self::of(head.split(',').zip(last.split(',')))
    }

    fn of<'t>(named: impl Iterator<Item = (&'t str, &'t str)>) -> Self {
        let mut numbers = Self::default();
        for (name, value) in named {
            let field = match name.trim() {
                "total_execs" | "execs_done" => &mut numbers.executions,
                "edges_found" => &mut numbers.edges,
                "corpus_count" => &mut numbers.input_count,
                _ => continue,
            };
            *field = value.trim().parse().unwrap_or(0);
        }
        numbers
    }

    /// Whichever is more of each.
    fn max(self, other: Self) -> Self {
        Self {
            executions: self.executions.max(other.executions),
            edges: self.edges.max(other.edges),
            input_count: self.input_count.max(other.input_count),
        }
    }

    /// As libFuzzer would say it.
    fn say(&self, event: &str) -> io::Result<()> {
        let Self { executions, edges, input_count } = self;
        let line = format!("#{executions}\t{event} cov: {edges} corp: {input_count}/0b\n");
        io::stderr().write_all(line.as_bytes())
    }
}

/// What AFL++ said last, and whether it has come to its search.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<(VecDeque<String>, bool)>>);

/// How many of its lines are kept.
const LINES_KEPT: usize = 12;

impl Said {
    fn listen(&self, out: impl io::Read) {
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let line = without_colours(&String::from_utf8_lossy(&line));
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.1 |= line.contains("All set and ready to roll");
            if said.0.len() == LINES_KEPT {
                said.0.pop_front();
            }
            said.0.push_back(line);
        }
    }

    fn has_begun(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn last(&self) -> Vec<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.0.iter().filter(|line| !line.trim().is_empty()).cloned().collect()
    }
}

/// A line without what a terminal takes for colours.
fn without_colours(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some((before, behind)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        rest = behind.find(|c: char| c.is_ascii_alphabetic()).map_or("", |at| &behind[at + 1..]);
    }
    text.push_str(rest);
    text.trim_end().to_owned()
}

/// Whether AFL++ made this file of its queue, and has not read it.
fn is_its_own(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    !name.contains(",orig:") && !name.contains(",sync:")
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"id:"))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

/// The same file in another place, or a copy where that is another disk.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

/// Asks AFL++ to end, which ends its target.
fn end(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    // It may have ended by itself a moment ago.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_numbers_are_found_by_their_names() {
        let text = "# relative_time, cycles_done, cur_item, corpus_count, pending_total, total_execs, edges_found\n\
                    5, 0, 0, 311, 2, 4000, 290\n10, 0, 7, 312, 0, 9000, 291\n";
        let numbers = Numbers { executions: 9000, edges: 291, input_count: 312 };
        assert_eq!(Numbers::of_plot(text), numbers);
        assert_eq!(Numbers::of_plot("# relative_time, total_execs\n"), Numbers::default());
        assert_eq!(Numbers::of_plot(""), Numbers::default());
        let stats = "execs_done        : 9000\nedges_found       : 291\ncorpus_count      : 312\n\
                     afl_banner        : a : b\n";
        assert_eq!(Numbers::of_stats(stats), numbers);
        assert_eq!(Numbers::of_stats("edges_found"), Numbers::default());
    }

    #[test]
    fn its_words_lose_their_colours() {
        assert_eq!(without_colours("\u{1b}[1;92m[+] \u{1b}[0mAll set\u{1b}[0m"), "[+] All set");
        assert_eq!(without_colours("plain \u{1b}["), "plain");
    }

    #[test]
    fn what_it_was_given_is_not_taken_for_its_own() {
        let own = |name: &str| is_its_own(&name.into());
        assert!(own("id:000312,src:000001,time:12,execs:900,op:custom,pos:0"));
        assert!(!own("id:000001,time:0,execs:0,orig:0a1b"));
        assert!(!own("id:000313,sync:others,src:000002"));
    }
}
