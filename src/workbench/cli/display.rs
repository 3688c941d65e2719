//! Progress on standard error, while engines are built and sequences run.

use std::io::{IsTerminal, Stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ratatui::backend::CrosstermBackend;

use crate::campaign::engine::Step;
use crate::campaign::{Pulse, pulse_line};

use super::console::Console;
use super::panel::Panel;

/// One line that is redrawn, some while a campaign runs, or a line now and then.
pub(super) struct Display {
    has_terminal: bool,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    panel: Option<Panel<CrosstermBackend<Stderr>>>,
}

impl Display {
    pub(super) fn new() -> Self {
        let has_terminal = std::io::stderr().is_terminal();
        Self { has_terminal, bar: None, last_line: None, panel: None }
    }

    /// The line, from when there is something to be drawn: what is written past it would leave half of it behind.
    fn bar(&mut self) -> Option<&ProgressBar> {
        let has_terminal = self.has_terminal;
        if self.bar.is_none() && has_terminal {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
        self.bar.as_ref()
    }

    pub(super) fn step(&mut self, step: Step<'_>, console: &mut Console<'_>) {
        match step {
            Step::Begins(what) => self.say(what, console),
            Step::GoesOn(line) => self.line(|| format!("  {line}"), console),
        }
    }

    /// Shows how far the work is; it may be asked for all the time.
    pub(super) fn line(&mut self, line: impl FnOnce() -> String, console: &mut Console<'_>) {
        if let Some(bar) = self.bar() {
            bar.set_message(line());
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            // The first line would say nothing yet.
            if self.last_line.is_some() {
                console.note(&line());
            }
            self.last_line = Some(Instant::now());
        }
    }

    /// From now on, a campaign is shown, where there is room for more than a line.
    pub(super) fn begin_campaign(&mut self, title: String) {
        if let Some(bar) = self.bar.take() {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
        if self.has_terminal {
            self.panel = Panel::open(title);
        }
    }

    /// Shows how far the campaign is; it may be asked for all the time.
    pub(super) fn pulse(&mut self, pulse: &Pulse, also: Option<&str>, console: &mut Console<'_>) {
        if let Some(panel) = &mut self.panel {
            panel.show(pulse, also);
        } else {
            let also = also.map(|also| format!("  {also}")).unwrap_or_default();
            self.line(|| pulse_line(pulse) + &also, console);
        }
    }

    pub(super) fn say(&mut self, line: &str, console: &mut Console<'_>) {
        if let Some(panel) = &mut self.panel {
            panel.say(line);
        } else if let Some(bar) = &self.bar {
            bar.suspend(|| console.note(line));
        } else {
            console.note(line);
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(mut panel) = self.panel.take() {
            panel.end();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How often a line of progress is written where nothing can be redrawn.
const LINE_EVERY: Duration = Duration::from_secs(10);
