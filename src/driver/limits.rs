//! The bounds of the core, each with its reason.

/// Devices open at a time: a player, a compositor, a browser and one to spare.
pub const DEVICES_MAX: usize = 4;

/// Sessions alive at a time on one device: key slots of engines are few.
pub const SESSIONS_MAX: usize = 8;

/// Width of a handle's generation in a shipping driver.
///
/// Each slot gives out `2^bits - 1` handles and is then retired (S-24). At a thousand sessions a
/// second, all slots of one device last 37 hours of nothing else; the next device starts afresh.
pub const GENERATION_BITS: u32 = 24;

/// Commands that wait for the GPU at a time: four frames of eight buffers.
pub const QUEUE_COMMANDS_MAX: usize = 32;

/// How much data a driver takes; a product and a workbench choose differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Length of one buffer, in bytes.
    pub buffer_len_max: u32,
    /// Bytes that wait for the GPU at a time.
    pub queue_len_max: usize,
}

impl Default for Bounds {
    /// A buffer of 64 KiB, the usual size of a slice of high-bitrate video, and sixteen of them.
    fn default() -> Self {
        Self { buffer_len_max: 64 << 10, queue_len_max: 1 << 20 }
    }
}

/// Granularity of a buffer's length, in bytes: one AES block (S-40).
pub const BLOCK_ALIGNMENT: u32 = 16;

/// Draws before start gives up on the entropy source (S-12).
///
/// An honest source repeats itself once in 2^128 draws; one that does so four times is broken.
pub const ENTROPY_DRAWS_MAX: u32 = 4;
