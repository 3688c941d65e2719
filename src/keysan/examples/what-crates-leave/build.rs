//! Tells the program which compiler it was built with, since that decides what is left on stacks and in registers.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().ok();
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    let version = version.unwrap_or_else(|| "rustc of no known version".to_owned());
    println!("cargo:rustc-env=BUILT_WITH={}", version.trim());
}
