//! Valgrind's memcheck as a taint engine: it follows a secret through every computation.
//!
//! Bytes marked secret are "undefined" to memcheck. Whatever is computed from them is undefined
//! too, in any encoding, so asking where undefined bytes lie finds residue that no scan knows; and
//! memcheck itself reports every branch and every address that depends on one.
//!
//! It does not see the dead stack: what lies below the stack pointer is unaddressable to it.
//!
//! The program talks to Valgrind by a sequence of instructions that do nothing on a processor
//! (`valgrind.h`, `memcheck.h`; Valgrind 3.19 was tried). Outside Valgrind, and on machines other
//! than x86-64, nothing is marked and nothing is tainted.

use std::fmt;

/// Whether the program runs under Valgrind, so that marks have an effect.
#[must_use]
pub fn is_running() -> bool {
    request(RUNNING_ON_VALGRIND, [0; 3]) != 0
}

/// Marks bytes as secret: from now on they, and what is computed from them, are tainted.
pub fn mark_secret(bytes: &[u8]) {
    request(MAKE_MEM_UNDEFINED, [bytes.as_ptr().addr(), bytes.len(), 0]);
}

/// Marks bytes as public: they are tainted no more. For what may be known, such as ciphertext.
pub fn mark_public(bytes: &[u8]) {
    request(MAKE_MEM_DEFINED, [bytes.as_ptr().addr(), bytes.len(), 0]);
}

/// How many of `len` bytes from `start` are tainted; none outside Valgrind.
///
/// Reads nothing of the memory itself. Bytes that nobody ever wrote are tainted too: fill fresh
/// memory, or mark it public, before it is used.
///
/// # Errors
///
/// [`Unaddressable`] when memcheck takes some of the bytes for freed, for dead stack or for never
/// allocated, or when another tool of Valgrind than memcheck is running.
pub fn tainted_bytes(start: *const u8, len: usize) -> Result<usize, Unaddressable> {
    /// Bytes asked about at a time.
    const CHUNK: usize = 256;
    if !is_running() {
        return Ok(0);
    }
    let mut tainted = 0;
    for offset in (0..len).step_by(CHUNK) {
        let mut bits = [0u8; CHUNK];
        let asked = CHUNK.min(len - offset);
        let place = start.addr() + offset;
        if request(GET_VBITS, [place, bits.as_mut_ptr().expose_provenance(), asked]) != 1 {
            return Err(Unaddressable);
        }
        tainted += bits.iter().filter(|bits| **bits != 0).count();
    }
    Ok(tainted)
}

/// Memcheck keeps no taint for some of the bytes that were asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unaddressable;

impl fmt::Display for Unaddressable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memcheck keeps no taint for this memory")
    }
}

impl std::error::Error for Unaddressable {}

const RUNNING_ON_VALGRIND: usize = 0x1001;
/// Memcheck's requests are numbered from its two letters on.
const MEMCHECK: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16;
const MAKE_MEM_UNDEFINED: usize = MEMCHECK + 1;
const MAKE_MEM_DEFINED: usize = MEMCHECK + 2;
const GET_VBITS: usize = MEMCHECK + 8;

/// Makes a client request, and answers 0 when nobody answers.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn request(number: usize, [first, second, third]: [usize; 3]) -> usize {
    let arguments = [number, first, second, third, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: the rotations add up to 128 bits, which leaves rdi as it was, and an exchange with
    // itself does nothing; so a processor changes the carry flag at most. Valgrind reads the
    // arguments and puts its answer in rdx. Of the requests made here, one writes to memory:
    // GET_VBITS, to an exposed buffer that its caller made and that is as long as it says.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn request(_number: usize, _arguments: [usize; 3]) -> usize {
    0
}
