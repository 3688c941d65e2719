//! Why a library cannot be driven, and what to do about it.

use rekeylab_ddi::Hresult;

/// Why a library cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The system does not load it.
    #[error("cannot be loaded: {reason}")]
    Load {
        /// What the system says.
        reason: String,
    },
    /// It has no `OpenAdapter`.
    #[error("does not export OpenAdapter")]
    NoExport,
    /// It is an archive, and this program has none in it.
    #[error("is an archive, and no driver is linked into this program")]
    NotLinked,
    /// It has no function of this name, which its data sheet wants.
    #[error("does not export {name}")]
    NoFunction {
        /// The name.
        name: String,
    },
    /// It does not open.
    #[error("{what} answered {code}")]
    Refused {
        /// What was called.
        what: &'static str,
        /// Its answer.
        code: Hresult,
    },
    /// It was made for an interface that has no crypto sessions.
    #[error(
        "the driver answers interface version {version:#06x}; crypto sessions need 0x2003 (Windows 7) or later"
    )]
    TooOld {
        /// Its DriverVersion.
        version: u32,
    },
    /// A table that was not filled.
    #[error("{what} answered S_OK and wrote no {entry} into its table")]
    NotFilled {
        /// What was called.
        what: &'static str,
        /// The entry.
        entry: &'static str,
    },
}

/// Why there is no certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CertificateError {
    /// There is nobody to ask.
    #[error("it is not asked")]
    NotAsked,
    /// There is no `GetCaps`.
    #[error("pfnGetCaps is NULL")]
    NotOffered,
    /// `GetCaps` refuses.
    #[error("GetCaps {kind} answered {code}")]
    Refused {
        /// What was asked, a `D3DDDICAPS_TYPE`.
        kind: u32,
        /// Its answer.
        code: Hresult,
    },
    /// No certificate has so many bytes.
    #[error("GetCaps 43 says that it has {0} bytes")]
    Length(u32),
    /// It is longer than the driver has said.
    #[error("GetCaps 44 wrote more than the {0} bytes that it was given")]
    Overrun(u32),
}

impl LibraryError {
    /// What to try.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Load { .. } => {
                "build it for this machine, and name it with its folder; `ldd -r` says which libraries and functions it misses"
            }
            Self::NotLinked => {
                "REKEYLAB_DRIVER=SHEET cargo fuzz run -s none --features driver driver, which links it; or make it a shared library: c++ -shared -o x.so -Wl,--whole-archive x.a -Wl,--no-whole-archive"
            }
            Self::NoExport | Self::NoFunction { .. } => {
                "export it undecorated, with visibility \"default\" and, in C++, as extern \"C\"; `nm -D` shows what there is"
            }
            Self::Refused { .. } => {
                "look whether its calling convention is the one that was chosen, and what it needs from its environment"
            }
            Self::TooOld { .. } => {
                "answer DriverVersion with the version of the headers that it was compiled with"
            }
            Self::NotFilled { .. } => {
                "fill the whole table, with NULL or a stub that answers E_NOTIMPL for what is not offered"
            }
        }
    }
}
