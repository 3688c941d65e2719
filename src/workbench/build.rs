//! Lets libraries that are loaded later find those functions in the command that the linker keeps for itself,
//! because nothing that it sees asks for them.
#![allow(clippy::print_stdout, reason = "how a build script speaks to Cargo")]

/// Of the C heap, which is looked into, of coverage, which guides the search, and of random numbers, which may repeat.
const FUNCTIONS: [&str; 11] = [
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "malloc_usable_size",
    "__sanitizer_cov_8bit_counters_init",
    "__sanitizer_cov_pcs_init",
    "getrandom",
    "getentropy",
    "arc4random",
    "arc4random_buf",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    let is_gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|library| library == "gnu");
    if is_linux && is_gnu {
        for function in FUNCTIONS {
            println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={function}");
        }
    }
}
