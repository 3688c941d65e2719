//! Whatever wraps keys for one driver, with all that it needs: a public key, or a function that was loaded.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use rekeylab_abi::{Adapter, CertificateError, Library, ShimError, WrapFunction};
use rekeylab_ddi::Guid;
use rsa::PublicKey;
use zeroize::Zeroizing;

use super::certificate::{KeyFault, of_certificate, of_pem};
use super::oaep::{self, Hash};
use super::{KeyExchange, Plain};
use crate::executor::PlainTestMechanism;
use crate::foreign::{Sheet, Undrivable};

/// Wraps keys for one driver.
pub struct KeyWrapper(By);

enum By {
    Plain(Plain),
    Oaep { key: Box<PublicKey>, hash: Hash },
    Shim { function: WrapFunction, certificate: Vec<u8> },
}

/// Why a key cannot be wrapped.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The driver shows no certificate.
    #[error("shows no certificate for its key exchange: {0}")]
    Certificate(#[from] CertificateError),
    /// Its certificate has no key that can be used.
    #[error("shows a certificate that {0}")]
    Key(#[from] KeyFault),
    /// The file with its public key cannot be read.
    #[error("its public key {}: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The vendor's function does not do it.
    #[error("its key exchange: {0}")]
    Shim(#[from] ShimError),
    /// RSAES-OAEP has no room for a key, or not for this hash.
    #[error("its public key has no room for a session key")]
    NoRoom,
}

impl WrapError {
    /// What to try.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Certificate(_) | Self::Key(_) => {
                "`public-key = \"FILE\"` in [key-exchange], or a certificate in X.509 with an RSA key of 2048 bits"
            }
            Self::File { .. } => {
                "a file in PEM, such as `openssl x509 -inform DER -pubkey -noout` makes of a certificate"
            }
            Self::Shim(_) => {
                "the function that [key-exchange] names; docs/your-driver.md has its declaration"
            }
            Self::NoRoom => "an RSA key of 2048 bits",
        }
    }
}

/// What a key exchange is given: the bytes, if there are any, and how many are claimed.
pub(in crate::foreign) type Given = (Option<Zeroizing<Vec<u8>>>, u32);

impl KeyWrapper {
    /// Whatever wraps keys for the driver of this data sheet, whose adapter is opened if its certificate is wanted.
    /// Tried once.
    ///
    /// # Errors
    ///
    /// When a key cannot be wrapped as the data sheet says.
    pub fn open(sheet: &Sheet) -> Result<Self, Undrivable> {
        if !sheet.asks_for_certificate() {
            return Ok(Self::of(sheet, None)?);
        }
        let library = Library::load(&sheet.library, sheet.convention.into())?;
        Ok(Self::of(sheet, Some(&library.open_adapter()?))?)
    }

    /// The same, of an adapter that is open.
    pub(in crate::foreign) fn of(
        sheet: &Sheet,
        adapter: Option<&Adapter>,
    ) -> Result<Self, WrapError> {
        let certificate = || match adapter {
            Some(adapter) => adapter.certificate(Guid::CRYPTO_TYPE_AES128_CTR),
            None => Err(CertificateError::NotAsked),
        };
        let by = match &sheet.key_exchange {
            KeyExchange::Plain(plain) => By::Plain(plain.clone()),
            KeyExchange::RsaesOaep(settings) => {
                let key = match &settings.public_key {
                    None => of_certificate(&certificate()?)?,
                    Some(file) => {
                        let wrong = |why: String| WrapError::File { file: file.clone(), why };
                        let text = fs::read(file).map_err(|error| wrong(error.to_string()))?;
                        of_pem(&text).map_err(|fault| wrong(fault.to_string()))?
                    }
                };
                By::Oaep { key: Box::new(key), hash: settings.hash }
            }
            KeyExchange::Shim(settings) => {
                let library = settings.shim_library.as_ref().unwrap_or(&sheet.library);
                let function = WrapFunction::load(library, &settings.shim)?;
                // A driver of a vendor's own mechanism need not have one.
                By::Shim { function, certificate: certificate().unwrap_or_default() }
            }
        };
        let wrapper = Self(by);
        wrapper.wrap(&[0x5A; 16])?;
        Ok(wrapper)
    }

    /// Wraps a key: what a driver has to take.
    ///
    /// # Errors
    ///
    /// When the vendor's function fails.
    pub(in crate::foreign) fn wrap(&self, key: &[u8; 16]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        match &self.0 {
            By::Plain(plain) => Ok(Zeroizing::new(plain.wrap(key))),
            By::Oaep { key: public, hash } => {
                oaep::wrap(public, *hash, key).ok_or(WrapError::NoRoom)
            }
            By::Shim { function, certificate } => {
                Ok(Zeroizing::new(function.wrap(key, certificate)?))
            }
        }
    }

    /// What a client of the driver core passes, as this driver wants it: the bytes, and how many are claimed.
    /// What is wrong with the one is wrong with the other.
    pub(in crate::foreign) fn translate(
        &self,
        blob: Option<&[u8]>,
        blob_len: u32,
    ) -> Result<Given, WrapError> {
        let key = blob.and_then(|blob| blob.get(16..)?.first_chunk()).unwrap_or(&[0; 16]);
        let good = self.wrap(key)?;
        let whole_len = good.len();
        let len = |client: usize| (whole_len + client).saturating_sub(PlainTestMechanism::BLOB_LEN);
        let wrapped = blob.map(|blob| {
            let mut bytes = good;
            if !blob.is_empty() && !PlainTestMechanism::is_tagged(blob) {
                self.corrupt(&mut bytes);
            }
            let mut given =
                Zeroizing::new(vec![0; if blob.is_empty() { 0 } else { len(blob.len()) }]);
            let both = given.len().min(bytes.len());
            given[..both].copy_from_slice(&bytes[..both]);
            given
        });
        let claimed = match blob_len {
            0 | u32::MAX => blob_len,
            client => u32::try_from(len(client as usize)).unwrap_or(u32::MAX),
        };
        Ok((wrapped, claimed))
    }

    /// Makes of a wrapped key what no driver takes.
    fn corrupt(&self, bytes: &mut [u8]) {
        match &self.0 {
            By::Plain(_) => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            // The number stays below the modulus, so that it is the padding that is wrong.
            By::Oaep { .. } => bytes.iter_mut().next_back().into_iter().for_each(|byte| *byte ^= 1),
            // Nobody knows which bytes of it are looked at.
            By::Shim { .. } => bytes.iter_mut().for_each(|byte| *byte = !*byte),
        }
    }
}

impl fmt::Debug for KeyWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyWrapper").finish_non_exhaustive()
    }
}
