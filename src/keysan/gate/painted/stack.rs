//! The painted stack: its memory, the search for what a call dirtied, and the repainting.
//!
//! Memory below the entry is read and written by `asm!` blocks. AddressSanitizer marks parts of
//! the stack frames of the code under test as out of bounds and does not always take that back
//! when a panic leaves them; what the compiler does not see, it does not check.

use std::arch::asm;
use std::ffi::c_void;
use std::ptr;

use crate::heap::ROW_END;

use super::growing::{self, Place};
use super::trampoline::{Above, VectorLevel};

/// What an untouched word of the stack holds: shaped like an address that no program has, which
/// the scanner passes over fastest, and not zero, because stack probes write zeros.
pub(super) const PAINT: u64 = 0x0000_5AB5_5AB5_5AB5;

/// How large a stack can become that nobody chose otherwise, in bytes: as large as that of a process.
pub(super) const STACK_LEN: usize = 8 << 20;

/// How much of it is painted from the start. Debug builds of portable ciphers have been seen to use 27 KiB.
const PAINTED_LEN: usize = 256 * 1024;

/// What a call needs in any case that does next to nothing.
const LEN_MIN: usize = 16 << 10;

/// Below the stack: touching it ends the process.
pub(super) const GUARD_LEN: usize = PAGE_LEN;

pub(super) const PAGE_LEN: usize = 4096;

/// Above the stack, for what the gate itself keeps there.
const ABOVE_LEN: usize = 4096;

/// Where stacks are mapped: far from where Linux puts anything by itself, and behind the arenas. A
/// program that makes the same calls finds the same words on the stack in every run.
const FIRST_PLACE: usize = 0x6b80_0000_0000;

const _: () = assert!(FIRST_PLACE as u64 >= ROW_END, "no arena lies where the stacks do");

/// The distance between two such places, and how many there are: one for each gate that is open.
const PLACE_DISTANCE: usize = 0x100_0000;
const PLACES: usize = 256;

/// The bytes in a line: the unit of the search.
const LINE: usize = 64;

/// A painted stack with a guard below it.
pub(super) struct PaintedStack {
    mapping: *mut c_void,
    /// How large it can become, in bytes: a multiple of pages.
    len: usize,
    /// How far down it reaches now; `None` if all of it is there.
    place: Option<&'static Place>,
}

impl PaintedStack {
    /// Maps a stack that can become at least `len` bytes large, and paints the upper part of it. Panics when the
    /// system has no memory for it.
    pub(super) fn map(len: usize) -> PaintedStack {
        // Whoever asks for more than there is hears of it below.
        let len = len.clamp(LEN_MIN, isize::MAX as usize / 2).next_multiple_of(PAGE_LEN);
        let mapping_len = GUARD_LEN + len + ABOVE_LEN;
        let mapping = (0..PLACES)
            .find_map(|place| map_at(FIRST_PLACE + place * PLACE_DISTANCE, mapping_len))
            .or_else(|| map(ptr::null_mut(), mapping_len, 0))
            .unwrap_or_else(|| panic!("no memory for a stack of {len} bytes"));
        let (start, hidden_len) = (mapping.cast::<u8>(), len - len.min(PAINTED_LEN));
        let (bottom, end) = (start.addr() + GUARD_LEN + hidden_len, start.addr() + GUARD_LEN + len);
        // SAFETY: the mapping is new, is as long as that, and is there until the stack is dropped, which forgets the
        // place before. Nothing below `bottom` may be touched once the protection below is there.
        let place = unsafe { growing::watch(start, bottom, end) };
        let guard_len = if place.is_some() { GUARD_LEN + hidden_len } else { GUARD_LEN };
        // SAFETY: the guard is the lowest part of the mapping, and nothing refers to it yet.
        let is_guarded = unsafe { libc::mprotect(mapping, guard_len, libc::PROT_NONE) } == 0;
        assert!(is_guarded, "pages of one's own mapping can be protected");
        let stack = PaintedStack { mapping, len, place };
        stack.repaint(stack.bottom());
        stack
    }

    /// What lies above the entry. The entry is its address.
    pub(super) fn above(&self) -> *mut Above {
        // Sixteen bytes below a line, so that the canary ends the uppermost line of the stack.
        self.mapping.cast::<u8>().wrapping_add(GUARD_LEN + self.len + LINE - 16).cast()
    }

    /// The stack pointer at the moment of a call.
    pub(super) fn entry(&self) -> *const u8 {
        self.above().cast_const().cast()
    }

    /// The addresses of the stack, from the lowest that it can grow to up to the entry.
    #[cfg(feature = "trace")]
    pub(super) fn addresses(&self) -> std::ops::Range<usize> {
        self.mapping.addr() + GUARD_LEN..self.entry().addr()
    }

    /// One past the canary.
    pub(super) fn end(&self) -> *const u8 {
        self.entry().wrapping_add(16)
    }

    /// The uppermost line: the only one that every call dirties, with its return address.
    pub(super) fn first_line(&self) -> *const u8 {
        self.end().wrapping_sub(LINE)
    }

    /// The lowest byte that a call may use without the stack growing.
    #[inline]
    fn bottom(&self) -> *const u8 {
        let start = self.mapping.cast_const().cast::<u8>();
        match self.place {
            Some(place) => start.with_addr(place.bottom()),
            None => start.wrapping_add(GUARD_LEN),
        }
    }

    /// The lowest line that is not all paint, going down from `dirty` until `gap` bytes of paint.
    ///
    /// `dirty` is a line of this stack; `gap` a multiple of a line.
    #[inline]
    pub(super) fn lowest_dirty_line(&self, dirty: *const u8, gap: usize) -> *const u8 {
        if self.has_wide_registers() {
            self.lowest_dirty_line_at_once(dirty, gap)
        } else {
            self.lowest_dirty_line_in_parts(dirty, gap)
        }
    }

    /// Whether a register holds a whole line.
    #[inline]
    fn has_wide_registers(&self) -> bool {
        // SAFETY: mapped, and set when the gate was opened.
        unsafe { (*self.above()).level == VectorLevel::Avx512 }
    }

    /// One load and one comparison a line.
    #[inline]
    fn lowest_dirty_line_at_once(&self, dirty: *const u8, gap: usize) -> *const u8 {
        let mut lowest = dirty;
        // SAFETY: as below; the processor has the registers, which are left as code without them
        // expects.
        unsafe {
            asm!(
                "vpbroadcastq zmm0, {paint_word}",
                "2:",
                "cmp {line}, {bottom}",
                "jbe 3f",
                "sub {line}, 64",
                "vpcmpneqq k1, zmm0, [{line}]",
                "kortestw k1, k1",
                "cmovnz {lowest}, {line}",
                "mov {distance}, {lowest}",
                "sub {distance}, {line}",
                "cmp {distance}, {gap}",
                "jb 2b",
                "3:",
                "vzeroupper",
                paint_word = in(reg) PAINT,
                bottom = in(reg) self.bottom(),
                gap = in(reg) gap,
                line = inout(reg) dirty => _,
                lowest = inout(reg) lowest,
                distance = out(reg) _,
                out("k1") _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack, readonly),
            );
        }
        lowest
    }

    /// What every processor of the architecture can do.
    #[inline]
    fn lowest_dirty_line_in_parts(&self, dirty: *const u8, gap: usize) -> *const u8 {
        let mut lowest = dirty;
        // SAFETY: reads whole lines below `dirty` and not below the bottom, all of them mapped;
        // lines are aligned for these loads. Nothing is written but the registers declared.
        unsafe {
            asm!(
                "movq {paint}, {paint_word}",
                "punpcklqdq {paint}, {paint}",
                "2:",
                "cmp {line}, {bottom}",
                "jbe 3f",
                "sub {line}, 64",
                "movdqa {a}, [{line}]",
                "movdqa {b}, [{line} + 16]",
                "movdqa {c}, [{line} + 32]",
                "movdqa {d}, [{line} + 48]",
                "pcmpeqd {a}, {paint}",
                "pcmpeqd {b}, {paint}",
                "pcmpeqd {c}, {paint}",
                "pcmpeqd {d}, {paint}",
                "pand {a}, {b}",
                "pand {c}, {d}",
                "pand {a}, {c}",
                "pmovmskb {equal:e}, {a}",
                "cmp {equal:e}, 0xffff",
                "cmovne {lowest}, {line}",
                "mov {equal}, {lowest}",
                "sub {equal}, {line}",
                "cmp {equal}, {gap}",
                "jb 2b",
                "3:",
                paint_word = in(reg) PAINT,
                bottom = in(reg) self.bottom(),
                gap = in(reg) gap,
                line = inout(reg) dirty => _,
                lowest = inout(reg) lowest,
                equal = out(reg) _,
                paint = out(xmm_reg) _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack, readonly),
            );
        }
        lowest
    }

    /// `line`, or one of the three below it, so that there are four or eight or so many lines from
    /// there on. What runs over them then runs as often after most calls, which the processor
    /// foresees.
    #[inline]
    pub(super) fn rounded(&self, line: *const u8) -> *const u8 {
        let count = (self.end().addr() - line.addr()) / LINE;
        let rounded = self.end().wrapping_sub(LINE * count.next_multiple_of(4));
        if rounded < self.bottom() { line } else { rounded }
    }

    /// How far the lowest byte of `line` is below the entry.
    pub(super) fn depth_of(&self, line: *const u8) -> usize {
        self.entry().addr() - line.addr()
    }

    /// Paints all lines from `line` up to the entry.
    #[inline]
    pub(super) fn repaint(&self, line: *const u8) {
        if self.has_wide_registers() {
            self.repaint_at_once(line);
        } else {
            self.repaint_in_parts(line);
        }
    }

    /// One store a line.
    #[inline]
    fn repaint_at_once(&self, line: *const u8) {
        // SAFETY: as below; the processor has the registers, which are left as code without them
        // expects.
        unsafe {
            asm!(
                "vpbroadcastq zmm0, {paint_word}",
                "jmp 3f",
                "2:",
                "vmovdqa64 [{line}], zmm0",
                "add {line}, 64",
                "3:",
                "cmp {line}, {first_line}",
                "jb 2b",
                // The first line ends with the canary, which stays.
                "vmovdqa [{first_line}], ymm0",
                "vmovdqa [{first_line} + 32], xmm0",
                "vzeroupper",
                paint_word = in(reg) PAINT,
                first_line = in(reg) self.first_line(),
                line = inout(reg) line => _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack),
            );
        }
    }

    #[inline]
    fn repaint_in_parts(&self, line: *const u8) {
        // SAFETY: writes from a line of this stack to the entry, in steps that divide the way. The
        // memory is ours, and no call is running on it.
        unsafe {
            asm!(
                "movq {paint}, {paint_word}",
                "punpcklqdq {paint}, {paint}",
                "jmp 3f",
                "2:",
                "movdqa [{line}], {paint}",
                "movdqa [{line} + 16], {paint}",
                "movdqa [{line} + 32], {paint}",
                "movdqa [{line} + 48], {paint}",
                "add {line}, 64",
                "3:",
                "cmp {line}, {first_line}",
                "jb 2b",
                // The first line ends with the canary, which stays.
                "movdqa [{first_line}], {paint}",
                "movdqa [{first_line} + 16], {paint}",
                "movdqa [{first_line} + 32], {paint}",
                paint_word = in(reg) PAINT,
                first_line = in(reg) self.first_line(),
                line = inout(reg) line => _,
                paint = out(xmm_reg) _,
                options(nostack),
            );
        }
    }

    /// The word that many bytes below the entry; `depth` is a multiple of eight and on the stack.
    pub(super) fn word(&self, depth: usize) -> u64 {
        let place = self.entry().wrapping_sub(depth);
        debug_assert!((self.bottom()..self.entry()).contains(&place), "a depth on this stack");
        let word;
        // SAFETY: the place is a word of the stack, as the caller sees to.
        unsafe {
            asm!("mov {}, [{}]", out(reg) word, in(reg) place, options(nostack, readonly, pure));
        }
        word
    }
}

impl Drop for PaintedStack {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            place.forget();
        }
        // SAFETY: the mapping is ours, whole, and no call is running on it.
        let is_unmapped =
            unsafe { libc::munmap(self.mapping, GUARD_LEN + self.len + ABOVE_LEN) } == 0;
        debug_assert!(is_unmapped, "the mapping was made by this stack");
    }
}

/// Maps a stack at this very address, or answers `None` if something is there already or it cannot be asked for.
fn map_at(address: usize, len: usize) -> Option<*mut c_void> {
    if !crate::places::can_be_chosen() {
        return None;
    }
    let wanted = ptr::without_provenance_mut(address);
    let mapping = map(wanted, len, libc::MAP_FIXED_NOREPLACE)?;
    if mapping == wanted {
        return Some(mapping);
    }
    // Kernels before 4.17 take the address for a wish.
    // SAFETY: mapped just now, and nothing refers to it.
    unsafe { libc::munmap(mapping, len) };
    None
}

fn map(wanted: *mut c_void, len: usize, further_flags: libc::c_int) -> Option<*mut c_void> {
    // SAFETY: a new private mapping that, at a wanted address or not, replaces nothing.
    let mapping = unsafe {
        libc::mmap(
            wanted,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | further_flags,
            -1,
            0,
        )
    };
    (mapping != libc::MAP_FAILED).then_some(mapping)
}
