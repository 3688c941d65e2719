//! A key-hygiene sanitizer: finds secrets that outlive their life, in memory and in text.
//!
//! For tests and fuzz targets of code that handles keys, in one process and in any library. A test
//! names its secrets, makes its calls through [`Keysan`], says when a secret must be gone, and gets
//! told in words which bytes of which secret are still where:
//!
//! ```
//! use keysan::Keysan;
//!
//! #[global_allocator]
//! static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();
//!
//! let mut keysan = Keysan::open()?;
//! keysan.watch_statics(|symbol| symbol.contains("mylib::"))?;
//!
//! // Secrets come from a pseudo-random generator; this one stands for its answer.
//! let bytes = *b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b";
//! let key = keysan.register("session key", &bytes)?;
//!
//! // A holder that forgets to wipe.
//! let mut holder = Some(keysan.call("start", || Box::new([0; 16])));
//! keysan.call("fill", || holder.as_mut().unwrap().copy_from_slice(&bytes));
//! keysan.call("stop", || holder = None);
//! keysan.retire(key, "stopped");
//! keysan.scan("after stop");
//!
//! let findings = keysan.findings()?;
//! # if keysan.looks_into(keysan::Layer::FreedBlocks) {
//! assert!(findings.iter().any(|finding| finding.to_string().contains("freed in call 3 (stop)")));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example `new-harness` writes a harness for any crate; `check_a_library` is a longer one, and `check_a_c_library` of
//! the package `keysan-c-heap` is for a library in C. A fuzz target opens once for each thread, calls
//! [`Keysan::clear`] before each input and [`Keysan::assert_clean`] behind it; or
//! [`Baseline::check`](sanitizer::Baseline::check), in code that leaves something which one cannot change. A secret that
//! nobody drew for a test, a token or a password say, can be registered as well:
//! [`Keysan::visibility`] says what of it goes unseen.
//!
//! Of what was found, [`Keysan::trace`] says where in the code it is: which function's frame held a copy, which
//! instruction made it, who allocated and freed the block.
//!
//! # What is looked into, and when
//!
//! | Where | When | Module |
//! |---|---|---|
//! | heap blocks that a call frees | behind each call, at the free without an arena | [`heap`] |
//! | dead stack and all registers | behind each call | [`gate`] |
//! | outputs, texts, messages of panics | when they are passed, or thrown | [`text`] |
//! | all that calls allocated, gaps and freed blocks included | in a scan | [`heap::Arena`] |
//! | named statics and thread-locals | in a scan | [`statics`] |
//! | the same by comparison of runs, for keys in any form | in [`Keysan::differential`] | [`differential`] |
//!
//! The modules can be used by themselves, by a caller that has its own idea of what may be where;
//! they share [`SecretSet`], which holds the secrets, masked, and scans for them. Two more are for
//! nightly runs: [`audit`] looks at all writable memory of the process, and [`valgrind`] asks
//! memcheck where secrets went.
//!
//! # Silence is proven
//!
//! [`Keysan::open`] plants secrets in a freed block, in every register and down the stack, and fails
//! if one is not found. Each look into stack, registers, arena and statics finds a canary there, or
//! the run is void, which is an error and no pass. What a machine or a build has no way to look into is listed by
//! [`Keysan::blind_spots`].
//!
//! Chance gives false alarms as well: one in years of fuzzing, by the arithmetic at [`SecretSet`].
//!
//! # What is never said
//!
//! A report carries the caller's name for the secret, which part of it was seen and where, never
//! the bytes. The set keeps only masked windows, and what the text scanner decodes is wiped before
//! it returns. What a caller's own copy of the secret leaves behind on its way to `register` is not
//! cleaned up.
//!
//! # What it cannot see
//!
//! - What is **outside the program**: copies of the kernel (pipes, sockets, the frames of signals,
//!   saved registers), other processes, swap, core dumps; and what is below it: caches, buffers of
//!   the processor, DRAM.
//! - **Other threads**: their stacks, registers and thread-locals, and what they allocate and free.
//! - The **heap** that other allocators than Rust's global one hand out; C's `malloc` is seen where the program
//!   exports it, by the package `keysan-c-heap`, also where `AddressSanitizer` has it. Memory mapped by hand, and what was allocated outside calls.
//! - **Statics** that the optimiser took apart; those of a shared library only by
//!   [`Keysan::watch_library`].
//! - **Fewer than 8 bytes** together, fewer than 15 on heap and stack, where words are looked at, and other forms (XORed, bit-sliced, byte-spread), except by
//!   the differential and memcheck.
//! - **The middle of a call**: what was there and is wiped when the call returns is no finding.
//! - x87, MMX and AMX **registers**, and holes of the stack as described at [`gate`].
//! - **Other systems**: the gate and memcheck need x86-64 Linux, the statics that or AArch64 Linux, the arena 64-bit
//!   Linux, and [`Keysan::differential`] gate and arena both. Freed blocks, outputs and texts are looked at
//!   everywhere. So on AArch64 Linux the dead stack and the registers are not looked into, which
//!   [`Keysan::blind_spots`] says, and the differential answers that it is blind; what compares the runs, the module
//!   [`differential`], works everywhere.
//!
//! Silence from keysan therefore means "not in the places above at those times, in this build", and
//! nothing more.

#![allow(
    unsafe_code,
    reason = "an allocator, reading freed blocks and switching stacks cannot be written without it"
)]

#[cfg(unix)]
pub mod audit;
pub mod differential;
mod distinctive;
pub mod gate;
pub mod heap;
#[cfg(all(target_os = "linux", not(miri)))]
mod places;
mod same;
pub mod sanitizer;
mod secret_set;
pub mod statics;
pub mod text;
pub mod valgrind;
#[cfg(feature = "trace")]
mod watchpoint;

pub use distinctive::looks_like_nothing_else;
pub use sanitizer::{Finding, Keysan, Layer, SecretId};
pub use secret_set::{Backend, Looked, PAINT_WORD, SecretSet, SetIsFull, Sighting};
#[cfg(feature = "trace")]
pub use watchpoint::Frame;
