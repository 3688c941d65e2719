//! Each kind of page: what is put where, in the templates below `pages/dashboard`.

use askama::Template;

use super::again::Life;
use super::builds::{COMPARED_WITH, Name, Seen, differences};
use super::chart::chart;
use super::picture::picture;
use super::{Dashboard, LISTED, Listed, PageError};
use crate::campaign::{Record, grouped, read_record, record_ids};
use crate::store::{Bug, Moment, State, told_with};

/// How all pages look.
pub(super) const STYLE: &str = include_str!("../pages/dashboard/style.css");

/// What a browser shows beside the title: boxes of the lives of secrets.
pub(super) const ICON: &str = include_str!("../pages/dashboard/icon.svg");

/// Hides the rows of a list that have not all words that somebody typed. Without it, everything is there.
pub(super) const FILTER: &str = include_str!("../pages/dashboard/filter.js");

/// How many findings and campaigns the first page has.
const FIRST: usize = 10;

/// What every page begins with.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    /// The way from the page to the top.
    pub(super) up: &'static str,
    pub(super) has_coverage: bool,
    pub(super) has_drills: bool,
}

impl Frame {
    pub(super) fn new(dashboard: &Dashboard, title: impl Into<String>, up: &'static str) -> Self {
        let (has_coverage, has_drills) = (dashboard.has_coverage(), dashboard.has_drills());
        Self { title: title.into(), up, has_coverage, has_drills }
    }
}

#[derive(Debug, Template)]
#[template(path = "dashboard/index.html")]
struct Index {
    frame: Frame,
    counts: Vec<Count>,
    findings: Vec<FindingRow>,
    campaigns: Vec<CampaignRow>,
    /// What the last campaign that came to its end looked into.
    looked_into: String,
}

#[derive(Debug, Template)]
#[template(path = "dashboard/findings.html")]
struct Findings {
    frame: Frame,
    counts: Vec<Count>,
    findings: Vec<FindingRow>,
    leaf: Leaf,
}

#[derive(Debug, Template)]
#[template(path = "dashboard/finding.html")]
struct Finding {
    frame: Frame,
    row: FindingRow,
    seen: String,
    first_seen: String,
    duplicate_of: String,
    ignored: String,
    replay: String,
    story: String,
    why_no_story: String,
    picture: String,
    left: Vec<Left>,
    lines: Vec<(usize, String)>,
    events: Vec<(String, String)>,
}

#[derive(Debug, Template)]
#[template(path = "dashboard/campaigns.html")]
struct Campaigns {
    frame: Frame,
    campaigns: Vec<CampaignRow>,
    leaf: Leaf,
}

#[derive(Debug, Template)]
#[template(path = "dashboard/campaign.html")]
struct Campaign {
    frame: Frame,
    row: CampaignRow,
    targets: String,
    looked_into: String,
    troubles: Vec<String>,
    found: Vec<(String, String)>,
    charts: Vec<String>,
}

#[derive(Debug, Template)]
#[template(path = "dashboard/builds.html")]
struct Builds {
    frame: Frame,
    builds: Vec<BuildRow>,
    leaf: Leaf,
}

#[derive(Debug, Template)]
#[template(path = "dashboard/compare.html")]
struct Compare {
    frame: Frame,
    before: String,
    after: String,
    parts: Vec<Part>,
}

/// A build in a list.
#[derive(Debug)]
struct BuildRow {
    name: String,
    short: String,
    first: String,
    shows: usize,
    holds: usize,
    /// Builds that it is compared with, by what they are called in paths and by what people read.
    before: Vec<(String, String)>,
}

/// Findings that something is said of.
#[derive(Debug)]
struct Part {
    title: &'static str,
    findings: Vec<FindingRow>,
}

/// Where a secret was left, and after which calls.
#[derive(Debug)]
struct Left {
    secret: String,
    place: String,
    when: String,
}

/// How many findings have a state.
#[derive(Debug)]
struct Count {
    name: &'static str,
    count: String,
    is_here: bool,
}

/// A finding in a list.
#[derive(Debug)]
struct FindingRow {
    name: String,
    fingerprint: String,
    state: &'static str,
    driver: String,
    invariant: String,
    happened: String,
    last_seen: String,
    build: String,
}

/// A campaign in a list.
#[derive(Debug)]
struct CampaignRow {
    id: String,
    time: String,
    driver: String,
    build: String,
    machine: String,
    jobs: usize,
    ended: &'static str,
    lasted: String,
    sequences: String,
    rate: String,
    edges: String,
    findings: usize,
}

/// Which of the parts of a long list a page is.
#[derive(Debug)]
struct Leaf {
    list: &'static str,
    number: usize,
    count: usize,
    all: String,
}

impl Leaf {
    /// The part of this number, counted from 1; `None` if there is none.
    fn of<'a, T>(list: &'static str, number: usize, all: &'a [T]) -> Option<(Self, &'a [T])> {
        let count = all.len().div_ceil(LISTED).max(1);
        let from = number.checked_sub(1).filter(|_| number <= count)? * LISTED;
        let part = &all[from..all.len().min(from + LISTED)];
        Some((Self { list, number, count, all: grouped(all.len() as u64) }, part))
    }
}

pub(super) fn index(dashboard: &Dashboard, now: Moment) -> Result<String, PageError> {
    let bugs = dashboard.bugs()?;
    let open = bugs.iter().filter(|bug| is_open(bug.state(now)));
    let ids = record_ids(&dashboard.sources.findings);
    let records: Vec<Record> = ids
        .iter()
        .filter_map(|id| read_record(&dashboard.sources.findings, id))
        .take(FIRST)
        .collect();
    let last = records.iter().find_map(|record| record.done.as_ref());
    Ok(render(&Index {
        frame: Frame::new(dashboard, "rekeylab", ""),
        counts: counts(&bugs, now, None),
        findings: open.take(FIRST).map(|bug| finding_row(bug, now)).collect(),
        campaigns: records.iter().map(campaign_row).collect(),
        looked_into: last.map(|done| done.looked_into.clone()).unwrap_or_default(),
    }))
}

/// Whether somebody has to do something about it.
fn is_open(state: Option<State>) -> bool {
    matches!(state, Some(State::Regressed | State::New | State::Known | State::Flaky))
}

pub(super) fn findings(
    dashboard: &Dashboard,
    name: &str,
    now: Moment,
) -> Result<String, PageError> {
    let (list, number) = name.rsplit_once('-').ok_or(PageError::NotThere)?;
    let listed = Listed::every().find(|it| it.name() == list).ok_or(PageError::NotThere)?;
    let number: usize = number.parse().map_err(|_| PageError::NotThere)?;
    let bugs = dashboard.bugs()?;
    let listed_bugs: Vec<&Bug> = bugs.iter().filter(|bug| listed.has(bug.state(now))).collect();
    let (leaf, part) = Leaf::of(listed.name(), number, &listed_bugs).ok_or(PageError::NotThere)?;
    Ok(render(&Findings {
        frame: Frame::new(dashboard, format!("findings: {}", listed.name()), "../"),
        counts: counts(&bugs, now, Some(listed)),
        findings: part.iter().map(|bug| finding_row(bug, now)).collect(),
        leaf,
    }))
}

pub(super) fn finding(dashboard: &Dashboard, name: &str, now: Moment) -> Result<String, PageError> {
    let bugs = dashboard.bugs()?;
    let bug = bugs.iter().find(|bug| name_of(bug) == name).ok_or(PageError::NotThere)?;
    let events = dashboard.events_of(&bug.driver, bug.fingerprint)?;
    let shown = dashboard.shown(bug);
    let text = bug.text.clone().unwrap_or_default();
    let calls: Vec<String> = text.lines().filter_map(call_of).collect();
    let with = told_with(&bugs);
    let root = with.get(&(bug.driver.clone(), bug.fingerprint)).copied();
    let root = root.filter(|root| *root != bug.fingerprint);
    let root = root
        .and_then(|root| bugs.iter().find(|it| it.driver == bug.driver && it.fingerprint == root));
    let row = finding_row(bug, now);
    Ok(render(&Finding {
        frame: Frame::new(dashboard, format!("{} {}", row.fingerprint, row.invariant), "../"),
        seen: match bug.seen_count {
            1 => "once".to_owned(),
            count => format!("{} times", grouped(count)),
        },
        first_seen: bug.first_seen.map(Moment::short).unwrap_or_default(),
        duplicate_of: root.map(name_of).unwrap_or_default(),
        ignored: match (&bug.ignored, bug.state(now)) {
            (Some(ignored), Some(State::Ignored)) => {
                let until = ignored.until.map(|until| format!(" until {}", until.short()));
                format!("by {}{}: {}", ignored.by, until.unwrap_or_default(), ignored.why)
            }
            _ => String::new(),
        },
        replay: shown.replay.clone().unwrap_or_default(),
        story: shown.story.clone().unwrap_or_default(),
        why_no_story: shown.why_no_story.clone(),
        picture: picture(&shown.lives, &calls),
        left: left(&shown.lives),
        lines: text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect(),
        events: events.iter().map(|event| (event.time.short(), event.body.sentence())).collect(),
        row,
    }))
}

/// Where secrets were left, each place once.
fn left(lives: &[Life]) -> Vec<Left> {
    let mut left = Vec::new();
    for life in lives {
        let mut places: Vec<(&str, u32, u32)> = Vec::new();
        for spot in &life.leftovers {
            match places.iter_mut().find(|(place, ..)| *place == spot.place) {
                Some((_, first, last)) => {
                    (*first, *last) = ((*first).min(spot.call), (*last).max(spot.call));
                }
                None => places.push((&spot.place, spot.call, spot.call)),
            }
        }
        left.extend(places.into_iter().map(|(place, first, last)| Left {
            secret: life.name.clone(),
            place: place.to_owned(),
            when: if first == last {
                format!("after call {first}")
            } else {
                format!("after calls {first} to {last}")
            },
        }));
    }
    left
}

/// The call in a line of a sequence; `None` for remarks and lines that only say something of the driver.
fn call_of(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default();
    let call = line.split("->").next().unwrap_or_default().trim();
    (!call.is_empty()).then(|| call.to_owned())
}

pub(super) fn campaigns(dashboard: &Dashboard, name: &str) -> Result<String, PageError> {
    let number: usize = name.parse().map_err(|_| PageError::NotThere)?;
    let folder = &dashboard.sources.findings;
    let ids = record_ids(folder);
    let (leaf, part) = Leaf::of("campaigns", number, &ids).ok_or(PageError::NotThere)?;
    let records = part.iter().filter_map(|id| read_record(folder, id));
    Ok(render(&Campaigns {
        frame: Frame::new(dashboard, "campaigns", "../"),
        campaigns: records.map(|record| campaign_row(&record)).collect(),
        leaf,
    }))
}

pub(super) fn campaign(dashboard: &Dashboard, id: &str) -> Result<String, PageError> {
    let record = read_record(&dashboard.sources.findings, id).ok_or(PageError::NotThere)?;
    let bugs = dashboard.bugs()?;
    let done = record.done.clone();
    let named = |fingerprint: String| {
        let is_it = |bug: &&Bug| {
            bug.driver == record.began.driver && bug.fingerprint.to_string() == fingerprint
        };
        (bugs.iter().find(is_it).map(name_of).unwrap_or_default(), fingerprint)
    };
    let found: Vec<_> = done.iter().flat_map(|done| done.found.clone()).map(named).collect();
    let of = |value: fn(&crate::campaign::Sample) -> u64| {
        let point = |sample: &crate::campaign::Sample| (sample.milliseconds, value(sample));
        record.samples.iter().map(point).collect::<Vec<_>>()
    };
    let charts = [
        chart("sequences", &of(|sample| sample.executions)),
        chart("calls a second", &rates(&record)),
        chart("edges of the driver", &of(|sample| sample.edges)),
        chart("inputs kept", &of(|sample| sample.working_set)),
        chart("findings", &of(|sample| sample.findings as u64)),
    ];
    let row = campaign_row(&record);
    Ok(render(&Campaign {
        frame: Frame::new(dashboard, format!("campaign of {}", row.time), "../"),
        targets: record.began.targets.join(", "),
        looked_into: done.as_ref().map(|done| done.looked_into.clone()).unwrap_or_default(),
        troubles: done.map(|done| done.troubles).unwrap_or_default(),
        found,
        charts: charts.into_iter().filter(|chart| !chart.is_empty()).collect(),
        row,
    }))
}

pub(super) fn builds(dashboard: &Dashboard, name: &str) -> Result<String, PageError> {
    let number: usize = name.parse().map_err(|_| PageError::NotThere)?;
    let builds = dashboard.builds()?;
    let (leaf, part) = Leaf::of("builds", number, &builds).ok_or(PageError::NotThere)?;
    let from = (number - 1) * LISTED;
    let row = |(at, seen): (usize, &Seen)| {
        let before = builds.iter().skip(from + at + 1).take(COMPARED_WITH);
        BuildRow {
            name: seen.name(),
            short: seen.build.short(),
            first: seen.first.short(),
            shows: seen.shows.len(),
            holds: seen.holds.len(),
            before: before.map(|before| (before.name(), before.build.short())).collect(),
        }
    };
    Ok(render(&Builds {
        frame: Frame::new(dashboard, "builds", "../"),
        builds: part.iter().enumerate().map(row).collect(),
        leaf,
    }))
}

pub(super) fn compare(dashboard: &Dashboard, name: &str, now: Moment) -> Result<String, PageError> {
    let (before, after) = name.split_once("...").ok_or(PageError::NotThere)?;
    let builds = dashboard.builds()?;
    let named =
        |name: &str| builds.iter().find(|seen| seen.name() == name).ok_or(PageError::NotThere);
    let (before, after) = (named(before)?, named(after)?);
    let bugs = dashboard.bugs()?;
    let row = |name: &&Name| {
        let is_it = |bug: &&Bug| bug.driver == name.0 && bug.fingerprint == name.1;
        bugs.iter().find(is_it).map(|bug| finding_row(bug, now))
    };
    let part = |(title, names): (&'static str, Vec<&Name>)| Part {
        title,
        findings: names.iter().filter_map(row).collect(),
    };
    let parts = differences(before, after).into_iter().map(part);
    Ok(render(&Compare {
        frame: Frame::new(
            dashboard,
            format!("{} and {}", before.build.short(), after.build.short()),
            "../",
        ),
        before: before.build.to_string(),
        after: after.build.to_string(),
        parts: parts.filter(|part| !part.findings.is_empty()).collect(),
    }))
}

/// Calls a second between two samples.
fn rates(record: &Record) -> Vec<(u64, u64)> {
    let between = |pair: &[crate::campaign::Sample]| {
        let time = pair[1].milliseconds.saturating_sub(pair[0].milliseconds);
        let calls = pair[1].calls.saturating_sub(pair[0].calls);
        Some((pair[1].milliseconds, calls.saturating_mul(1000).checked_div(time)?))
    };
    record.samples.windows(2).filter_map(between).collect()
}

/// What the page of a finding is called: a bug may look the same in two drivers.
pub(super) fn name_of(bug: &Bug) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("{}-{}", bug.fingerprint, bug.driver.chars().map(plain).collect::<String>())
}

fn counts(bugs: &[Bug], now: Moment, here: Option<Listed>) -> Vec<Count> {
    let count = |listed: Listed| Count {
        name: listed.name(),
        count: grouped(bugs.iter().filter(|bug| listed.has(bug.state(now))).count() as u64),
        is_here: here == Some(listed),
    };
    Listed::every().map(count).collect()
}

fn finding_row(bug: &Bug, now: Moment) -> FindingRow {
    FindingRow {
        name: name_of(bug),
        fingerprint: bug.fingerprint.to_string(),
        state: bug.state(now).map_or("", State::name),
        driver: bug.driver.clone(),
        invariant: bug.invariant.clone(),
        happened: bug.happened.clone(),
        last_seen: bug.last_seen.map(Moment::short).unwrap_or_default(),
        build: bug.last_build.as_ref().map(crate::store::Build::short).unwrap_or_default(),
    }
}

fn campaign_row(record: &Record) -> CampaignRow {
    let began = &record.began;
    let last = record.samples.last().copied().unwrap_or_default();
    let lasted = core::time::Duration::from_secs(last.milliseconds / 1000);
    let rate = last.calls.saturating_mul(1000).checked_div(last.milliseconds).unwrap_or(0);
    CampaignRow {
        id: record.id.clone(),
        time: began.time.short(),
        driver: began.driver.clone(),
        build: began.build.short(),
        machine: began.machine.clone(),
        jobs: began.jobs,
        ended: match &record.done {
            None => "runs or was killed",
            Some(done) if done.interrupted => "interrupted",
            Some(_) => "to its end",
        },
        lasted: humantime::format_duration(lasted).to_string(),
        sequences: grouped(last.executions),
        rate: grouped(rate),
        edges: grouped(last.edges),
        findings: last.findings,
    }
}

/// It writes into memory, and puts nothing in but text and numbers.
pub(super) fn render(page: &impl Template) -> String {
    page.render().unwrap_or_default()
}
