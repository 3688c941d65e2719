//! Reads the lock file that this was built with, so that the versions shown are those that ran.

/// The lock file of this package.
const LOCK: &str = include_str!("../Cargo.lock");

/// The version of a crate that this package itself depends on; of another one that has the same name and came with
/// something else, nothing is said.
pub(crate) fn version(name: &str) -> Option<&'static str> {
    let of_package = |package: &&str| field(package, "name") == Some(env!("CARGO_PKG_NAME"));
    let own = LOCK.split("[[package]]").find(of_package)?;
    // A dependency is written with its version if there are several of that name.
    let entry = own.lines().filter_map(|line| line.trim().strip_prefix('"')).find_map(|line| {
        let line = line.trim_end_matches(['"', ',']);
        let rest = line.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with(' ')).then_some(rest.trim())
    })?;
    if !entry.is_empty() {
        return entry.split(' ').next();
    }
    let is_it = |package: &&str| field(package, "name") == Some(name);
    field(LOCK.split("[[package]]").find(is_it)?, "version")
}

/// The text that a package of the lock file has behind this key.
fn field<'a>(package: &'a str, key: &str) -> Option<&'a str> {
    let line = package.lines().find(|line| line.starts_with(key) && line.contains(" = "))?;
    line.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_locked_to_the_version_that_the_manifest_pins() {
        let manifest = include_str!("../Cargo.toml");
        for subject in crate::subjects::ALL.iter().filter(|subject| !subject.is_control()) {
            let version = version(subject.crate_name()).unwrap();
            let pin = format!("{} = {{ version = \"={version}\"", subject.crate_name());
            assert!(manifest.contains(&pin), "{pin}");
        }
        assert_eq!(version("no-such-crate"), None);
    }
}
