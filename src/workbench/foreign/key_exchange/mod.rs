//! How the session key is wrapped for a driver: what its data sheet says of it, and whatever does it.

mod certificate;
mod oaep;
mod plain;
mod wrapper;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use certificate::KeyFault;
pub use oaep::Hash;
pub use plain::Plain;
pub use wrapper::{KeyWrapper, WrapError};

/// The table `[key-exchange]` of a data sheet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyExchange {
    /// The key in the clear, with bytes around it: a key exchange for tests.
    Plain(Plain),
    /// RSAES-OAEP for the public key of the driver's certificate.
    RsaesOaep(RsaesOaep),
    /// A function of the vendor's.
    Shim(Shim),
}

/// How a key is wrapped by RSAES-OAEP.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RsaesOaep {
    #[serde(rename = "mechanism")]
    _mechanism: Mechanism,
    /// The hash of the label, which is empty, and of the mask. The documents name none (S-13).
    #[serde(default)]
    pub hash: Hash,
    /// A file with the public key, in the place of the driver's certificate; from the folder of the sheet.
    pub public_key: Option<PathBuf>,
}

/// How a key is wrapped by a function of the vendor's.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shim {
    #[serde(rename = "mechanism")]
    _mechanism: Mechanism,
    /// The name of the function.
    pub shim: String,
    /// The library that exports it, if that is not the driver's own; from the folder of the sheet.
    pub shim_library: Option<PathBuf>,
}

/// The mechanisms, by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mechanism {
    #[default]
    Plain,
    RsaesOaep,
    Shim,
}

impl Default for KeyExchange {
    fn default() -> Self {
        Self::Plain(Plain::default())
    }
}

impl KeyExchange {
    /// The table of a data sheet in this folder.
    ///
    /// Which keys it may have depends on one of them. So the whole text is read once more for that table alone: a
    /// mistake in it has its own line and column then.
    ///
    /// # Errors
    ///
    /// When the table is missing, or says what it cannot say.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, toml::de::Error> {
        Ok(match only::<Named>(text)?.mechanism {
            Mechanism::Plain => Self::Plain(only(text)?),
            Mechanism::RsaesOaep => {
                let mut oaep: RsaesOaep = only(text)?;
                oaep.public_key = oaep.public_key.map(|file| folder.join(file));
                Self::RsaesOaep(oaep)
            }
            Mechanism::Shim => {
                let mut shim: Shim = only(text)?;
                shim.shim_library = shim.shim_library.map(|file| folder.join(file));
                Self::Shim(shim)
            }
        })
    }
}

/// The one key that decides about all others.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    mechanism: Mechanism,
}

/// That table of a data sheet, and nothing else of it.
fn only<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, toml::de::Error> {
    #[derive(Deserialize)]
    struct Around<T> {
        #[serde(rename = "key-exchange")]
        table: T,
    }
    toml::from_str(text).map(|Around { table }| table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(table: &str) -> Result<KeyExchange, String> {
        let text = format!("name = \"a\"\n[key-exchange]\n{table}");
        KeyExchange::parse(&text, Path::new("folder")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_mechanism_has_its_own_keys_and_those_of_no_other() {
        let oaep = "mechanism = \"rsaes-oaep\"\n";
        let Ok(KeyExchange::RsaesOaep(usual)) = parsed(oaep) else { panic!() };
        assert_eq!((usual.hash, usual.public_key), (Hash::Sha512, None));
        let named = format!("{oaep}hash = \"sha-1\"\npublic-key = \"a.pem\"\n");
        let Ok(KeyExchange::RsaesOaep(named)) = parsed(&named) else { panic!() };
        assert_eq!(named.public_key.as_deref(), Some(Path::new("folder/a.pem")));
        let shim = "mechanism = \"shim\"\nshim = \"f\"\nshim-library = \"a.so\"\n";
        let Ok(KeyExchange::Shim(shim)) = parsed(shim) else { panic!() };
        assert_eq!(shim.shim_library.as_deref(), Some(Path::new("folder/a.so")));
        assert!(matches!(parsed("before = \"V\""), Ok(KeyExchange::Plain(_))));
        for (table, place, told) in [
            ("hash = \"sha-1\"", "line 3, column 1", "unknown field `hash`"),
            ("mechanism = \"plain\"\nshim = \"f\"", "line 4, column 1", "unknown field `shim`"),
            ("mechanism = \"rsa\"", "line 3, column 13", "unknown variant `rsa`"),
            (&format!("{oaep}hash = \"md5\""), "line 4, column 8", "unknown variant `md5`"),
            (&format!("{oaep}before = \"V\""), "line 4, column 1", "unknown field `before`"),
            ("mechanism = \"shim\"", "line 2, column 1", "missing field `shim`"),
        ] {
            let error = parsed(table).unwrap_err();
            assert!(error.contains(place) && error.contains(told), "{table}: {error}");
        }
    }
}
