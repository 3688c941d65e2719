//! The life of every secret of a run: born where, at home where, dead since when, last seen where.

use core::fmt::Write as _;

use serde::Serialize;

use crate::observation::{Cause, Home, Layer, Lifetime, SecretKind, Trace};

/// The lives of the secrets of one run.
#[derive(Clone, Debug, Serialize)]
pub struct HygieneReport {
    /// The version of this form: fields are added, never changed in meaning.
    pub version: u32,
    /// The file that the sequence came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How many calls were made, those of the epilogue included.
    pub call_count: usize,
    /// What was looked into; of what is not here, nothing is known.
    pub layers: Vec<&'static str>,
    /// The secrets, in the order of their birth.
    pub secrets: Vec<SecretLife>,
    /// Places that follow the key in an encoding that no scan knows.
    pub followings: Vec<Spot>,
}

/// The life of one secret.
#[derive(Clone, Debug, Serialize)]
pub struct SecretLife {
    /// Its name.
    pub name: String,
    /// The call that brought it, counted from 0.
    pub born: u32,
    /// The call after which nothing of it may be left; absent if it lived to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_since: Option<u32>,
    /// What ended its life.
    pub cause: String,
    /// The homes that it was seen in, each with the first and the last call after which.
    pub homes: Vec<Stay>,
    /// The last call after which it was seen anywhere; absent if it was never seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u32>,
    /// Where it was seen although it must not be.
    pub leftovers: Vec<Spot>,
    /// One letter a call; [`LEGEND`] says what they mean.
    pub time_line: String,
}

/// A home, and how long a secret was seen in it.
#[derive(Clone, Debug, Serialize)]
pub struct Stay {
    /// The home.
    pub home: String,
    /// After this call for the first time.
    pub first: u32,
    /// After this call for the last time.
    pub last: u32,
}

/// A place after a call.
#[derive(Clone, Debug, Serialize)]
pub struct Spot {
    /// The place.
    pub place: String,
    /// The call.
    pub call: u32,
}

/// What the letters of a time line mean.
pub const LEGEND: &str = "one letter a call: H in its home, Q only bound to queued commands, \
                          - alive and not seen, ! where it must not be, . not alive";

/// The lives of the secrets of a run.
#[must_use]
pub fn hygiene_report(trace: &Trace, source: Option<&str>) -> HygieneReport {
    let lifetimes = trace.lifetimes();
    let secrets = (0..).zip(lifetimes).map(|(secret, lifetime)| life(trace, secret, lifetime));
    HygieneReport {
        version: 1,
        source: source.map(str::to_owned),
        call_count: trace.calls.len(),
        layers: trace.layers.iter().map(Layer::name).collect(),
        // What exists during a call only and was seen after none has nothing to tell.
        secrets: secrets.flatten().collect(),
        followings: trace
            .followings
            .iter()
            .map(|seen| Spot { place: seen.place.to_string(), call: seen.call })
            .collect(),
    }
}

fn life(trace: &Trace, secret: u32, lifetime: Lifetime) -> Option<SecretLife> {
    let name = trace.secrets.get(secret as usize)?;
    let sightings = || trace.sightings.iter().filter(move |seen| seen.secret == secret);
    if name.kind.is_transient() && sightings().next().is_none() {
        return None;
    }
    let stays = || trace.stays.iter().filter(move |stay| stay.secret == secret);
    let mut homes: Vec<(Home, Stay)> = Vec::new();
    for stay in stays() {
        match homes.iter_mut().find(|(home, _)| *home == stay.home) {
            Some((_, known)) => known.last = stay.call,
            None => {
                let (home, first, last) = (stay.home.to_string(), stay.call, stay.call);
                homes.push((stay.home, Stay { home, first, last }));
            }
        }
    }
    let letter = |call: u32| {
        let is_alive = lifetime.born <= call && lifetime.died.is_none_or(|died| call < died);
        let mut here = stays().filter(|stay| stay.call == call).map(|stay| stay.home).peekable();
        if sightings().any(|seen| seen.call == call) {
            '!'
        } else if here.peek().is_some() {
            if here.all(|home| matches!(home, Home::BoundKey { .. })) { 'Q' } else { 'H' }
        } else if is_alive {
            '-'
        } else {
            '.'
        }
    };
    let call_count = u32::try_from(trace.calls.len()).unwrap_or(u32::MAX);
    let last_seen = stays().map(|stay| stay.call).chain(sightings().map(|seen| seen.call)).max();
    let mut leftovers: Vec<Spot> = Vec::new();
    for seen in sightings() {
        let spot = Spot { place: seen.place.to_string(), call: seen.call };
        if !leftovers.iter().any(|known| (&known.place, known.call) == (&spot.place, spot.call)) {
            leftovers.push(spot);
        }
    }
    let is_drawn = matches!(name.kind, SecretKind::Random | SecretKind::ReadBackKey);
    let is_spare = is_drawn && lifetime.cause == Cause::Alive;
    Some(SecretLife {
        name: name.to_string(),
        born: lifetime.born,
        dead_since: lifetime.died,
        cause: if is_spare { "never drawn".to_owned() } else { lifetime.cause.to_string() },
        homes: homes.into_iter().map(|(_, stay)| stay).collect(),
        last_seen,
        leftovers,
        time_line: (0..=call_count).map(letter).collect(),
    })
}

/// The report as people read it.
#[must_use]
pub fn hygiene_text(report: &HygieneReport, trace: &Trace) -> String {
    let mut text = String::new();
    write(&mut text, report, trace).expect("a string takes any text");
    text
}

fn write(text: &mut String, report: &HygieneReport, trace: &Trace) -> core::fmt::Result {
    if let Some(source) = &report.source {
        writeln!(text, "{source}")?;
    }
    let width = report.secrets.iter().map(|life| life.name.len()).max().unwrap_or(0);
    for chunk in 0..=report.call_count / LINE_LEN {
        let from = chunk * LINE_LEN;
        writeln!(text, "  {:width$}  {}", "", ruler(from, report.call_count + 1))?;
        for life in &report.secrets {
            let line: String = life.time_line.chars().skip(from).take(LINE_LEN).collect();
            writeln!(text, "  {:width$}  {line}", life.name)?;
        }
    }
    writeln!(text, "  {LEGEND}\n")?;
    for life in &report.secrets {
        let born = call_of(life.born, trace);
        let dead = match life.dead_since {
            Some(died) => format!("dead since {}, {}", call_of(died, trace), life.cause),
            None => life.cause.clone(),
        };
        let seen = match life.last_seen {
            Some(call) => format!("last seen after {}", call_of(call, trace)),
            None => "never seen after a call".to_owned(),
        };
        writeln!(text, "  {:width$}  born in {born}; {dead}; {seen}", life.name)?;
        for Stay { home, first, last } in &life.homes {
            writeln!(text, "  {:width$}  in {home}, after calls {first} to {last}", "")?;
        }
        for Spot { place, call } in &life.leftovers {
            writeln!(text, "  {:width$}  LEFT in {place}, after {}", "", call_of(*call, trace))?;
        }
    }
    for Spot { place, call } in &report.followings {
        writeln!(text, "  FOLLOWS THE KEY: {place}, after {}", call_of(*call, trace))?;
    }
    writeln!(text, "\n  looked into: {}", report.layers.join(", "))?;
    if let Some(void) = trace.void {
        writeln!(text, "  VOID: {void}")?;
    }
    Ok(())
}

/// How many calls a line of a terminal shows.
const LINE_LEN: usize = 60;

/// A mark above every tenth call.
fn ruler(from: usize, end: usize) -> String {
    let mut line = String::new();
    for call in from..end.min(from + LINE_LEN) {
        if call % 10 == 0 {
            line = format!("{line:<width$}{call}", width = call - from);
        }
    }
    line
}

fn call_of(call: u32, trace: &Trace) -> String {
    match trace.calls.get(call as usize) {
        Some(seen) => {
            let word = seen.call.kind().word();
            let note = if call as usize >= trace.sequence_len { " of the epilogue" } else { "" };
            format!("call {call} {word}{note}")
        }
        None => "the end, when the driver was gone".to_owned(),
    }
}
