//! How a driver ended the process that drove it.

use core::fmt;

/// How the process of a driver ended that should have gone on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Death {
    /// What ended it.
    pub end: End,
    /// What a sanitizer in the driver said of it, in one line and without addresses.
    pub report: Option<String>,
    /// How many other sequences had run in the process, if it does not end when this one runs alone;
    /// otherwise 0.
    pub behind: u32,
}

/// What ended a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// A signal, by its number.
    Signal(i32),
    /// The driver itself, with this exit code.
    Exit(i32),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.report, self.end) {
            (Some(report), _) => f.write_str(report),
            (None, End::Signal(number)) => match name_of(number) {
                Some(name) => write!(f, "died of {name}"),
                None => write!(f, "died of signal {number}"),
            },
            (None, End::Exit(code)) => {
                write!(f, "ended the process with exit code {code}")
            }
        }?;
        match self.behind {
            0 => Ok(()),
            1 => f.write_str(", behind another sequence in the same process, and not alone"),
            count => write!(f, ", behind {count} sequences in the same process, and not alone"),
        }
    }
}

/// The names of signals with the numbers that they have on Linux, as far as a driver dies of them.
fn name_of(number: i32) -> Option<&'static str> {
    Some(match number {
        4 => "SIGILL: an illegal instruction",
        5 => "SIGTRAP: a trap",
        6 => "SIGABRT: it gave up by itself",
        7 => "SIGBUS: a bad access to memory",
        8 => "SIGFPE: a division by zero or the like",
        9 => "SIGKILL",
        11 => "SIGSEGV: a bad access to memory, or the end of the stack",
        15 => "SIGTERM",
        31 => "SIGSYS: a forbidden system call",
        _ => return None,
    })
}
