//! The choices of a driver as its data sheet says them.

use serde::Deserialize;

use crate::observation::{Choices, silent_point};

/// What a driver chooses where the documents are silent.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SheetChoices {
    /// Which code a refusal has.
    #[serde(default)]
    pub refusals: Refusals,
    /// Whether sessions can be used for decode, with the profile of H.264.
    #[serde(default = "yes")]
    pub decode: bool,
    /// Whether what it says of itself by `GetCaps` is compared with what it does; it is not asked otherwise.
    #[serde(default)]
    pub capabilities: bool,
    /// Whether it offers `GetEncryptionBltKey`; it is not asked for read-back keys otherwise.
    #[serde(default)]
    pub read_back_keys: bool,
    /// The silent points at which it chooses otherwise than the driver core, as `S-01`.
    #[serde(default, deserialize_with = "points")]
    pub otherwise: Choices,
}

/// Which code a refusal has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusals {
    /// Any of failure.
    #[default]
    AnyFailure,
    /// That of the driver core.
    AsTheCore,
}

impl Default for SheetChoices {
    fn default() -> Self {
        Self {
            refusals: Refusals::default(),
            decode: true,
            capabilities: false,
            read_back_keys: false,
            otherwise: Choices::default(),
        }
    }
}

const fn yes() -> bool {
    true
}

impl From<&SheetChoices> for Choices {
    fn from(choices: &SheetChoices) -> Self {
        let mut all = choices.otherwise;
        all.no_decode = !choices.decode;
        all.no_capabilities = !choices.capabilities;
        all.more_capabilities = true;
        all.no_read_back_keys = !choices.read_back_keys;
        all.any_failure = choices.refusals == Refusals::AnyFailure;
        all
    }
}

fn points<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Choices, D::Error> {
    let ids = Vec::<String>::deserialize(deserializer)?;
    ids.iter().try_fold(Choices::default(), |choices, id| {
        let chosen = silent_point(id).and_then(|point| choices.with(point));
        chosen.ok_or_else(|| {
            let never = Choices::NEVER.map(|point| format!("S-{point:02}")).join(", ");
            serde::de::Error::custom(format!(
                "{id:?} is no silent point, or one at which there is nothing to choose: {never}"
            ))
        })
    })
}
