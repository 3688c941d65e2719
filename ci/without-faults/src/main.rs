//! Takes every trace of planted faults out of the core, and compares what is compiled with and
//! without; `ci/without-faults.sh` compiles in between.

mod blank;
mod compare;
mod conditions;
mod copy;
mod fold;
mod strip;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: without-faults copy REPOSITORY FOLDER [FAULT]
       without-faults compare NAME ONE.rlib OTHER.rlib

copy     writes the core without any trace of planted faults, as a workspace of its own;
         with FAULT it leaves that one in, always planted
compare  says whether two compilations of a package have the same machine code

Exit code: 0 done, the same; 1 not the same; 2 neither could be said
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["copy", from, to] => copy::copy(Path::new(from), Path::new(to), None).map(|()| Ok(None)),
        ["copy", from, to, fault] => {
            copy::copy(Path::new(from), Path::new(to), Some(fault)).map(|()| Ok(None))
        }
        ["compare", name, one, other] => {
            compare::compare(name, Path::new(one), Path::new(other)).map(|same| same.map(Some))
        }
        _ => Err(USAGE.into()),
    };
    let (text, code) = match outcome {
        Ok(Ok(None)) => return ExitCode::SUCCESS,
        Ok(Ok(Some(same))) => (same, 0),
        Ok(Err(difference)) => (difference, 1),
        Err(error) => (error.to_string(), 2),
    };
    if code == 0 {
        _ = writeln!(io::stdout(), "{text}");
    } else {
        _ = writeln!(io::stderr(), "{text}");
    }
    ExitCode::from(code)
}
