//! Findings and campaigns as metrics, in the text format of OpenMetrics 1.0, which Prometheus reads.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::campaign::{Began, Sample, read_record, record_ids};
use crate::corpus::write_over;
use crate::store::{Bug, Moment, State};

/// The metrics of these findings and campaigns, as the text that a collector reads.
///
/// | metric | labels | |
/// |---|---|---|
/// | `rekeylab_findings` | driver, state | findings in the store; every state is there, also with 0 |
/// | `rekeylab_campaign_started_seconds` | driver, machine, build | when the last campaign began, since 1970 |
/// | `rekeylab_campaign_seen_seconds` | driver, machine | when it was last heard of, since 1970 |
/// | `rekeylab_campaign_asked_seconds` | driver, machine | how long it is to search |
/// | `rekeylab_campaign_running` | driver, machine | 1, and 0 once it has ended |
/// | `rekeylab_campaign_workers` | driver, machine | how many workers it has |
/// | `rekeylab_campaign_executions_total` | driver, machine | sequences run |
/// | `rekeylab_campaign_calls_total` | driver, machine | calls made |
/// | `rekeylab_campaign_edges` | driver, machine | most edges that one worker reached |
/// | `rekeylab_campaign_working_set_inputs` | driver, machine | inputs in the working set |
/// | `rekeylab_campaign_findings` | driver, machine | findings of this campaign |
///
/// A campaign that was killed never says that it has ended; it is told by `seen_seconds`, which stands still.
#[must_use]
pub fn exposition(counts: &Counts, campaigns: &[Watched]) -> String {
    let mut registry = Registry::with_prefix("rekeylab");
    let all = All { counts: counts.clone(), campaigns: campaigns.to_vec() };
    registry.register_collector(Box::new(all));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes any text");
    text
}

/// How many findings of which driver are in which state.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts(BTreeMap<(String, State), u64>);

impl Counts {
    /// Counts these bugs at a moment, of this driver if it has none, too.
    #[must_use]
    pub fn of(bugs: &[Bug], driver: Option<&str>, now: Moment) -> Self {
        let mut counts = BTreeMap::new();
        let drivers: BTreeSet<&str> =
            bugs.iter().map(|bug| bug.driver.as_str()).chain(driver).collect();
        for driver in drivers {
            counts.extend(State::ALL.map(|state| ((driver.to_owned(), state), 0)));
        }
        for bug in bugs {
            if let Some(state) = bug.state(now) {
                *counts.entry((bug.driver.clone(), state)).or_default() += 1;
            }
        }
        Self(counts)
    }
}

/// A campaign at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// What was known when it began.
    pub began: Began,
    /// How far it is.
    pub sample: Sample,
    /// Whether it has not said that it ended.
    pub is_running: bool,
}

/// The last campaign of each driver on each machine, of the latest that left a record in the folder of findings.
#[must_use]
pub fn latest(findings: &Path) -> Vec<Watched> {
    let mut last = BTreeMap::new();
    for id in record_ids(findings).iter().take(LOOKED_AT) {
        let Some(record) = read_record(findings, id) else { continue };
        let key = (record.began.driver.clone(), record.began.machine.clone());
        last.entry(key).or_insert_with(|| Watched {
            began: record.began,
            sample: record.samples.last().copied().unwrap_or_default(),
            is_running: record.done.is_none(),
        });
    }
    last.into_values().collect()
}

/// In how many records the last campaigns are looked for.
const LOOKED_AT: usize = 50;

/// A file that a collector reads, such as that of Prometheus' node exporter; it is whole at every moment.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    written: Option<Instant>,
    trouble: Option<io::Error>,
}

/// How often it is written.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);

impl MetricsFile {
    /// The file of this path, which is replaced.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, written: None, trouble: None }
    }

    /// Whether what is in the file is old.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= WRITTEN_EVERY)
    }

    /// Writes the file. A disk that has no room now may have some later, so it is tried again the next time.
    pub fn write(&mut self, counts: &Counts, campaign: Watched) {
        self.written = Some(Instant::now());
        let text = exposition(counts, &[campaign]);
        self.trouble = write_over(&self.path, text.as_bytes()).err().map(io::Error::other);
    }

    /// Why the last writing failed, if it did.
    #[must_use]
    pub fn trouble(&self) -> Option<&io::Error> {
        self.trouble.as_ref()
    }
}

/// All that is told.
#[derive(Debug)]
struct All {
    counts: Counts,
    campaigns: Vec<Watched>,
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let about = "Findings in the store, by what is told of them";
        let mut findings = encoder.encode_descriptor("findings", about, None, MetricType::Gauge)?;
        for ((driver, state), count) in &self.counts.0 {
            let labels = [("driver", driver.as_str()), ("state", state.name())];
            ConstGauge::new(*count).encode(findings.encode_family(&labels)?)?;
        }
        self.encode_began(&mut encoder)?;
        for told in TOLD {
            let kind = if told.is_counter { MetricType::Counter } else { MetricType::Gauge };
            let unit = told.is_seconds.then_some(&Unit::Seconds);
            let mut metric = encoder.encode_descriptor(told.name, told.about, unit, kind)?;
            for campaign in &self.campaigns {
                let Began { driver, machine, .. } = &campaign.began;
                let labels = [("driver", driver.as_str()), ("machine", machine.as_str())];
                let (value, encoder) = ((told.value)(campaign), metric.encode_family(&labels)?);
                if told.is_counter {
                    ConstCounter::new(value).encode(encoder)?;
                } else {
                    ConstGauge::new(value).encode(encoder)?;
                }
            }
        }
        Ok(())
    }
}

impl All {
    /// The one metric that names the build.
    fn encode_began(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let about = "When the last campaign began, in seconds since 1970";
        let mut began = encoder.encode_descriptor(
            "campaign_started",
            about,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for Watched { began: campaign, .. } in &self.campaigns {
            let build = campaign.build.to_string();
            let labels = [
                ("driver", campaign.driver.as_str()),
                ("machine", campaign.machine.as_str()),
                ("build", build.as_str()),
            ];
            ConstGauge::new(campaign.time.seconds()).encode(began.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// A metric of campaigns.
struct Told {
    name: &'static str,
    about: &'static str,
    is_counter: bool,
    is_seconds: bool,
    value: fn(&Watched) -> u64,
}

impl Told {
    const fn gauge(name: &'static str, about: &'static str, value: fn(&Watched) -> u64) -> Self {
        Self { name, about, is_counter: false, is_seconds: false, value }
    }

    const fn counter(self) -> Self {
        Self { is_counter: true, ..self }
    }

    const fn seconds(self) -> Self {
        Self { is_seconds: true, ..self }
    }
}

const TOLD: &[Told] = &[
    Told::gauge(
        "campaign_seen",
        "When the last campaign was last heard of, in seconds since 1970",
        |it| it.began.time.seconds().saturating_add(it.sample.milliseconds / 1000),
    )
    .seconds(),
    Told::gauge("campaign_asked", "How long the last campaign is to search", |it| {
        it.began.asked_seconds
    })
    .seconds(),
    Told::gauge("campaign_running", "1 until the last campaign says that it has ended", |it| {
        it.is_running.into()
    }),
    Told::gauge("campaign_workers", "Workers of the last campaign", |it| count(it.began.jobs)),
    Told::gauge("campaign_executions", "Sequences that the last campaign has run", |it| {
        it.sample.executions
    })
    .counter(),
    Told::gauge("campaign_calls", "Calls that the last campaign has made", |it| it.sample.calls)
        .counter(),
    Told::gauge("campaign_edges", "Most edges that one worker reached", |it| it.sample.edges),
    Told::gauge("campaign_working_set_inputs", "Inputs in the working set", |it| {
        it.sample.working_set
    }),
    Told::gauge("campaign_findings", "Findings of the last campaign", |it| {
        count(it.sample.findings)
    }),
];

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::campaign::RECORD_VERSION;
    use crate::store::Build;

    use super::*;

    fn watched(driver: &str) -> Watched {
        Watched {
            began: Began {
                version: RECORD_VERSION,
                time: "2027-01-31T12:00:00Z".parse().unwrap(),
                driver: driver.to_owned(),
                build: Build::named("abc"),
                machine: "m".to_owned(),
                targets: vec!["call_sequence".to_owned()],
                jobs: 2,
                asked_seconds: 600,
            },
            sample: Sample { milliseconds: 5900, calls: 70, ..Sample::default() },
            is_running: true,
        }
    }

    #[test]
    fn collectors_read_what_is_there_and_names_cannot_break_out_of_their_quotes() {
        let counts = Counts::of(&[], Some("core"), Moment::EPOCH);
        let text = exposition(&counts, &[watched("core"), watched("a\"}\n\\evil 1")]);
        for line in [
            "# TYPE rekeylab_findings gauge",
            "rekeylab_findings{driver=\"core\",state=\"regressed\"} 0",
            "rekeylab_campaign_started_seconds{driver=\"core\",machine=\"m\",build=\"abc\"} 1801396800",
            "rekeylab_campaign_seen_seconds{driver=\"core\",machine=\"m\"} 1801396805",
            "rekeylab_campaign_calls_total{driver=\"core\",machine=\"m\"} 70",
            "rekeylab_campaign_running{driver=\"core\",machine=\"m\"} 1",
            "rekeylab_campaign_calls_total{driver=\"a\\\"}\\n\\\\evil 1\",machine=\"m\"} 70",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert_eq!(text, exposition(&counts, &[watched("core"), watched("a\"}\n\\evil 1")]));
    }

    #[test]
    fn the_file_is_replaced_and_one_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rekeylab.prom");
        std::fs::write(&path, "of before").unwrap();
        let mut file = MetricsFile::at(path.clone());
        assert!(file.is_due());
        file.write(&Counts::default(), watched("core"));
        assert!(!file.is_due() && file.trouble().is_none(), "{file:?}");
        assert!(std::fs::read_to_string(&path).unwrap().contains("rekeylab_campaign_edges"));
        let mut file = MetricsFile::at(folder.path().join("missing/rekeylab.prom"));
        file.write(&Counts::default(), watched("core"));
        assert!(file.trouble().is_some());
    }
}
