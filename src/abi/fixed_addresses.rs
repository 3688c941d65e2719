//! Programs that begin at the same addresses every time.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Has the program begin without random addresses, where the system allows that. `ThreadSanitizer` has fixed places
/// for its own memory, and a program that the system has put there cannot begin.
pub fn begin_at_fixed_addresses(command: &mut Command) {
    let without_chance = || -> io::Result<()> {
        // SAFETY: both take and answer a number, and change nothing but how this process starts the next program.
        unsafe {
            let now = libc::personality(ASK);
            if let Ok(now) = libc::c_ulong::try_from(now) {
                // A refusal leaves the addresses to chance, with which most begin as well.
                libc::personality(now | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes two calls of the system and allocates nothing.
    unsafe { command.pre_exec(without_chance) };
}

/// The number by which a personality is asked for and not changed.
const ASK: libc::c_ulong = 0xFFFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_begins_at_the_same_addresses_twice_where_that_is_allowed() {
        let stack = || {
            let mut command = Command::new("grep");
            begin_at_fixed_addresses(command.args(["-F", "[stack]", "/proc/self/maps"]));
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let mut asked = Command::new("grep");
        begin_at_fixed_addresses(asked.args(["-q", "^0*40000$", "/proc/self/personality"]));
        if !asked.status().unwrap().success() {
            println!("skipped: the system does not allow it");
            return;
        }
        assert_eq!(stack(), stack());
    }
}
