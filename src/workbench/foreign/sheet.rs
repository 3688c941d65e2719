//! What has to be known of a driver before it can be driven: its data sheet, a TOML file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rekeylab_abi::Convention;
use rekeylab_ddi::Limits;
use serde::Deserialize;

use super::choices::SheetChoices;
use super::key_exchange::KeyExchange;

use crate::executor::PlainTestMechanism;
use crate::observation::{Layer, Layers};
use crate::report::shell_word;

/// A data sheet.
///
/// ```toml
/// name = "the driver of the vendor"
/// library = "build/libvendor_umd.so"      # from where the sheet is
/// link = ["-lstdc++"]                     # with a library that is an archive, in the fuzz target that it is linked into
/// convention = "native"                   # or "windows": __attribute__((ms_abi))
/// handles = "runtime-checks"              # or "checked": the driver refuses dead and foreign ones itself
/// randomness = "system"                   # or "repeated": getrandom answers the same in every run
/// removal = "render-callback"             # or "never", or { hook = "NAME" }: how a device is taken away
/// read-back = "lock"                      # or "encryption-blt": the client decrypts what it reads
/// leave-out = ["stack", "registers"]      # layers that are not looked into: it does not promise that much
/// profile = "choices.toml"                # in the place of [choices]: `rekeylab conform` writes it
///
/// [environment]                           # for the process that drives it
/// VENDOR_UMD_LOG = "0"
///
/// [key-exchange]                          # what stands around the sixteen bytes of a key
/// mechanism = "plain"                     # or "rsaes-oaep" or "shim", which have keys of their own
/// before = "VKX1"
/// before-hex = "10000000"                 # behind that
/// after-hex = ""
/// checksum = "fnv1a-32"                   # or "sum-32": over all bytes before it, little-endian
///
/// [choices]                               # where the documents are silent
/// refusals = "any-failure"                # or "as-the-core"
/// decode = false                          # sessions go with no decode profile
/// capabilities = true                     # GetCaps 42 is asked
/// read-back-keys = true                   # GetEncryptionBltKey is offered
/// otherwise = ["S-01", "S-48"]            # `rekeylab list rules` prints what the core does
///
/// [limits]                                # whatever is left out has none
/// sessions = 8
/// buffer-bytes = 65536                    # without it, longer uploads than 4 KiB are not tried
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sheet {
    /// Where it was read.
    #[serde(skip)]
    pub path: PathBuf,
    /// What the driver is called in reports.
    pub name: String,
    /// The library, from the folder of the sheet: a shared one, or an archive that is linked into a fuzz target.
    pub library: PathBuf,
    /// What is linked with an archive.
    #[serde(default = "standard_library")]
    pub link: Vec<String>,
    /// How it wants to be called.
    #[serde(default)]
    pub convention: ConventionName,
    /// Which handles it may be given.
    #[serde(default)]
    pub handles: Handles,
    /// What its random numbers are made of.
    #[serde(default)]
    pub randomness: Randomness,
    /// How its devices are taken away.
    #[serde(default)]
    pub removal: Removal,
    /// How it is seen what became of an upload.
    #[serde(default)]
    pub read_back: ReadBackBy,
    /// Layers that are not looked into.
    #[serde(default, deserialize_with = "layers")]
    pub leave_out: Layers,
    /// Variables of the process that drives it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What it chooses where the documents are silent.
    #[serde(default)]
    pub choices: SheetChoices,
    /// A file with these choices in the place of the table, from the folder of the sheet.
    pub profile: Option<PathBuf>,
    /// How keys are wrapped.
    #[serde(deserialize_with = "by_itself")]
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

/// How a driver is made to lose its device, for `reset-engine`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// `Flush`, while `pfnRenderCb` answers D3DDDIERR_DEVICEREMOVED. A device that submits nothing there does not
    /// hear of it, and is spared.
    #[default]
    RenderCallback,
    /// By a function of this name that the library exports for tests: `HRESULT NAME(HANDLE hDevice)`.
    Hook(String),
    /// Not at all: nothing that a client can do takes the keys of a device away.
    Never,
}

/// What a driver's random numbers are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Randomness {
    /// What the system answers, which is never the same.
    #[default]
    System,
    /// What `getrandom`, `getentropy` and `arc4random` answer is the same in every run.
    Repeated,
}

/// How it is seen what became of an upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadBackBy {
    /// By `Lock` of the surface, which shows the plaintext.
    #[default]
    Lock,
    /// By `EncryptionBlt` under the session key and a counter that the driver makes (R-29). The client decrypts: so the
    /// driver shows which key it has in force at that moment.
    EncryptionBlt,
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
    /// Length of one upload, in bytes; without it, longer ones than 4 KiB are not passed on.
    pub buffer_bytes: Option<u32>,
    /// Bytes that wait.
    pub queue_bytes: u32,
    /// What lengths are a multiple of, in bytes.
    pub block_bytes: u32,
}

impl SheetLimits {
    /// The longest upload that is tried of a driver that has no limit, in bytes.
    const BUFFER_BYTES_TRIED: u32 = 4 << 10;

    /// Whether an upload is so long that a driver without a limit is not asked. What has a limit is: lengths
    /// are tried up to there and a little more.
    pub(super) fn is_too_long_to_try(&self, len: u32) -> bool {
        self.buffer_bytes.is_none() && len > Self::BUFFER_BYTES_TRIED
    }
}

fn standard_library() -> Vec<String> {
    vec!["-lstdc++".to_owned()]
}

/// A table that is read by itself: which keys it may have depends on one of them.
fn by_itself<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeyExchange, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| KeyExchange::default())
}

/// Layers by their names.
fn layers<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Layers, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?.join(",");
    Layers::from_names(&names).map_err(|name| {
        let known = Layer::ALL.map(Layer::name).join(", ");
        serde::de::Error::custom(format!("{name:?} is no layer; there are {known}"))
    })
}

impl Default for SheetLimits {
    fn default() -> Self {
        Self {
            devices: u32::MAX,
            sessions: u32::MAX,
            generations: u32::MAX,
            queue_commands: u32::MAX,
            buffer_bytes: None,
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
            buffer_len_max: limits.buffer_bytes.unwrap_or(SheetLimits::BUFFER_BYTES_TRIED),
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
        let mut sheet = Self::parse(path, &text)?;
        if let Some(profile) = &sheet.profile {
            if sheet.choices != SheetChoices::default() {
                return Err(SheetError::Parse {
                    path: path.to_owned(),
                    error: "it has [choices] and names a profile, which has them, too".to_owned(),
                });
            }
            let text = fs::read_to_string(profile)
                .map_err(|source| SheetError::Read { path: profile.clone(), source })?;
            sheet.choices = toml::from_str(&text).map_err(|error| SheetError::Parse {
                path: profile.clone(),
                error: error.to_string().trim_end().to_owned(),
            })?;
        }
        if sheet.choices.read_back_keys && sheet.read_back == ReadBackBy::EncryptionBlt {
            return Err(SheetError::Parse {
                path: sheet.profile.unwrap_or_else(|| path.to_owned()),
                error: "surfaces are read under the session key (read-back = \"encryption-blt\"), which a \
                        driver with read-back-keys = true does only as long as it has made none"
                    .to_owned(),
            });
        }
        Ok(sheet)
    }

    /// Whether its library is an archive, whose functions are the program's own.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.library.extension().is_some_and(|extension| extension == "a")
    }

    /// The option that names it to a command, as it is typed.
    #[must_use]
    pub fn option(&self) -> String {
        format!("--driver {}", shell_word(&self.path.display().to_string()))
    }

    /// Whether the driver has to be opened before a key can be wrapped for it.
    #[must_use]
    pub fn asks_for_certificate(&self) -> bool {
        match &self.key_exchange {
            KeyExchange::Plain(_) => false,
            KeyExchange::RsaesOaep(settings) => settings.public_key.is_none(),
            KeyExchange::Shim(_) => true,
        }
    }

    /// What the driver is called where so many threads run each sequence at once: what they do to each other is no
    /// word about one that a single thread calls.
    #[must_use]
    pub fn name_on(&self, threads: usize) -> String {
        if threads == 1 {
            self.name.clone()
        } else {
            format!("{}, on {threads} threads", self.name)
        }
    }

    /// How many threads that are, if it is a name of this driver.
    #[must_use]
    pub fn threads_in(&self, name: &str) -> Option<usize> {
        match name.strip_prefix(&*self.name)? {
            "" => Some(1),
            rest => rest.strip_prefix(", on ")?.strip_suffix(" threads")?.parse().ok(),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SheetError> {
        let wrong = |error: toml::de::Error| SheetError::Parse {
            path: path.to_owned(),
            error: error.to_string().trim_end().to_owned(),
        };
        let mut sheet: Self = toml::from_str(text).map_err(wrong)?;
        path.clone_into(&mut sheet.path);
        // A name without a folder would be looked for where the system looks for libraries.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        sheet.library = folder.join(&sheet.library);
        sheet.key_exchange = KeyExchange::parse(text, folder).map_err(wrong)?;
        if let Some(profile) = sheet.profile.as_mut() {
            *profile = folder.join(&profile);
        }
        Ok(sheet)
    }
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
        let here = Sheet::parse("sheet.toml".as_ref(), &SHEET.replace("lib/a.so", "a.so")).unwrap();
        assert_eq!(here.library, Path::new("./a.so"));
        assert_eq!(
            (sheet.handles, sheet.convention),
            (Handles::RuntimeChecks, ConventionName::Native)
        );
        assert_eq!((sheet.limits.sessions, sheet.limits.devices), (8, u32::MAX));
        let KeyExchange::Plain(plain) = &sheet.key_exchange else { panic!() };
        assert_eq!(plain.wrap(b"k"), b"V1\x0a\xffk");
        assert_eq!(sheet.name_on(1), "a");
        for threads in [1, 2, 64] {
            assert_eq!(sheet.threads_in(&sheet.name_on(threads)), Some(threads));
        }
        assert_eq!(sheet.threads_in("another"), None);
        let left_out = format!("leave-out = [\"stack\", \"log\"]\n{SHEET}");
        let left_out = Sheet::parse("sheet.toml".as_ref(), &left_out).unwrap().leave_out;
        assert_eq!(left_out.names(), ["log", "stack"]);
        let unknown = format!("leave-out = [\"stak\"]\n{SHEET}");
        let unknown = Sheet::parse("sheet.toml".as_ref(), &unknown).unwrap_err().to_string();
        assert!(
            unknown.contains("line 1") && unknown.contains("\"stak\" is no layer"),
            "{unknown}"
        );
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
