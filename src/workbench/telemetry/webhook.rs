//! Posts a notice of every new or regressed finding to an address, beside the search and never in its way.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Serialize, Serializer};
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};

use crate::report::Fingerprint;
use crate::store::{Build, Moment, State};

/// The version of notices: fields are added, never changed in meaning.
pub const NOTICE_VERSION: u32 = 1;

/// What is posted of a finding, as a document of JSON.
///
/// Programs for chat (Slack, Mattermost, Microsoft Teams) show `text` and pass over the rest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Notice {
    /// [`NOTICE_VERSION`].
    pub version: u32,
    /// What has happened.
    pub event: Occasion,
    /// All of it as one sentence.
    pub text: String,
    /// When.
    pub time: Moment,
    /// The driver, as the findings store calls it.
    pub driver: String,
    /// Says "the same bug".
    #[serde(serialize_with = "as_text")]
    pub fingerprint: Fingerprint,
    /// The invariant that is broken.
    pub invariant: String,
    /// What happens, as a sentence fragment.
    pub happened: String,
    /// The build that shows it.
    pub build: Build,
    /// The name of the machine.
    pub machine: String,
    /// What was done: a search and its lane, or a check.
    pub lane: String,
    /// The text of the reproducer, if it is known.
    pub sequence: Option<String>,
}

fn as_text<S: Serializer>(fingerprint: &Fingerprint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fingerprint)
}

/// What a notice is posted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// Nobody has found it before.
    New,
    /// It was mended, and is there again.
    Regressed,
}

impl Occasion {
    /// What somebody should hear of a finding that was told as `before` and is told as `after`.
    #[must_use]
    pub fn of(before: Option<State>, after: Option<State>) -> Option<Self> {
        match after {
            _ if before == after => None,
            Some(State::New) => Some(Self::New),
            Some(State::Regressed) => Some(Self::Regressed),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Regressed => "regressed",
        }
    }
}

/// An address that nothing can be posted to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookError {
    /// It is none. What was typed is not told: it may hold a password.
    #[error("this is no address; expected one such as https://chat.example/hooks/1234")]
    NoAddress,
    /// Neither HTTP nor HTTPS.
    #[error("notices are posted by https or http, and not by {0:?}")]
    Scheme(String),
}

/// Where notices are posted to.
///
/// The address is known to whoever may post there and to nobody else, so that only its host is ever told.
#[derive(Debug)]
pub struct Webhook {
    sender: Sender<Notice>,
    thread: JoinHandle<Vec<String>>,
}

/// How many notices one campaign posts at most. After a change that breaks everything, nobody reads more.
const POSTED_MAX: usize = 50;

/// After how many notices in a row that could not be posted the rest is given up, so that nobody waits for an address
/// that does not answer: a minute at most.
const FAILED_MAX: usize = 3;

/// How often a notice is tried, and how long each of these waits.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// How long is waited before a second try; twice as long before a third.
const WAIT: Duration = Duration::from_secs(1);

impl Webhook {
    /// Begins to post to an address.
    ///
    /// # Errors
    ///
    /// When it is none that can be posted to.
    pub fn to(address: &str) -> Result<Self, WebhookError> {
        let address: Uri = address.trim().parse().map_err(|_| WebhookError::NoAddress)?;
        if address.host().is_none_or(str::is_empty) {
            return Err(WebhookError::NoAddress);
        }
        match address.scheme_str() {
            Some("http" | "https") => {}
            other => return Err(WebhookError::Scheme(other.unwrap_or_default().to_owned())),
        }
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || post_all(&address, &receiver));
        Ok(Self { sender, thread })
    }

    /// Has a notice posted; returns at once.
    pub fn post(&self, notice: Notice) {
        // The thread only ends when nobody can send any more.
        let _ = self.sender.send(notice);
    }

    /// Waits until all is posted, or given up; what was not, for people.
    #[must_use]
    pub fn end(self) -> Vec<String> {
        drop(self.sender);
        self.thread.join().unwrap_or_else(|_| vec!["notices were not posted".to_owned()])
    }
}

/// Posts until there is nobody who could have another notice. An address that has failed for one is not waited for
/// by the next ones: each of them is tried once.
fn post_all(address: &Uri, notices: &Receiver<Notice>) -> Vec<String> {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // What was posted would be fetched from there, and not posted.
        .max_redirects(0)
        .tls_config(tls)
        .user_agent("rekeylab")
        .build()
        .into();
    let host = address.host().unwrap_or_default();
    let mut troubles = Vec::new();
    let (mut count, mut passed_over, mut failed, mut tries) = (0, 0, 0, TRIES);
    for notice in notices {
        if count == POSTED_MAX || failed == FAILED_MAX {
            passed_over += 1;
            continue;
        }
        count += 1;
        if let Err(why) = post(&agent, address, &notice, tries) {
            (failed, tries) = (failed + 1, 1);
            let Notice { event, fingerprint, .. } = &notice;
            troubles.push(format!(
                "the notice of {} {fingerprint} was not posted to {host}: {why}",
                event.name()
            ));
        } else {
            failed = 0;
        }
    }
    if passed_over > 0 {
        let why = if failed == FAILED_MAX {
            format!("{FAILED_MAX} in a row could not be")
        } else {
            format!("one run posts {POSTED_MAX} at most")
        };
        troubles.push(format!("{passed_over} more notices were not posted to {host}: {why}"));
    }
    troubles
}

fn post(agent: &Agent, address: &Uri, notice: &Notice, tries: usize) -> Result<(), String> {
    let body = serde_json::to_string(notice).expect("text and numbers are JSON");
    let mut why = String::new();
    for number in 0..tries {
        if number > 0 {
            std::thread::sleep(WAIT * u32::try_from(number).unwrap_or(u32::MAX));
        }
        let posted = agent.post(address).content_type("application/json").send(body.as_str());
        match posted {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => why = format!("it answered {}", answer.status()),
            Err(ureq::Error::StatusCode(code)) => why = format!("it answered {code}"),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn notice() -> Notice {
        Notice {
            version: NOTICE_VERSION,
            event: Occasion::New,
            text: "new: it \"broke\"".to_owned(),
            time: Moment::EPOCH,
            driver: "core".to_owned(),
            fingerprint: "5f0c-1234".parse().unwrap(),
            invariant: "double-finish".to_owned(),
            happened: "answered S_OK".to_owned(),
            build: Build::named("abc"),
            machine: "m".to_owned(),
            lane: "fuzz".to_owned(),
            sequence: None,
        }
    }

    /// A server that gives these answers, one to each request, and what it was asked.
    fn server(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address =
            format!("http://127.0.0.1:{}/secret-token", listener.local_addr().unwrap().port());
        let asked = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut text = String::new();
                let mut bytes = [0; 4096];
                // A document of JSON is whole with its last brace.
                while !text.ends_with('}') {
                    let count = stream.read(&mut bytes).unwrap();
                    text.push_str(core::str::from_utf8(&bytes[..count]).unwrap());
                }
                asked.push(text);
                let head = "Content-Length: 0\r\nConnection: close\r\n";
                write!(stream, "HTTP/1.1 {answer}\r\n{head}\r\n").unwrap();
            }
            asked
        });
        (address, asked)
    }

    #[test]
    fn a_notice_is_posted_as_json() {
        let (address, asked) = server(&["204 No Content"]);
        let webhook = Webhook::to(&address).unwrap();
        webhook.post(notice());
        assert_eq!(webhook.end(), [""; 0]);
        let asked = asked.join().unwrap();
        let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /secret-token HTTP/1.1"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["event"], "new");
        assert_eq!(body["text"], "new: it \"broke\"");
        assert_eq!(body["fingerprint"], "5f0c-1234");
        assert_eq!(body["sequence"], serde_json::Value::Null);
    }

    #[test]
    fn what_fails_is_tried_again_and_what_keeps_failing_is_told_without_the_address() {
        let (address, asked) = server(&["503 Busy", "200 OK"]);
        let webhook = Webhook::to(&address).unwrap();
        webhook.post(notice());
        assert_eq!(webhook.end(), [""; 0]);
        assert_eq!(asked.join().unwrap().len(), 2);

        // It leads elsewhere, where nothing is posted.
        let (address, _asked) = server(&[
            "302 Found\r\nLocation: http://127.0.0.1:1/",
            "500 No",
            "403 Forbidden",
            "403 Forbidden",
        ]);
        let webhook = Webhook::to(&address).unwrap();
        webhook.post(notice());
        webhook.post(notice());
        let troubles = webhook.end();
        assert_eq!(troubles.len(), 2, "{troubles:?}");
        assert!(troubles[1].contains("403") && troubles[1].contains("127.0.0.1"), "{troubles:?}");
        assert!(!troubles.concat().contains("secret-token"), "{troubles:?}");
    }

    #[test]
    fn an_address_that_never_answers_is_given_up() {
        // Nobody listens there.
        let webhook = Webhook::to("http://127.0.0.1:1/").unwrap();
        (0..5).for_each(|_| webhook.post(notice()));
        let troubles = webhook.end();
        assert_eq!(troubles.len(), FAILED_MAX + 1, "{troubles:?}");
        assert!(troubles[FAILED_MAX].starts_with("2 more notices"), "{troubles:?}");
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_told() {
        let error = |text: &str| Webhook::to(text).unwrap_err().to_string();
        for text in ["", "hooks/secret", "/secret", "http://", "secret secret"] {
            assert!(!error(text).contains("secret"), "{text:?}: {}", error(text));
        }
        assert!(error("ftp://secret@host/").contains("\"ftp\""));
    }

    #[test]
    fn somebody_hears_of_what_is_new_or_back_and_of_nothing_else() {
        let of = Occasion::of;
        assert_eq!(of(None, Some(State::New)), Some(Occasion::New));
        assert_eq!(of(Some(State::Fixed), Some(State::Regressed)), Some(Occasion::Regressed));
        assert_eq!(of(Some(State::New), Some(State::New)), None);
        assert_eq!(of(Some(State::New), Some(State::Known)), None);
        assert_eq!(of(Some(State::Regressed), Some(State::Fixed)), None);
        assert_eq!(of(None, Some(State::Ignored)), None);
        assert_eq!(of(None, None), None);
    }
}
