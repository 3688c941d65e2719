//! The bounds that a driver publishes about itself.

/// How much of each thing a driver holds before it refuses more.
///
/// A client (and the reference model) needs these to know when a refusal is right; they play the
/// part of the capability structures. All counts are inclusive maxima.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Devices open at a time on the adapter.
    pub devices_max: u32,
    /// Sessions alive at a time on one device.
    pub sessions_max: u32,
    /// How many handles one slot gives out before it is retired for ever (S-24).
    pub generations_max: u32,
    /// Commands that wait for the GPU at a time, over all devices.
    pub queue_commands_max: u32,
    /// Length of one submitted buffer, in bytes.
    pub buffer_len_max: u32,
    /// Bytes that wait for the GPU at a time, over all devices.
    pub queue_len_max: u32,
    /// Granularity of a buffer's length, in bytes (`BlockAlignmentSize`).
    pub block_alignment: u32,
    /// Length of the key-exchange blob, in bytes.
    pub key_exchange_blob_len: u32,
    /// Draws from the entropy source before a start gives up (S-12).
    pub entropy_draws_max: u32,
}
