//! Runs the reproducer of a finding again, in a process of its own, for its story and the lives of its secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;

use super::{Sources, lock};
use crate::campaign::{StopSignal, replay_command, replay_command_with};
use crate::child::{Child, Ended};
use crate::report::Fingerprint;
use crate::store::Bug;

/// How long a reproducer may take: a reader waits for it, and one that hangs is told as that.
const LIMIT: Duration = Duration::from_secs(5);

/// So many are kept. All of them are forgotten when another one comes, which costs a fraction of a second each.
const KEPT_MAX: usize = 512;

/// What a finding tells when its reproducer is run.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Shown {
    /// The command that shows it again, if its file is there.
    pub(super) replay: Option<String>,
    /// The whole story.
    pub(super) story: Option<String>,
    /// Why there is no story.
    pub(super) why_no_story: String,
    /// The lives of its secrets; empty if none can be seen.
    pub(super) lives: Vec<Life>,
}

/// The life of a secret, as `rekeylab hygiene` tells it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Life {
    pub(super) name: String,
    pub(super) cause: String,
    /// One letter a call.
    pub(super) time_line: String,
    #[serde(default)]
    pub(super) leftovers: Vec<Spot>,
}

/// A place where it was left.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Spot {
    pub(super) place: String,
    pub(super) call: u32,
}

/// Runs reproducers, and remembers what they told.
#[derive(Debug)]
pub(super) struct Again {
    root: PathBuf,
    program: PathBuf,
    sheet: Option<PathBuf>,
    kept: Mutex<BTreeMap<(String, Fingerprint), Arc<Shown>>>,
    stop: StopSignal,
}

impl Again {
    pub(super) fn new(sources: &Sources) -> Self {
        let Sources { root, program, sheet, .. } = sources.clone();
        Self { root, program, sheet, kept: Mutex::default(), stop: StopSignal::new() }
    }

    pub(super) fn shown(&self, bug: &Bug, folder: &Path) -> Arc<Shown> {
        let key = (bug.driver.clone(), bug.fingerprint);
        if let Some(kept) = lock(&self.kept).get(&key) {
            return Arc::clone(kept);
        }
        let shown = Arc::new(self.run(bug, folder));
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&shown));
        shown
    }

    fn run(&self, bug: &Bug, folder: &Path) -> Shown {
        let stored = bug.file.as_ref().map(|file| folder.join(file));
        let Some(path) = stored.filter(|path| path.is_file()) else {
            let why = "its reproducer is not on this machine".to_owned();
            return Shown { why_no_story: why, ..Shown::default() };
        };
        let path = path.strip_prefix(&self.root).map(Path::to_owned).unwrap_or(path);
        let fault = bug.driver.strip_prefix("core+fault:");
        let (options, replay) = match (&self.sheet, fault) {
            (Some(sheet), _) => {
                let options = vec!["--driver".to_owned(), sheet.display().to_string()];
                let replay = replay_command_with(&path, &format!("--driver {}", sheet.display()));
                (options, replay)
            }
            (None, Some(fault)) => {
                (vec!["--fault".to_owned(), fault.to_owned()], replay_command(&path, Some(fault)))
            }
            (None, None) => (Vec::new(), replay_command(&path, None)),
        };
        let ask = |command: &str, options: &[String]| self.ask(command, &path, options);
        let told = ask("run", &options);
        let story = told
            .as_ref()
            .ok()
            .and_then(|told| Some(told["files"].get(0)?.get("story")?.as_str()?.to_owned()));
        let why_no_story = match (&story, told) {
            (Some(_), _) => String::new(),
            (None, Ok(_)) => "this build does not show it".to_owned(),
            (None, Err(why)) => why,
        };
        // The homes of a driver of somebody's own are not known.
        let lives = if self.sheet.is_none() { ask("hygiene", &options).ok() } else { None };
        let lives = lives
            .and_then(|told| Vec::<Life>::deserialize(told["files"].get(0)?.get("secrets")?).ok());
        Shown { replay: Some(replay), story, why_no_story, lives: lives.unwrap_or_default() }
    }

    /// What a command of this program tells of a file.
    fn ask(
        &self,
        command: &str,
        path: &Path,
        options: &[String],
    ) -> Result<serde_json::Value, String> {
        let mut arguments = vec![command.to_owned(), path.display().to_string()];
        arguments.extend(options.iter().cloned());
        arguments.extend(["--format", "json"].map(str::to_owned));
        let (program, root, stop) = (&self.program, &self.root, &self.stop);
        let child =
            Child { program, root, arguments: &arguments, limit: LIMIT, stop, is_heard: false };
        let said = child.run(b"");
        match said.ended {
            Ended::Code(_) => serde_json::from_str(&said.out)
                .map_err(|_| format!("its reproducer cannot be run{}", said.last_words())),
            Ended::Late => Err(format!("its reproducer did not end within {} s", LIMIT.as_secs())),
            _ => Err("its reproducer cannot be run".to_owned()),
        }
    }
}
