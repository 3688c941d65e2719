//! A campaign as some lines at the bottom of a terminal, that are redrawn while findings scroll past above them.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Stderr};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use indicatif::FormattedDuration;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Gauge, Paragraph, Sparkline, Widget as _};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use crate::campaign::{Pulse, grouped};

/// The lines of a campaign. Where it cannot draw any more, it is silent: the search goes on.
#[derive(Debug)]
pub(super) struct Panel<B: Backend> {
    terminal: Terminal<B>,
    title: String,
    past: Past,
    drawn: Option<Instant>,
}

/// How many lines it has.
const HEIGHT: u16 = 6;

/// The narrowest terminal that it is readable on, and the lowest that leaves room for findings above it.
const WIDTH_MIN: u16 = 50;
const TERMINAL_HEIGHT_MIN: u16 = 2 * HEIGHT;

/// The least time between two drawings.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

impl Panel<CrosstermBackend<Stderr>> {
    /// Takes the lines below the cursor; `None` where there is no terminal that is wide enough and answers.
    pub(super) fn open(title: String) -> Option<Self> {
        // Whoever runs in the background would be stopped by the terminal that it asks.
        if !io::stderr().is_terminal() || !io::stdin().is_terminal() || !is_in_foreground() {
            return None;
        }
        let backend = CrosstermBackend::new(io::stderr());
        let size = backend.size().ok()?;
        if size.width < WIDTH_MIN || size.height < TERMINAL_HEIGHT_MIN {
            return None;
        }
        Self::on(backend, title).ok()
    }
}

impl<B: Backend> Panel<B> {
    fn on(backend: B, title: String) -> Result<Self, B::Error> {
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        let terminal = Terminal::with_options(backend, options)?;
        Ok(Self { terminal, title, past: Past::default(), drawn: None })
    }

    /// Shows how far the campaign is; it may be asked for all the time.
    pub(super) fn show(&mut self, pulse: &Pulse, also: Option<&str>) {
        self.past.see(pulse);
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < DRAWN_EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        let Self { terminal, title, past, .. } = self;
        let _ = terminal.draw(|frame| draw(frame, title, pulse, past, also));
    }

    /// Writes lines above it, which stay.
    pub(super) fn say(&mut self, text: &str) {
        let plain = strip_str(text).to_string();
        let width = usize::from(self.terminal.get_frame().area().width).max(1);
        let lines: Vec<Line<'_>> = plain
            .lines()
            .flat_map(|line| textwrap::wrap(line, width))
            .map(|line| Line::from(line.into_owned()))
            .collect();
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let _ = self.terminal.insert_before(height, |buffer| {
            Paragraph::new(Text::from(lines)).render(buffer.area, buffer);
        });
        self.drawn = None;
    }

    /// Takes its lines away.
    pub(super) fn end(&mut self) {
        let _ = self.terminal.clear();
    }
}

/// What is drawn of the past: a number for each part of the time.
#[derive(Debug, Default)]
struct Past {
    calls_per_second: VecDeque<u64>,
    edges: VecDeque<u64>,
    /// How far it was when the last number was taken.
    last: (Duration, u64),
}

/// How many numbers are kept, and how long each stands for.
const KEPT: usize = 200;
const KEPT_EVERY: Duration = Duration::from_secs(1);

impl Past {
    fn see(&mut self, pulse: &Pulse) {
        let (then, calls) = self.last;
        let passed = pulse.elapsed.saturating_sub(then);
        if passed < KEPT_EVERY {
            return;
        }
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        let made = pulse.calls.saturating_sub(calls).saturating_mul(1000) / millis;
        for (row, number) in [(&mut self.calls_per_second, made), (&mut self.edges, pulse.coverage)]
        {
            if row.len() == KEPT {
                row.pop_front();
            }
            row.push_back(number);
        }
        self.last = (pulse.elapsed, pulse.calls);
    }
}

fn draw(frame: &mut Frame<'_>, title: &str, pulse: &Pulse, past: &Past, also: Option<&str>) {
    let rows: [Rect; HEIGHT as usize] =
        Layout::vertical([Constraint::Length(1); HEIGHT as usize]).areas(frame.area());
    let [head, time, numbers, speed, edges, notes] = rows;
    frame.render_widget(Line::from(title).bold(), head);
    let elapsed = pulse.elapsed.min(pulse.total);
    let ratio = elapsed.as_secs_f64() / pulse.total.as_secs_f64().max(1.0);
    let label = format!("{} of {}", FormattedDuration(elapsed), FormattedDuration(pulse.total));
    let gauge = Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label);
    frame.render_widget(gauge.gauge_style(Style::new().cyan()), time);
    let findings = if pulse.finding_count == 1 { "finding" } else { "findings" };
    let found =
        format!("{} {findings}", grouped(u64::try_from(pulse.finding_count).unwrap_or(u64::MAX)));
    let numbers_line = Line::from(vec![
        format!("{} sequences  {} kept  ", grouped(pulse.executions), grouped(pulse.corpus)).into(),
        if pulse.finding_count == 0 { found.into() } else { found.red().bold() },
    ]);
    frame.render_widget(numbers_line, numbers);
    let last = past.calls_per_second.back().copied().unwrap_or_else(|| pulse.calls_per_second());
    drawn_row(frame, speed, &format!("{} calls/s", grouped(last)), &past.calls_per_second, 0);
    // Edges only ever rise, and little: what stands at the left is the ground.
    let ground = past.edges.front().copied().unwrap_or(0).saturating_sub(1);
    let reached = match pulse.coverage {
        0 => "no edges counted".to_owned(),
        count => format!("{} edges", grouped(count)),
    };
    drawn_row(frame, edges, &reached, &past.edges, ground);
    let also = also.unwrap_or(if pulse.elapsed < pulse.total {
        "Ctrl-C ends the search and tells what was found"
    } else {
        "the search is over, and what was found is made short"
    });
    frame.render_widget(Line::from(also).dim(), notes);
    // Where a cursor is, it is not hidden: so nothing has to be mended when this program is killed.
    frame.set_cursor_position((notes.x, notes.y));
}

/// How wide the numbers beside the drawn rows are.
const LABEL_WIDTH: u16 = 20;

/// A number, and its past above the ground as bars.
fn drawn_row(frame: &mut Frame<'_>, area: Rect, label: &str, past: &VecDeque<u64>, ground: u64) {
    let [left, right] =
        Layout::horizontal([Constraint::Length(LABEL_WIDTH), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Line::from(label), left);
    let room = usize::from(right.width);
    let bars = past.iter().skip(past.len().saturating_sub(room));
    let bars: Vec<u64> = bars.map(|number| number.saturating_sub(ground)).collect();
    frame.render_widget(Sparkline::default().data(bars).style(Style::new().cyan()), right);
}

/// Whether the terminal listens to this program.
#[cfg(unix)]
fn is_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stderr()).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn is_in_foreground() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    fn pulse(seconds: u64) -> Pulse {
        Pulse {
            elapsed: Duration::from_secs(seconds),
            total: Duration::from_secs(600),
            executions: 1000 * seconds,
            calls: 20_000 * seconds * seconds,
            coverage: 300 + seconds,
            corpus: 70,
            finding_count: 1,
        }
    }

    fn lines(panel: &Panel<TestBackend>) -> Vec<String> {
        let text = panel.terminal.backend().to_string();
        text.lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
    }

    #[test]
    fn a_campaign_is_seen_at_a_glance_and_findings_scroll_past_above() {
        let mut panel = Panel::on(TestBackend::new(60, 10), "core, 2 workers".to_owned()).unwrap();
        for second in 0..20 {
            panel.drawn = None;
            panel.show(&pulse(second), None);
        }
        panel.say("\u{1b}[1mdouble-finish\u{1b}[0m: a finding of which there is more to say than one line has room for");
        panel.show(&pulse(20), Some("first look: 3 of 9"));
        let seen = lines(&panel).join("\n");
        for text in [
            "double-finish: a finding of which",
            "core, 2 workers",
            "00:00:20 of 00:10:00",
            "20,000 sequences  70 kept  1 finding",
            "780,000 calls/s",
            "320 edges",
            "first look: 3 of 9",
        ] {
            assert!(seen.contains(text), "{text:?} is not in\n{seen}");
        }
        assert!(seen.contains('▁') && seen.contains('█'), "{seen}");
        panel.end();
        let left = lines(&panel).join("\n");
        assert!(left.contains("double-finish") && !left.contains("edges"), "{left}");
    }

    #[test]
    fn a_row_of_the_past_is_bounded_and_time_that_stands_still_is_no_trouble() {
        let mut past = Past::default();
        (0..1000).for_each(|second| past.see(&pulse(second)));
        assert_eq!(past.edges.len(), KEPT);
        past.see(&pulse(3));
        past.see(&Pulse::default());
        assert_eq!(past.edges.len(), KEPT);
    }
}
