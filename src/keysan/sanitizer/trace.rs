//! Says where in the code the secrets were copied that a run has left: the same calls again, instruction by instruction.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::Keysan;
use super::cause::causes;
use super::finding::{Finding, Moment};
use super::findings::Spot;
use super::layer::Void;
use crate::gate::Gate;
use crate::heap;
use crate::watchpoint::{Frame, Hit, STEPS_MAX, Stepper, Watched, Watchpoint, frames_of};

/// Where in the code a secret was left: of each [cause](super::Cause), its first finding.
///
/// Displayed, it is the line of the finding and what is known below it, a line each. Chains of calls begin with the
/// function that did it and end where keysan called; functions of the standard library are left out of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// What the findings of the cause have in common, as at [`Cause::shape`](super::Cause::shape).
    pub shape: String,
    /// The first of them.
    pub finding: Finding,
    /// The function in whose frame of the stack the copy is.
    pub frame: Option<Frame>,
    /// The instruction that wrote the last of the copy, and who had called it; of a register without the callers.
    pub written: Vec<Frame>,
    /// Who allocated the block of the heap that it is in.
    pub allocated: Vec<Frame>,
    /// Who freed it.
    pub freed: Vec<Frame>,
    /// Why nothing is known of it, if that is so.
    pub unknown: Option<&'static str>,
}

/// Why nothing was traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTraced {
    /// The instructions of a program can be run one by one on x86-64 Linux with the C library of GNU, and need the gate.
    NotPorted,
    /// A look was none, so that it is not known what there is to trace.
    Void(Void),
    /// The calls have run and no instruction was stopped behind: an emulator, or a tool such as Valgrind, runs them.
    NoSteps,
}

/// What is looked for while calls run.
#[derive(Debug, Default)]
pub(super) struct Steps {
    stepper: Option<Stepper>,
}

impl Steps {
    #[inline]
    pub(super) fn begin(&mut self, call: u32) {
        if let Some(stepper) = &mut self.stepper {
            stepper.begin(call);
        }
    }

    #[inline]
    pub(super) fn end(&mut self) {
        if let Some(stepper) = &mut self.stepper {
            stepper.end();
        }
    }
}

/// What is watched for one cause.
#[derive(Debug, Default)]
struct Plan {
    written: Option<(Watched, RangeInclusive<u32>)>,
    allocated: Option<(Watched, RangeInclusive<u32>)>,
    freed: Option<(Watched, RangeInclusive<u32>)>,
    /// Where on the stack it is, if it is there.
    stack_address: Option<usize>,
}

impl Keysan {
    /// Makes the same calls two times and answers of each cause of findings where in the code it is: the function whose
    /// frame held a copy on the dead stack, the instruction that wrote it there, into a block, a static or a register,
    /// and who allocated and freed the block.
    ///
    /// `run` registers secrets, makes calls and scans, and does the same each time; it does not fail because of
    /// findings. Whatever this sanitizer knew before is [cleared](Keysan::clear). The second time, the processor stops
    /// behind each instruction, which takes a microsecond, so that this is for what was found and not for each run of
    /// a test; what runs on is left alone after 20 million. Signals for traps (SIGTRAP) are handled from then on and
    /// passed on to whoever handled them before.
    ///
    /// Lines of the source, and names of functions that were inlined, are there if the program was compiled with debug
    /// information, as tests are unless somebody says otherwise.
    ///
    /// Nothing is traced in outputs and texts, and of a static that holds the secret from before.
    ///
    /// # Errors
    ///
    /// See [`NotTraced`].
    pub fn trace(&mut self, mut run: impl FnMut(&mut Keysan)) -> Result<Vec<Trace>, NotTraced> {
        let is_ported = Stepper::IS_PORTED;
        let Some(stack) = self.gate.as_ref().map(Gate::addresses).filter(|_| is_ported) else {
            return Err(NotTraced::NotPorted);
        };
        self.clear();
        run(self);
        let planned = self.plan(&stack)?;
        if planned.is_empty() {
            return Ok(Vec::new());
        }
        let mut points = Vec::new();
        for (_, plan) in &planned {
            // Each has three, whatever it needs of them.
            for what in [&plan.written, &plan.allocated, &plan.freed] {
                #[expect(
                    clippy::reversed_empty_ranges,
                    reason = "what is not watched is so in no call"
                )]
                let (place, calls) = what.clone().unwrap_or((
                    Watched::Memory { address: heap::free_count(), becomes: None },
                    1..=0,
                ));
                points.push(Watchpoint::new(place, calls));
            }
        }
        self.clear();
        self.steps.stepper = Some(Stepper::new(points, stack));
        run(self);
        let Some(stepper) = self.steps.stepper.take() else { return Err(NotTraced::NoSteps) };
        let is_watched = stepper.points.iter().any(|point| !point.calls.is_empty());
        if is_watched && stepper.steps() == 0 {
            return Err(NotTraced::NoSteps);
        }
        let again = self.findings.listed();
        let has_ended_early = stepper.steps() >= STEPS_MAX;
        let traces =
            planned.into_iter().zip(stepper.points.chunks(3)).map(|((trace, plan), hits)| {
                let mut trace = trace;
                let chain =
                    |point: &Watchpoint| point.hit.as_ref().map(named_chain).unwrap_or_default();
                if !again.contains(&trace.finding) {
                    trace.unknown = Some("it was not there when the same calls were made again");
                    return trace;
                }
                if let [written, allocated, freed] = hits {
                    trace.frame =
                        written.hit.as_ref().zip(plan.stack_address).and_then(frame_that_held);
                    trace.written = chain(written);
                    trace.allocated = without_the_allocator(chain(allocated));
                    trace.freed = without_the_allocator(chain(freed));
                }
                let is_known = [&trace.written, &trace.allocated, &trace.freed]
                    .iter()
                    .any(|it| !it.is_empty());
                trace.unknown = match (is_known, plan.written.is_some() || plan.freed.is_some()) {
                    (true, _) => None,
                    (false, false) => Some("such a place is not traced"),
                    (false, true) if has_ended_early => {
                        Some("it was not written in the first 20 million instructions")
                    }
                    (false, true) => Some("no call has written it: it was there before"),
                };
                trace
            });
        Ok(traces.collect())
    }

    /// What to watch, of each cause of what was found.
    fn plan(&self, stack: &Range<usize>) -> Result<Vec<(Trace, Plan)>, NotTraced> {
        let listed = self.findings().map_err(NotTraced::Void)?;
        let spots: Vec<(Spot, u32)> = self.findings.spots().collect();
        let planned = causes(listed).into_iter().filter_map(|cause| {
            let first = *cause.findings.first()?;
            let index = listed.iter().position(|finding| std::ptr::eq(finding, first))?;
            let (spot, seen_in) = *spots.get(index)?;
            let trace = Trace {
                shape: cause.shape,
                finding: first.clone(),
                frame: None,
                written: Vec::new(),
                allocated: Vec::new(),
                freed: Vec::new(),
                unknown: None,
            };
            Some((trace, self.plan_of(first, spot, seen_in, stack)))
        });
        Ok(planned.collect())
    }

    fn plan_of(&self, finding: &Finding, spot: Spot, seen_in: u32, stack: &Range<usize>) -> Plan {
        let memory = |address: *const u8| Watched::Memory { address, becomes: None };
        let so_far = 1..=seen_in;
        let in_call = seen_in..=seen_in;
        let mut plan = Plan::default();
        match spot {
            Spot::Heap { block, offset } => {
                let Some(marks) = self.arena.as_ref().and_then(|it| it.marks(block.number)) else {
                    return plan;
                };
                let copy = marks.start.wrapping_add(offset as usize);
                plan.written = Some((memory(copy), so_far));
                let count =
                    Watched::Memory { address: marks.count, becomes: Some(marks.count_with_it) };
                plan.allocated = Some((count, block.allocated_in..=block.allocated_in));
                plan.freed = block.freed_in.map(|call| (memory(marks.freed), call..=call));
            }
            Spot::FreedBlock { free, call, .. } => {
                let count =
                    Watched::Memory { address: heap::free_count(), becomes: Some(free + 1) };
                plan.freed = Some((count, call..=call));
            }
            Spot::Stack { depth } => {
                let address = stack.end - depth as usize;
                let calls =
                    if matches!(finding.seen, Moment::Scan { .. }) { so_far } else { in_call };
                plan.written = Some((memory(std::ptr::with_exposed_provenance(address)), calls));
                plan.stack_address = Some(address);
            }
            Spot::Register { register, offset } => {
                plan.written = Some((Watched::Register { register, offset }, in_call));
            }
            Spot::Static { region, offset } => {
                let start = self.statics.as_ref().and_then(|it| it.address_of(region));
                plan.written =
                    start.map(|start| (memory(start.wrapping_add(offset as usize)), so_far));
            }
            Spot::Output { .. } | Spot::Text { .. } => {}
        }
        plan
    }
}

/// The functions from an instruction to where keysan called.
fn named_chain(hit: &Hit) -> Vec<Frame> {
    frames_of(hit).into_iter().map(|(_, frame)| frame).collect()
}

/// The functions from the first one that is not of the standard library or of keysan; all of them if there is none.
fn without_the_allocator(mut chain: Vec<Frame>) -> Vec<Frame> {
    let own = chain.iter().position(|frame| !frame.is_of_a_library()).unwrap_or(0);
    chain.split_off(own)
}

/// The function whose frame an address of the stack was in when it was written.
fn frame_that_held((hit, address): (&Hit, usize)) -> Option<Frame> {
    // Below the innermost is what a function uses without saying so, if it calls none.
    let number = hit.ends[..hit.len].iter().rposition(|end| *end <= address).unwrap_or(0);
    frames_of(hit).into_iter().rfind(|(of, _)| *of == number).map(|(_, frame)| frame)
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.shape, self.finding)?;
        if let Some(frame) = &self.frame {
            write!(f, "\n    in the frame of {frame}")?;
        }
        for (what, chain) in [
            ("written by", &self.written),
            ("allocated by", &self.allocated),
            ("freed by", &self.freed),
        ] {
            // What did it is of interest whoever wrote it; of those above, only what is not of a library.
            let Some((first, callers)) = chain.split_first() else { continue };
            write!(f, "\n    {what} {first}")?;
            for caller in callers.iter().filter(|caller| !caller.is_of_a_library()) {
                write!(f, "\n        called from {caller}")?;
            }
        }
        match self.unknown {
            Some(why) => write!(f, "\n    not known where: {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NotTraced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotTraced::NotPorted => {
                f.write_str("instructions cannot be run one by one on this system")
            }
            NotTraced::Void(void) => write!(f, "{void}"),
            NotTraced::NoSteps => f.write_str("the processor did not stop behind any instruction"),
        }
    }
}

impl std::error::Error for NotTraced {}
