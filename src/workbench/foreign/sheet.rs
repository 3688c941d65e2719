//! What has to be known of a driver before it can be driven: its data sheet, a TOML file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rekeylab_abi::Convention;
use rekeylab_ddi::Limits;
use serde::Deserialize;
use zeroize::Zeroize as _;

use crate::executor::PlainTestMechanism;
use crate::observation::{Choices, silent_point};

/// A data sheet.
///
/// ```toml
/// name = "the driver of the vendor"
/// library = "build/libvendor_umd.so"      # from where the sheet is
/// convention = "native"                   # or "windows": __attribute__((ms_abi))
/// handles = "runtime-checks"              # or "checked": the driver refuses dead and foreign ones itself
///
/// [environment]                           # for the process that drives it
/// VENDOR_UMD_LOG = "0"
///
/// [key-exchange]                          # what stands around the sixteen bytes of a key
/// before = "VKX1"
/// before-hex = "10000000"                 # behind that
/// after-hex = ""
/// checksum = "fnv1a-32"                   # or "sum-32": over all bytes before it, little-endian
///
/// [choices]                               # where the documents are silent
/// refusals = "any-failure"                # or "as-the-core"
/// decode = false                          # sessions go with no decode profile
/// otherwise = ["S-01", "S-48"]            # `rekeylab list rules` prints what the core does
///
/// [limits]                                # whatever is left out has none
/// sessions = 8
/// buffer-bytes = 65536
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sheet {
    /// Where it was read.
    #[serde(skip)]
    pub path: PathBuf,
    /// What the driver is called in reports.
    pub name: String,
    /// The library, from the folder of the sheet.
    pub library: PathBuf,
    /// How it wants to be called.
    #[serde(default)]
    pub convention: ConventionName,
    /// Which handles it may be given.
    #[serde(default)]
    pub handles: Handles,
    /// Variables of the process that drives it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What it chooses where the documents are silent.
    #[serde(default)]
    pub choices: SheetChoices,
    /// How keys are wrapped.
    pub key_exchange: KeyExchange,
    /// Its bounds.
    #[serde(default)]
    pub limits: SheetLimits,
}

/// A calling convention, by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConventionName {
    /// That of C on this platform.
    #[default]
    Native,
    /// Windows x64.
    #[cfg(target_arch = "x86_64")]
    Windows,
}

/// Which handles a driver may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handles {
    /// Those alone that the real runtime would pass: of objects that live, on their own device.
    #[default]
    RuntimeChecks,
    /// Any: it checks what it is given.
    Checked,
}

/// A key exchange in which the key is in the clear: bytes before it, the key, and bytes behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyExchange {
    /// Text before the key.
    #[serde(default)]
    before: String,
    /// Bytes between that and the key, in hexadecimal digits.
    #[serde(default, deserialize_with = "hex")]
    before_hex: Vec<u8>,
    /// Bytes behind the key, in hexadecimal digits.
    #[serde(default, deserialize_with = "hex")]
    after_hex: Vec<u8>,
    /// What follows at the end.
    checksum: Option<Checksum>,
}

/// A checksum over all the bytes before it, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Checksum {
    /// FNV-1a of 32 bits.
    #[serde(rename = "fnv1a-32")]
    Fnv1a32,
    /// The sum of all bytes in 32 bits.
    #[serde(rename = "sum-32")]
    Sum32,
}

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
        Self { refusals: Refusals::default(), decode: true, otherwise: Choices::default() }
    }
}

const fn yes() -> bool {
    true
}

impl From<&SheetChoices> for Choices {
    fn from(choices: &SheetChoices) -> Self {
        let mut all = choices.otherwise;
        all.no_decode = !choices.decode;
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

/// Bounds; what a driver does not say has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SheetLimits {
    /// Devices open at a time.
    pub devices: u32,
    /// Sessions alive at a time on one device.
    pub sessions: u32,
    /// Handles that one slot gives out.
    pub generations: u32,
    /// Uploads that wait.
    pub queue_commands: u32,
    /// Length of one upload, in bytes.
    pub buffer_bytes: u32,
    /// Bytes that wait.
    pub queue_bytes: u32,
    /// What lengths are a multiple of, in bytes.
    pub block_bytes: u32,
}

impl Default for SheetLimits {
    fn default() -> Self {
        Self {
            devices: u32::MAX,
            sessions: u32::MAX,
            generations: u32::MAX,
            queue_commands: u32::MAX,
            // Lengths are tried up to here and a little more, so it is a length that there can be.
            buffer_bytes: 64 << 10,
            queue_bytes: u32::MAX,
            block_bytes: 16,
        }
    }
}

/// Length of a wrapped key, in bytes.
const BLOB_LEN: u32 = 32;
const _: () = assert!(BLOB_LEN as usize == PlainTestMechanism::BLOB_LEN);

impl From<SheetLimits> for Limits {
    fn from(limits: SheetLimits) -> Self {
        Self {
            devices_max: limits.devices,
            sessions_max: limits.sessions,
            generations_max: limits.generations,
            queue_commands_max: limits.queue_commands,
            buffer_len_max: limits.buffer_bytes,
            queue_len_max: limits.queue_bytes,
            block_alignment: limits.block_bytes,
            // The client's own, which becomes the driver's on its way.
            key_exchange_blob_len: BLOB_LEN,
            // One number is seen of each start, which is the last that was drawn.
            entropy_draws_max: 2,
        }
    }
}

impl From<ConventionName> for Convention {
    fn from(name: ConventionName) -> Self {
        match name {
            ConventionName::Native => Self::Native,
            #[cfg(target_arch = "x86_64")]
            ConventionName::Windows => Self::Windows,
        }
    }
}

/// Why a file is no data sheet.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that no data sheet says; with line and column.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        error: String,
    },
}

impl Sheet {
    /// Reads a data sheet.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no data sheet.
    pub fn read(path: &Path) -> Result<Self, SheetError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SheetError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SheetError> {
        let mut sheet: Self = toml::from_str(text).map_err(|error| SheetError::Parse {
            path: path.to_owned(),
            error: error.to_string().trim_end().to_owned(),
        })?;
        path.clone_into(&mut sheet.path);
        if let Some(folder) = path.parent() {
            sheet.library = folder.join(&sheet.library);
        }
        Ok(sheet)
    }
}

impl KeyExchange {
    /// Wraps a key; whoever has it wipes it.
    pub(super) fn wrap(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = [self.before.as_bytes(), &self.before_hex, key, &self.after_hex].concat();
        if let Some(checksum) = self.checksum {
            let sum = checksum.of(&bytes).to_le_bytes();
            let mut whole = Vec::with_capacity(bytes.len() + sum.len());
            whole.extend_from_slice(&bytes);
            whole.extend_from_slice(&sum);
            bytes.zeroize();
            return whole;
        }
        bytes
    }
}

impl Checksum {
    fn of(self, bytes: &[u8]) -> u32 {
        let fnv = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let add = |sum: u32, byte: &u8| sum.wrapping_add((*byte).into());
        match self {
            Self::Fnv1a32 => bytes.iter().fold(0x811C_9DC5, fnv),
            Self::Sum32 => bytes.iter().fold(0, add),
        }
    }
}

fn hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is not pairs of hexadecimal digits"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: &str = "name = \"a\"\nlibrary = \"lib/a.so\"\n[key-exchange]\nbefore = \"V1\"\n\
                         before-hex = \"0aFF\"\n[limits]\nsessions = 8\n[choices]\notherwise = []\n";

    #[test]
    fn a_sheet_says_little_and_the_rest_is_usual() {
        let sheet = Sheet::parse("folder/sheet.toml".as_ref(), SHEET).unwrap();
        assert_eq!(sheet.library, Path::new("folder/lib/a.so"));
        assert_eq!(
            (sheet.handles, sheet.convention),
            (Handles::RuntimeChecks, ConventionName::Native)
        );
        assert_eq!((sheet.limits.sessions, sheet.limits.devices), (8, u32::MAX));
        assert_eq!(sheet.key_exchange.wrap(b"k"), b"V1\x0a\xffk");
    }

    #[test]
    fn a_checksum_follows_all_the_rest() {
        let text = SHEET.replace("before-hex", "checksum = \"fnv1a-32\"\nbefore-hex");
        let sheet = Sheet::parse("sheet.toml".as_ref(), &text).unwrap();
        let whole = sheet.key_exchange.wrap(b"k");
        // FNV-1a of nothing and of "a", as its authors publish them.
        assert_eq!(Checksum::Fnv1a32.of(b""), 0x811C_9DC5);
        assert_eq!(Checksum::Fnv1a32.of(b"a"), 0xE40C_292C);
        assert_eq!(whole[..5], *b"V1\x0a\xffk");
        assert_eq!(whole[5..], Checksum::Fnv1a32.of(&whole[..5]).to_le_bytes());
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_column() {
        for (wrong, right, line, told) in [
            ("seasons = 8", "sessions = 8", 7, "unknown field `seasons`"),
            ("sessions = -1", "sessions = 8", 7, "-1"),
            ("before-hex = \"0aF\"", "before-hex = \"0aFF\"", 5, "hexadecimal"),
            ("otherwise = [\"S-02\"]", "otherwise = []", 9, "nothing to choose"),
            ("otherwise = [\"R-01\"]", "otherwise = []", 9, "no silent point"),
            ("library = 1", "library = \"lib/a.so\"", 2, "invalid type"),
        ] {
            let text = SHEET.replace(right, wrong);
            let error = Sheet::parse("sheet.toml".as_ref(), &text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("sheet.toml: TOML parse error at line {line}")),
                "{error}"
            );
            assert!(error.contains(told), "{error}");
        }
    }
}
