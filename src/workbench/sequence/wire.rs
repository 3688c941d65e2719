//! The wire form: one fixed record a call, made for engines that mutate bytes.
//!
//! ```text
//! byte   0       1       2        3     4..8       8..16     16..24
//!        opcode  device  session  mode  size: u32  x: u64    y: u64      (little-endian)
//! ```
//!
//! | call | device | session | mode | size | x | y |
//! |---|---|---|---|---|---|---|
//! | destroy-device | device | | | | | |
//! | create-session | device | | crypto type + 16 * profile | | | |
//! | exchange-key | via | session | blob | key | | |
//! | start-refresh | via | session | 1: NULL buffer | size | | |
//! | submit-buffer | via | session | NULL pointer | len | iv | count |
//! | other session calls | via | session | | | | |
//! | retire | | | | count | | |
//! | inject-entropy | | | fault | draws | | |
//! | inject-allocation-failure | | | | after | | |
//!
//! In calls on a session, bit 0x80 of the mode says that the device byte is the device to go
//! through. Fields without a meaning are written as zero and not read. These numbers never change.
//!
//! Every byte string decodes. Records with an unknown or reserved opcode are skipped, so that a
//! sequence of a later version still runs in part; a trailing part of a record is ignored, so that
//! cutting bytes cuts calls; and calls beyond [`CALLS_MAX`] are cut.

use super::call::{CALLS_MAX, Call, CallSequence, SessionRef, Slot};
use super::kind::CallKind;
use super::words::{Blob, CryptoType, DecodeProfile, EntropyFault, NullPointer};

/// Length of one record, in bytes.
pub const RECORD_LEN: usize = 24;

/// The mode bit of a session call that goes through the device of the device byte.
const VIA: u8 = 0x80;

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
    let (records, _part) = bytes.as_chunks::<RECORD_LEN>();
    let calls = &mut sequence.calls;
    calls.clear();
    // One reservation, and not one check of the capacity a call: this runs for every input.
    calls.reserve(records.len().min(CALLS_MAX));
    for call in records.iter().filter_map(decode_call) {
        if calls.len() == CALLS_MAX {
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
    if let Some(SessionRef { slot, via }) = call.session() {
        record.session = slot.0;
        if let Some(via) = via {
            record.device = via.0;
            record.mode = VIA;
        }
    }
    match *call {
        Call::DestroyDevice { device } => record.device = device.0,
        Call::CreateSession { device, crypto, profile } => {
            record.device = device.0;
            record.mode = crypto.number() | (profile.number() << 4);
        }
        Call::ExchangeKey { session: _, key, blob } => {
            record.size = key;
            record.mode |= blob.number();
        }
        Call::StartRefresh { session: _, size, null } => {
            record.size = size;
            record.mode |= u8::from(null);
        }
        Call::SubmitBuffer { session: _, iv, count, len, null } => {
            record.size = len;
            record.x = iv;
            record.y = count;
            record.mode |= null.number();
        }
        Call::Retire { count } => record.size = count,
        Call::InjectEntropy { fault, draws } => {
            record.size = draws;
            record.mode = fault.number();
        }
        Call::InjectAllocationFailure { after } => record.size = after,
        Call::CreateDevice
        | Call::DestroySession { .. }
        | Call::FinishRefresh { .. }
        | Call::SessionStatus { .. }
        | Call::ResetEngine => {}
    }
    record.to_bytes(call.kind().opcode())
}

/// The call of one record, or `None` if its opcode is unknown or reserved.
#[inline]
#[must_use]
pub fn decode_call(bytes: &[u8; RECORD_LEN]) -> Option<Call> {
    let kind = CallKind::from_opcode(bytes[0])?;
    let Record { device, session, mode, size, x, y } = Record::from_bytes(bytes);
    let device = Slot(device);
    let session = SessionRef { slot: Slot(session), via: (mode & VIA != 0).then_some(device) };
    let number = mode & !VIA;
    Some(match kind {
        CallKind::CreateDevice => Call::CreateDevice,
        CallKind::DestroyDevice => Call::DestroyDevice { device },
        CallKind::CreateSession => Call::CreateSession {
            device,
            crypto: CryptoType::from_number(mode & 0x0F),
            profile: DecodeProfile::from_number(mode >> 4),
        },
        CallKind::DestroySession => Call::DestroySession { session },
        CallKind::ExchangeKey => {
            Call::ExchangeKey { session, key: size, blob: Blob::from_number(number) }
        }
        CallKind::StartRefresh => Call::StartRefresh { session, size, null: number & 1 != 0 },
        CallKind::FinishRefresh => Call::FinishRefresh { session },
        CallKind::SubmitBuffer => Call::SubmitBuffer {
            session,
            iv: x,
            count: y,
            len: size,
            null: NullPointer::from_number(number),
        },
        CallKind::SessionStatus => Call::SessionStatus { session },
        CallKind::Retire => Call::Retire { count: size },
        CallKind::ResetEngine => Call::ResetEngine,
        CallKind::InjectEntropy => {
            Call::InjectEntropy { fault: EntropyFault::from_number(mode), draws: size }
        }
        CallKind::InjectAllocationFailure => Call::InjectAllocationFailure { after: size },
    })
}

/// The fields of a record behind its opcode.
#[derive(Default)]
struct Record {
    device: u8,
    session: u8,
    mode: u8,
    size: u32,
    x: u64,
    y: u64,
}

impl Record {
    fn to_bytes(&self, opcode: u8) -> [u8; RECORD_LEN] {
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
