//! Links what Cargo does not know of: the driver of a data sheet into the target `driver`, if it is an archive, and
//! the runtime of AFL++ into targets for it.
#![allow(clippy::print_stdout, reason = "how a build script speaks to Cargo")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=REKEYLAB_DRIVER");
    println!("cargo::rerun-if-env-changed=REKEYLAB_AFL_RUNTIME");
    #[cfg(feature = "afl")]
    if let Some(runtime) = std::env::var_os("REKEYLAB_AFL_RUNTIME") {
        println!("cargo::rustc-link-arg-bins={}", std::path::Path::new(&runtime).display());
    }
    #[cfg(feature = "driver")]
    link();
}

/// What the sheet says wrongly is told by whoever drives: here, it is only not linked.
#[cfg(feature = "driver")]
fn link() {
    use std::path::Path;
    // A library that is opened finds the engine's functions for coverage, and those of the heap.
    println!("cargo::rustc-link-arg-bin=driver=-rdynamic");
    let Some(sheet) = std::env::var_os("REKEYLAB_DRIVER") else { return };
    // A build script runs in the folder of its package; whoever names a sheet is in that of the checkout.
    let sheet = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(sheet);
    println!("cargo::rerun-if-changed={}", sheet.display());
    let Ok(text) = std::fs::read_to_string(&sheet) else { return };
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let Some(library) = table.get("library").and_then(toml::Value::as_str) else { return };
    let library = sheet.parent().unwrap_or(Path::new(".")).join(library);
    if library.extension().is_none_or(|extension| extension != "a") {
        return;
    }
    println!("cargo::rerun-if-changed={}", library.display());
    let linked = table.get("link").and_then(toml::Value::as_array);
    let linked = linked
        .map_or(vec!["-lstdc++"], |words| words.iter().filter_map(toml::Value::as_str).collect());
    // Nothing in the program asks for it by name.
    println!("cargo::rustc-link-arg-bin=driver=-Wl,--undefined=OpenAdapter");
    println!("cargo::rustc-link-arg-bin=driver={}", library.display());
    for word in linked {
        println!("cargo::rustc-link-arg-bin=driver={word}");
    }
}
