//! Work in a copy of this process, which may take the copy along.

use core::ffi::c_int;
use std::fs;
use std::io;

/// How a copy ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// A signal ended it.
    Killed(i32),
    /// It ended with this exit code; 0 when the work was done.
    Exited(i32),
}

/// Does some work in a copy of this process, and waits for its end. All that the work does to its process is
/// undone by that.
///
/// # Errors
///
/// When this process has more threads than this one: the copy would have only this one, and perhaps locks
/// that another holds for ever. When the system makes no copy.
pub fn in_a_copy<T>(work: impl FnOnce() -> T) -> io::Result<Ended> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with several threads cannot be copied"));
    }
    // SAFETY: this thread is the only one, so that everything is in a state in which this thread left it.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            work();
            // SAFETY: it takes a number, and does not return. What is to be run when a process ends is for
            // the one that this is a copy of.
            unsafe { libc::_exit(0) }
        }
        child => wait_for(child),
    }
}

fn wait_for(child: libc::pid_t) -> io::Result<Ended> {
    let mut status: c_int = 0;
    loop {
        // SAFETY: `status` is there until this returns.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    if libc::WIFSIGNALED(status) {
        Ok(Ended::Killed(libc::WTERMSIG(status)))
    } else {
        Ok(Ended::Exited(libc::WEXITSTATUS(status)))
    }
}
