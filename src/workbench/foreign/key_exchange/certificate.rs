//! The RSA public key in a certificate, or in a file.

use rsa::PublicKey;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _, SliceReader, pem};

use super::oaep::BLOB_LEN;

/// Why there is no key to wrap for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFault {
    /// It is not what it should be.
    #[error("is no X.509 certificate in DER: {0}")]
    NoCertificate(String),
    /// It holds a key of another kind.
    #[error("holds no RSA public key: {0}")]
    NoRsa(String),
    /// The key is shorter or longer.
    #[error("holds an RSA key of {0} bytes, and a wrapped key has {BLOB_LEN} (R-11)")]
    Length(usize),
    /// It is no PEM.
    #[error("is no PEM: {0}")]
    NoPem(String),
    /// It is a PEM of something else.
    #[error("is a PEM of {0:?}; wanted is \"PUBLIC KEY\", \"RSA PUBLIC KEY\" or \"CERTIFICATE\"")]
    Label(String),
}

/// The key in a certificate in DER. Others of its chain may follow.
///
/// Who has signed it is not asked: that is what an application has to verify, and here the key of the driver is
/// wanted, whoever answers for it.
pub(super) fn of_certificate(der: &[u8]) -> Result<PublicKey, KeyFault> {
    let wrong = |error: x509_cert::der::Error| KeyFault::NoCertificate(error.to_string());
    let mut reader = SliceReader::new(der).map_err(wrong)?;
    let certificate = Certificate::decode(&mut reader).map_err(wrong)?;
    let info = certificate.tbs_certificate().subject_public_key_info();
    let info = info.to_der().map_err(wrong)?;
    checked(
        PublicKey::from_public_key_der(&info)
            .map_err(|error| KeyFault::NoRsa(error.to_string()))?,
    )
}

/// The key in a file in PEM: a public key in either of its two forms, or a certificate.
pub(super) fn of_pem(text: &[u8]) -> Result<PublicKey, KeyFault> {
    let no_rsa = |error: String| KeyFault::NoRsa(error);
    let (label, der) = pem::decode_vec(text).map_err(|error| KeyFault::NoPem(error.to_string()))?;
    match label {
        "CERTIFICATE" => of_certificate(&der),
        "PUBLIC KEY" => checked(
            PublicKey::from_public_key_der(&der).map_err(|error| no_rsa(error.to_string()))?,
        ),
        "RSA PUBLIC KEY" => {
            checked(PublicKey::from_pkcs1_der(&der).map_err(|error| no_rsa(error.to_string()))?)
        }
        other => Err(KeyFault::Label(other.to_owned())),
    }
}

fn checked(key: PublicKey) -> Result<PublicKey, KeyFault> {
    match key.size() {
        BLOB_LEN => Ok(key),
        len => Err(KeyFault::Length(len)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &[u8] = include_bytes!("../../../../examples/vendor-driver/rsa.pem");

    /// The certificate of the sample driver.
    fn certificate() -> Vec<u8> {
        let text = include_str!("../../../../examples/vendor-driver/rsa_key.h");
        let list = text.split("rsa_certificate[] = {").nth(1).unwrap().split('}').next().unwrap();
        let bytes = list.split(',').map(str::trim).filter(|byte| !byte.is_empty());
        bytes.map(|byte| u8::from_str_radix(&byte[2..], 16).unwrap()).collect()
    }

    #[test]
    fn a_certificate_its_chain_and_a_file_have_the_same_key() {
        let key = of_pem(PEM).unwrap();
        let der = certificate();
        assert_eq!(of_certificate(&der).unwrap(), key);
        assert_eq!(of_certificate(&[&der[..], &der].concat()).unwrap(), key);
        let pem = pem::encode_string("CERTIFICATE", pem::LineEnding::LF, &der).unwrap();
        assert_eq!(of_pem(pem.as_bytes()).unwrap(), key);
    }

    #[test]
    fn what_is_no_key_is_told_as_what_it_is() {
        let der = certificate();
        let told = |fault: KeyFault| fault.to_string();
        let cut = told(of_certificate(&der[..der.len() - 1]).unwrap_err());
        assert!(cut.starts_with("is no X.509 certificate in DER"), "{cut}");
        assert!(of_certificate(&[]).is_err());
        let private = pem::encode_string("PRIVATE KEY", pem::LineEnding::LF, &der).unwrap();
        assert_eq!(
            of_pem(private.as_bytes()).unwrap_err(),
            KeyFault::Label("PRIVATE KEY".to_owned())
        );
        assert!(told(of_pem(b"text").unwrap_err()).starts_with("is no PEM"));
        let wrong = pem::encode_string("PUBLIC KEY", pem::LineEnding::LF, &der).unwrap();
        let wrong = told(of_pem(wrong.as_bytes()).unwrap_err());
        assert!(wrong.starts_with("holds no RSA public key"), "{wrong}");
    }
}
