//! Progress on standard error, while engines are built and sequences run.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::campaign::engine::Step;

use super::console::Console;

/// One line that is redrawn, or a line now and then.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Display {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, last_line: None }
    }

    pub(super) fn step(&mut self, step: Step<'_>, console: &mut Console<'_>) {
        match step {
            Step::Begins(what) => self.say(what, console),
            Step::GoesOn(line) => self.line(|| format!("  {line}"), console),
        }
    }

    /// Shows how far the work is; it may be asked for all the time.
    pub(super) fn line(&mut self, line: impl FnOnce() -> String, console: &mut Console<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_message(line());
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            // The first line would say nothing yet.
            if self.last_line.is_some() {
                console.note(&line());
            }
            self.last_line = Some(Instant::now());
        }
    }

    pub(super) fn say(&self, line: &str, console: &mut Console<'_>) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console.note(line)),
            None => console.note(line),
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How often a line of progress is written where nothing can be redrawn.
const LINE_EVERY: Duration = Duration::from_secs(10);
