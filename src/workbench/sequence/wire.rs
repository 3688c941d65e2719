//! The wire form: one fixed record a call, made for engines that mutate bytes.
//!
//! ```text
//! byte   0       1       2        3     4..8       8..16     16..24
//!        opcode  device  session  mode  size: u32  x: u64    y: u64      (little-endian)
//! ```
//!
//! | call | device | session | mode | size | x | y |
//! |---|---|---|---|---|---|---|
//! | destroy-device | device | | handle | | | |
//! | create-session | device | | crypto type + 16 * profile | handle | | |
//! | exchange-key | via | session | blob | key | shape | |
//! | start-refresh | via | session | 1: NULL buffer | size | | |
//! | submit-buffer | via | session | NULL pointer | len | iv | count |
//! | other session calls | via | session | | | | |
//! | retire | | | room | count | | |
//! | inject-entropy | | | fault | draws | | |
//! | inject-allocation-failure | | | | after | | |
//! | open-adapter | | | bounds | entropy | | |
//!
//! In calls on a session, bit 0x80 of the mode says that the device byte is the device to go
//! through, and bits 0x70 what is passed in the place of the handle. Fields without a meaning are written as zero and not read. These numbers never change.
//!
//! Every byte string decodes. Records with an unknown or reserved opcode are skipped, so that a
//! sequence of a later version still runs in part; a trailing part of a record is ignored, so that
//! cutting bytes cuts calls; and calls beyond [`CALLS_MAX`] are cut.

use super::argument::Record;
use super::call::{CALLS_MAX, Call, CallKind, CallSequence};

/// Length of one record, in bytes.
pub const RECORD_LEN: usize = 24;

/// Appends the wire form of the sequence to `bytes`.
pub fn encode_into(sequence: &CallSequence, bytes: &mut Vec<u8>) {
    let calls = &sequence.calls[..sequence.calls.len().min(CALLS_MAX)];
    bytes.reserve(calls.len() * RECORD_LEN);
    for call in calls {
        bytes.extend_from_slice(&encode_call(call));
    }
}

/// Replaces the sequence by what the bytes say; allocates only while the sequence still grows.
pub fn decode_into(bytes: &[u8], sequence: &mut CallSequence) {
    decode_up_to(CALLS_MAX, bytes, sequence);
}

/// The same, with calls beyond `calls_max` cut.
pub fn decode_up_to(calls_max: usize, bytes: &[u8], sequence: &mut CallSequence) {
    let (records, _part) = bytes.as_chunks::<RECORD_LEN>();
    let calls = &mut sequence.calls;
    calls.clear();
    // One reservation, and not one check of the capacity a call: this runs for every input.
    calls.reserve(records.len().min(calls_max));
    for call in records.iter().filter_map(decode_call) {
        if calls.len() == calls_max {
            break;
        }
        calls.push(call);
    }
}

/// The record of one call.
#[inline]
#[must_use]
pub fn encode_call(call: &Call) -> [u8; RECORD_LEN] {
    let mut record = Record::default();
    call.write(&mut record);
    record.to_bytes(call.kind().opcode())
}

/// The call of one record, or `None` if its opcode is unknown or reserved.
#[inline]
#[must_use]
pub fn decode_call(bytes: &[u8; RECORD_LEN]) -> Option<Call> {
    let kind = CallKind::from_opcode(bytes[0])?;
    Some(kind.read(&Record::from_bytes(bytes)))
}

impl Record {
    fn to_bytes(self, opcode: u8) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        bytes[..4].copy_from_slice(&[opcode, self.device, self.session, self.mode]);
        bytes[4..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.x.to_le_bytes());
        bytes[16..].copy_from_slice(&self.y.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD_LEN]) -> Self {
        let long = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        Self {
            device: bytes[1],
            session: bytes[2],
            mode: bytes[3],
            size: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            x: long(8),
            y: long(16),
        }
    }
}
