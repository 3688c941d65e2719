//! The audit: looks at all memory of the process, and asks Valgrind, for what no layer covers.

use keysan::audit::{AuditError, AuditSighting, Audited, audit};
use keysan::heap::Block;
use keysan::valgrind;

use super::Executor;
use super::dut::Dut;
use super::hygiene::Instruments;
use crate::observation::{Draw, Layer, Layers, SecretName, Trace};
use crate::sequence::CallSequence;
use crate::sequence::expand::World;

/// Part of a secret, somewhere in the process after a sequence had ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remnant {
    /// The secret.
    pub secret: SecretName,
    /// The first and the last of its bytes that were seen.
    pub bytes: (u8, u8),
    /// What the kernel calls the mapping.
    pub mapping: String,
    /// Where in the mapping the first of them is, in bytes.
    pub offset: usize,
}

/// A heap block of the driver that holds bytes made of a secret, whatever was done to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaintedBlock {
    /// The block.
    pub block: Block,
    /// How many of its bytes.
    pub byte_count: usize,
}

/// What a run does for Valgrind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taint {
    /// Nothing.
    Off,
    /// Keeps the heap.
    Kept,
    /// Keeps the heap, and marks each secret before the driver gets it.
    Marked,
}

/// A run in which no session is keyed by what the audit will look for, so that all of the
/// workbench's memory has grown before.
const WARM_UP: World = World { secrets: 2, payloads: 0 };

impl Executor {
    /// Runs a sequence and then looks at every byte of all writable memory of the process.
    ///
    /// By then the driver is gone and the workbench has wiped its own copies; all but those on the
    /// stack of this thread, which is therefore left out: no call of the driver runs there.
    ///
    /// # Errors
    ///
    /// When memory cannot be read, or the audit did not find its canaries.
    pub fn audit<D: Dut>(
        &mut self,
        dut: &D,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Result<(Audited, Vec<Remnant>), AuditError> {
        let layers = Layers::GATED.with(Layer::Derived).and(self.layers);
        let mut instruments = Instruments::take();
        for world in [WARM_UP, World::default()] {
            self.run(&mut instruments, dut, sequence, layers, world, None, trace);
        }
        self.wipe_own_copies(trace);
        let is_gated = instruments.gate.is_some();
        let mut remnants: Vec<Remnant> = Vec::new();
        let audited = audit(&self.secrets, &[], &mut |seen| {
            if (seen.mapping != "[stack]" || !is_gated)
                && let Some(&secret) = trace.secrets.get(seen.tag as usize)
            {
                note(&mut remnants, secret, &seen);
            }
        });
        instruments.put_back();
        Ok((audited?, remnants))
    }

    /// Runs a sequence under Valgrind with every key and random number marked as a secret, and asks
    /// which blocks of the driver's heap hold bytes made of one when the driver is gone.
    ///
    /// `None` when this process does not run under Valgrind's memcheck, or without an arena.
    pub fn taint<D: Dut>(
        &mut self,
        dut: &D,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<Vec<TaintedBlock>> {
        if !valgrind::is_running() || !marks_are_seen() {
            return None;
        }
        let mut instruments = Instruments::take();
        instruments.arena.as_ref()?;
        // Padding that nobody ever wrote counts as undefined too, so a run without marks comes first.
        let mut undefined = Vec::new();
        self.run_for_taint(&mut instruments, dut, sequence, trace, false, &mut |_, count| {
            undefined.push(count);
        });
        let (mut tainted, mut undefined) = (Vec::new(), undefined.into_iter());
        self.run_for_taint(&mut instruments, dut, sequence, trace, true, &mut |block, count| {
            let byte_count = count - undefined.next().unwrap_or_default().min(count);
            if byte_count > 0 {
                tainted.push(TaintedBlock { block, byte_count });
            }
        });
        instruments.put_back();
        Some(tainted)
    }

    /// Runs with the heap kept and nothing searched, since a search reads what is marked; then
    /// counts the undefined bytes of each block.
    fn run_for_taint<D: Dut>(
        &mut self,
        instruments: &mut Instruments,
        dut: &D,
        sequence: &CallSequence,
        trace: &mut Trace,
        is_marked: bool,
        sink: &mut dyn FnMut(Block, usize),
    ) {
        self.taint = if is_marked { Taint::Marked } else { Taint::Kept };
        self.run(instruments, dut, sequence, Layers::NONE, World::default(), None, trace);
        self.taint = Taint::Off;
        let Some(arena) = &instruments.arena else { return };
        arena.each_block(&mut |block, start| {
            let count = valgrind::tainted_bytes(start, block.len as usize);
            sink(block, count.unwrap_or_default());
        });
    }

    fn wipe_own_copies(&mut self, trace: &mut Trace) {
        self.client.wipe();
        self.seams.wipe();
        self.planned = None;
        trace.bytes.fill(0);
        trace.draws.fill(Draw::Answered([0; 16]));
    }
}

/// Notes eight bytes, as more of the last remnant where they go on with it.
fn note(remnants: &mut Vec<Remnant>, secret: SecretName, seen: &AuditSighting<'_>) {
    if let Some(last) = remnants.last_mut()
        && (last.secret, last.bytes.1 + 1) == (secret, seen.window + 7)
        && last.offset + usize::from(last.bytes.1 - last.bytes.0) + 1 == seen.offset + 7
    {
        last.bytes.1 += 1;
        return;
    }
    remnants.push(Remnant {
        secret,
        bytes: (seen.window, seen.window + 7),
        mapping: seen.mapping.to_owned(),
        offset: seen.offset,
    });
}

/// Whether a mark can be asked for again: Valgrind has tools that do not know marks.
fn marks_are_seen() -> bool {
    let probe = [0_u8; 16];
    valgrind::mark_secret(&probe);
    let is_seen = valgrind::tainted_bytes(probe.as_ptr(), probe.len()) == Ok(probe.len());
    valgrind::mark_public(&probe);
    is_seen
}
