//! What a table was measured with: compiler, build, implementations, processor.

use std::fmt;

/// What else decides what is left, beside the crates.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) compiler: &'static str,
    pub(crate) build: &'static str,
    /// Whether `.cargo/config.toml` has fixed which implementations the crates use.
    pub(crate) backends: &'static str,
    pub(crate) processor: String,
}

impl Setting {
    pub(crate) fn here() -> Setting {
        let is_fixed = cfg!(all(
            aes_backend = "soft",
            chacha20_backend = "soft",
            chacha20_force_soft,
            curve25519_dalek_backend = "serial",
            keccak_backend = "soft",
            poly1305_backend = "soft",
            poly1305_force_soft,
            polyval_backend = "soft",
            sha2_backend = "soft",
        ));
        Setting {
            compiler: env!("BUILT_WITH"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            backends: if is_fixed { "portable" } else { "chosen at run time" },
            processor: processor(),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { compiler, build, backends, processor } = self;
        write!(f, "{compiler}; {build} build; implementations {backends}; {processor}")
    }
}

/// The features that ring and the C library's `memcpy` choose by.
#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let features = [
        ("aes", is_x86_feature_detected!("aes")),
        ("ssse3", is_x86_feature_detected!("ssse3")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("sha", is_x86_feature_detected!("sha")),
        ("vaes", is_x86_feature_detected!("vaes")),
    ];
    let names = features.iter().filter(|(_, has)| *has).map(|(name, _)| *name);
    format!("x86-64 with {}", names.collect::<Vec<_>>().join(" "))
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.to_owned()
}
