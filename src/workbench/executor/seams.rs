//! The seams below the driver, as the workbench supplies them: seeded, counted, and able to fail.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rekeylab_ddi::CtrIv;
use rekeylab_driver::{
    Engine, Entropy, EntropyError, KeyUnwrap, OutOfMemory, SoftwareEngine, UnwrapError,
};

use crate::observation::{Draw, Reservations};
use crate::sequence::{Blob, EntropyFault, expand};

/// What driver and executor share: the executor injects here, the driver draws from here.
#[derive(Debug, Default)]
pub struct Seams {
    entropy: RefCell<EntropyState>,
    fail_after: Cell<Option<u32>>,
    reservations: Cell<Reservations>,
    reserved_len: Cell<u64>,
}

#[derive(Default)]
struct EntropyState {
    /// The fresh numbers in their order; kept from run to run, since they are always the same.
    fresh: Vec<[u8; 16]>,
    /// How many of them were planned in this run.
    fresh_count: usize,
    /// The fresh number that comes next, made before the driver asks so that it is known.
    next: Option<[u8; 16]>,
    /// The last number that was answered.
    last: [u8; 16],
    /// What would bring the first key of the session in question back.
    restoring: [u8; 16],
    fault: Option<(EntropyFault, u32)>,
    draws: Vec<Draw>,
}

impl core::fmt::Debug for EntropyState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EntropyState").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Seams {
    pub(super) fn clear(&self) {
        let mut entropy = self.entropy.borrow_mut();
        let mut draws = core::mem::take(&mut entropy.draws);
        draws.clear();
        let fresh = core::mem::take(&mut entropy.fresh);
        *entropy = EntropyState { fresh, draws, ..EntropyState::default() };
        self.fail_after.set(None);
        self.reservations.set(Reservations::default());
        self.reserved_len.set(0);
    }

    pub(super) fn begin_call(&self) {
        self.reservations.set(Reservations::default());
    }

    /// Moves the call's draws to the trace, and disarms what was injected for one call only.
    pub(super) fn end_call(&self, draws: &mut Vec<Draw>) {
        let mut entropy = self.entropy.borrow_mut();
        if !entropy.draws.is_empty() {
            draws.append(&mut entropy.draws);
        }
        if self.reservations.get() != Reservations::default() {
            self.fail_after.set(None);
        }
    }

    pub(super) fn reservations(&self) -> Reservations {
        self.reservations.get()
    }

    pub(super) fn reserved_len(&self) -> u64 {
        self.reserved_len.get()
    }

    pub(super) fn inject_entropy(&self, fault: EntropyFault, draws: u32) {
        self.entropy.borrow_mut().fault = (draws > 0).then_some((fault, draws));
    }

    pub(super) fn inject_allocation_failure(&self, after: u32) {
        self.fail_after.set(Some(after));
    }

    /// Whether the last draw of this call answered these bytes.
    pub(super) fn has_answered(&self, random: &[u8; 16]) -> bool {
        self.entropy.borrow().draws.last() == Some(&Draw::Answered(*random))
    }

    /// Says which numbers the next start can be given, so that they are known before they are drawn:
    /// what a planted fault answers, and the fresh one behind it.
    ///
    /// Nothing stands for an answer that fails, or that everybody knows.
    pub(super) fn plan_randoms(&self, restoring: Option<&[u8; 16]>) -> [Option<[u8; 16]>; 2] {
        let mut entropy = self.entropy.borrow_mut();
        entropy.restoring = restoring.copied().unwrap_or_default();
        let faulty = match entropy.fault {
            Some((EntropyFault::Restore, _)) => Some(entropy.restoring),
            Some((EntropyFault::Repeat, _)) => Some(entropy.last),
            Some((EntropyFault::Fail | EntropyFault::Zero, _)) | None => None,
        };
        [faulty, Some(entropy.fresh())]
    }
}

impl EntropyState {
    /// The fresh number that comes next.
    fn fresh(&mut self) -> [u8; 16] {
        *self.next.get_or_insert_with(|| {
            if self.fresh_count == self.fresh.len() {
                let mut random = [0; 16];
                let index = u32::try_from(self.fresh_count).expect("bounded by CALLS_MAX draws");
                expand::refresh_random(index, &mut random);
                self.fresh.push(random);
            }
            self.fresh_count += 1;
            self.fresh[self.fresh_count - 1]
        })
    }

    fn answer(&mut self) -> Draw {
        let fault = self.fault.map(|(fault, _)| fault);
        self.fault = self.fault.and_then(|(fault, left)| (left > 1).then(|| (fault, left - 1)));
        let random = match fault {
            Some(EntropyFault::Fail) => return Draw::Failed,
            Some(EntropyFault::Zero) => [0; 16],
            Some(EntropyFault::Repeat) => self.last,
            Some(EntropyFault::Restore) => self.restoring,
            None => {
                let random = self.fresh();
                self.next = None;
                random
            }
        };
        self.last = random;
        Draw::Answered(random)
    }
}

/// The entropy source: the same numbers in every run, unless told otherwise (INV-14).
#[derive(Clone, Debug)]
pub struct SeededEntropy(pub(super) Rc<Seams>);

impl Entropy for SeededEntropy {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        // What this source keeps for itself is none of the driver's memory.
        let draw = keysan::heap::pause(|| {
            let mut entropy = self.0.entropy.borrow_mut();
            let draw = entropy.answer();
            entropy.draws.push(draw);
            draw
        });
        match draw {
            Draw::Answered(bytes) => {
                *random = bytes;
                Ok(())
            }
            Draw::Failed => {
                // A source that breaks half-way leaves bytes behind, which must not be used.
                random[..8].fill(0x5A);
                Err(EntropyError)
            }
        }
    }
}

/// The software engine, with a count of what it granted and an allocation failure to inject.
#[derive(Clone, Debug)]
pub struct CountingEngine(pub(super) Rc<Seams>);

impl Engine for CountingEngine {
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let seams = &self.0;
        let mut reservations = seams.reservations.get();
        let is_refused = seams.fail_after.get() == Some(u32::from(reservations.count));
        reservations.count = reservations.count.saturating_add(1);
        reservations.is_refused |= is_refused;
        seams.reservations.set(reservations);
        if is_refused {
            return Err(OutOfMemory);
        }
        seams.reserved_len.set(seams.reserved_len.get() + len as u64);
        Ok(())
    }

    fn release(&mut self, len: usize) {
        let reserved_len = self.0.reserved_len.get();
        // Giving back more than was granted shows as an absurd rest.
        self.0.reserved_len.set(reserved_len.wrapping_sub(len as u64));
    }

    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]) {
        SoftwareEngine.execute(key, counter, buffer);
    }
}

/// A key exchange for tests only: the blob is a tag and the key in the clear.
///
/// It protects nothing. It stands where RSAES-OAEP stands in a product.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainTestMechanism;

/// Length of a blob of [`PlainTestMechanism`], in bytes.
pub(super) const BLOB_LEN: usize = 32;

const BLOB_TAG: &[u8; 16] = b"plain test key: ";

impl KeyUnwrap for PlainTestMechanism {
    fn blob_len(&self) -> usize {
        BLOB_LEN
    }

    fn unwrap_key(&mut self, blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        let (tag, wrapped) = blob.split_at_checked(BLOB_TAG.len()).ok_or(UnwrapError)?;
        key.copy_from_slice(wrapped.get(..16).ok_or(UnwrapError)?);
        if tag == BLOB_TAG { Ok(()) } else { Err(UnwrapError) }
    }
}

/// Wraps a key for [`PlainTestMechanism`], well or badly: the pointer and the claimed length.
pub(super) fn wrap<'a>(
    key: &[u8; 16],
    blob: Blob,
    room: &'a mut [u8; BLOB_LEN + 1],
) -> (Option<&'a [u8]>, u32) {
    room[..16].copy_from_slice(BLOB_TAG);
    room[16..32].copy_from_slice(key);
    if blob == Blob::Corrupt {
        room[0] ^= 1;
    }
    let len = match blob {
        Blob::Good | Blob::Corrupt | Blob::Null => BLOB_LEN,
        Blob::Short => BLOB_LEN - 1,
        Blob::Long => BLOB_LEN + 1,
        Blob::Empty => 0,
    };
    let bytes = (blob != Blob::Null).then_some(&room[..len]);
    (bytes, u32::try_from(len).expect("a blob is short"))
}
