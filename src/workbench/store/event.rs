//! One event in the life of a bug: what was said, by which run, and the id that follows from both.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::origin::Origin;
use super::time::Moment;
use crate::report::Fingerprint;

/// The version of the lines that events are written as. A newer one is refused by its number.
pub const EVENT_VERSION: u32 = 1;

/// An event. It never changes, so whoever has seen its id has seen all of it.
///
/// Fields are only ever added as ones that may be missing and are then not written: the id is made of
/// the text, and that of an old event must stay what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// [`EVENT_VERSION`] when it was written.
    pub version: u32,
    /// 32 hexadecimal digits made of everything else: the same on every machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When it happened; never before an earlier event of the same bug in the same store.
    pub time: Moment,
    /// The run of the program that noted it.
    pub run: String,
    /// Which of the events of its run it is.
    pub number: u64,
    /// The driver that has the bug: `core`, `core+fault:NAME`, or the name of a driver of somebody's own.
    pub driver: String,
    /// The bug.
    #[serde(with = "as_text")]
    pub fingerprint: Fingerprint,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What happened to a bug.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Body {
    /// A search found it, and nobody had before.
    Found {
        /// The invariant that it breaks.
        invariant: String,
        /// What happens, as a sentence fragment.
        happened: String,
        /// The text of the reproducer.
        text: String,
        /// Where the reproducer is, below the folder of findings; `None` if it is not stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// By whom.
        #[serde(flatten)]
        origin: Origin,
    },
    /// A search has seen it again.
    Seen {
        /// How often.
        times: u64,
        /// By whom.
        #[serde(flatten)]
        origin: Origin,
    },
    /// Its reproducer was run again.
    Tried {
        /// How many of the runs showed it.
        shown: u32,
        /// How many runs said anything about it.
        votes: u32,
        /// By whom.
        #[serde(flatten)]
        origin: Origin,
    },
    /// Somebody wants to hear no more of it.
    Ignored {
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// From when on it is told again; `None` for never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Moment>,
    },
    /// It is told again.
    Unignored {
        /// Who wants it.
        by: String,
    },
    /// It is another bug of the same driver, in other clothes.
    DuplicateOf {
        /// That one.
        #[serde(with = "as_text")]
        of: Fingerprint,
    },
    /// It is no bug at all. The event stays, so that a store that is merged in does not bring it back.
    Forgotten {},
}

impl Body {
    /// What happened, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let by = |origin: &Origin| {
            format!("{} on {}, build {}", origin.lane, origin.machine, origin.build.short())
        };
        match self {
            Self::Found { origin, .. } => format!("found: {}", by(origin)),
            Self::Seen { times: 1, origin } => format!("seen again: {}", by(origin)),
            Self::Seen { times, origin } => format!("seen again {times} times: {}", by(origin)),
            Self::Tried { shown, votes, origin } => {
                format!("tried, {shown} of {votes} runs showed it: {}", by(origin))
            }
            Self::Ignored { by, why, until: None } => format!("ignored by {by}: {why}"),
            Self::Ignored { by, why, until: Some(until) } => {
                format!("ignored by {by} until {}: {why}", until.short())
            }
            Self::Unignored { by } => format!("not ignored any more, by {by}"),
            Self::DuplicateOf { of } => format!("a duplicate of {of}"),
            Self::Forgotten {} => "forgotten".to_owned(),
        }
    }
}

impl Event {
    /// The same event with the id that it must have.
    #[must_use]
    pub fn with_id(mut self) -> Self {
        self.id = self.due_id();
        self
    }

    /// The id that follows from everything else.
    #[must_use]
    pub fn due_id(&self) -> String {
        hash(&Self { id: String::new(), ..self.clone() }.line())[..32].to_owned()
    }

    /// It as one line of JSON, without the end of the line.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("text, numbers and maps with text as keys are JSON")
    }

    /// Reads the line of an event, and holds it against its id.
    ///
    /// # Errors
    ///
    /// Says what is wrong; the caller knows the file and the line.
    pub fn parse(line: &str) -> Result<Self, String> {
        /// What every version of an event has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let not_an_event = |error: serde_json::Error| format!("no event: {error}");
        let Versioned { version } = serde_json::from_str(line).map_err(not_an_event)?;
        if version > EVENT_VERSION {
            return Err(format!(
                "an event of version {version}, and this program knows none above {EVENT_VERSION}"
            ));
        }
        let event: Self = serde_json::from_str(line).map_err(not_an_event)?;
        let due = event.due_id();
        if event.id != due {
            return Err(format!("the event has the id {:?}, and what it says has {due}", event.id));
        }
        Ok(event)
    }

    /// The order in which events are told: by time, and where that is the same, by id.
    #[must_use]
    pub fn order(&self) -> (Moment, &str) {
        (self.time, &self.id)
    }
}

/// SHA-256 of a text, as hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    hash_of(text.as_bytes())
}

/// The same of bytes.
pub(super) fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// A fingerprint as its text.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::report::Fingerprint;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(it: &Fingerprint, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(it)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Fingerprint, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let event = Event {
            version: EVENT_VERSION,
            id: String::new(),
            time: Moment::EPOCH,
            run: "r".to_owned(),
            number: 0,
            driver: "core".to_owned(),
            fingerprint: "5f0c-91ab".parse().unwrap(),
            body: Body::Ignored { by: "me".to_owned(), why: "so".to_owned(), until: None },
        };
        event.with_id()
    }

    #[test]
    fn a_line_is_what_it_was_for_ever() {
        let line = "{\"version\":1,\"id\":\"64b2c225dea59864f0eb8528793c8bff\",\
                    \"time\":\"1970-01-01T00:00:00.000000000Z\",\"run\":\"r\",\"number\":0,\
                    \"driver\":\"core\",\"fingerprint\":\"5f0c-91ab\",\"event\":\"ignored\",\
                    \"by\":\"me\",\"why\":\"so\"}";
        assert_eq!(event().line(), line);
        assert_eq!(Event::parse(line), Ok(event()));
    }

    #[test]
    fn whatever_is_said_otherwise_has_another_id() {
        let other = |change: &dyn Fn(&mut Event)| {
            let mut event = event();
            change(&mut event);
            event.due_id()
        };
        let mut ids = vec![
            other(&|_| {}),
            other(&|event| event.time = event.time.next()),
            other(&|event| event.run.push('x')),
            other(&|event| event.number += 1),
            other(&|event| event.driver.push('x')),
            other(&|event| event.fingerprint = "5f0c-91ac".parse().unwrap()),
            other(&|event| event.body = Body::Forgotten {}),
        ];
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 7);
    }

    #[test]
    fn a_line_that_was_changed_or_is_of_a_later_version_is_refused() {
        let line = event().line();
        let error = |line: &str| Event::parse(line).unwrap_err();
        assert!(error(&line.replace("so", "no")).contains("64b2c225"), "{line}");
        assert!(error(&line.replace("\"version\":1", "\"version\":2")).contains("version 2"));
        assert!(error("{}").contains("version"));
        assert!(error(&line.replace("ignored", "mended")).contains("mended"));
    }
}
