//! The bounds of the core, each with its reason.

/// Devices open at a time: a player, a compositor, a browser and one to spare.
pub const DEVICES_MAX: usize = 4;

/// Sessions alive at a time on one device: key slots of engines are few.
pub const SESSIONS_MAX: usize = 8;

/// Commands that wait for the GPU at a time: four frames of eight buffers.
pub const QUEUE_COMMANDS_MAX: usize = 32;

/// What a product and a workbench choose differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// How many handles a slot gives out before it is retired (S-24); at most 2^24 - 1, which is
    /// what a handle has room for. A workbench chooses few, so that sequences reach the end.
    pub generations_max: u32,
    /// Length of one buffer, in bytes.
    pub buffer_len_max: u32,
    /// Bytes that wait for the GPU at a time.
    pub queue_len_max: u32,
}

impl Default for Bounds {
    /// All the generations there are: at a thousand sessions a second, the slots of one device last
    /// 37 hours of nothing else, and the next device starts afresh. A buffer of 64 KiB, the size of
    /// a slice of high-bitrate video, and sixteen of them.
    fn default() -> Self {
        Self { generations_max: (1 << 24) - 1, buffer_len_max: 64 << 10, queue_len_max: 1 << 20 }
    }
}

/// Granularity of a buffer's length, in bytes: one AES block (S-40).
pub const BLOCK_ALIGNMENT: u32 = 16;

/// Draws before start gives up on the entropy source (S-12).
///
/// An honest source repeats itself once in 2^128 draws; one that does so four times is broken.
pub const ENTROPY_DRAWS_MAX: u32 = 4;
