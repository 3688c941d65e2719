//! Several threads of one worker that run the same sequence at once, each on an adapter and devices of its own.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::executor::{AnyDut, Executor};
use crate::observation::{Layer, Layers, Stage, Trace};
use crate::sequence::CallSequence;
use crate::watchdog::{OnHang, on_hang, on_stage};

/// What can be looked into while other threads are in the driver. A scan of memory that all of them write to would
/// see what is theirs, and what is printed does not say for whom.
pub(super) const LAYERS: Layers = Layers::NONE.with(Layer::Outputs).with(Layer::FreedHeap);

/// The threads of a worker, besides its first.
#[derive(Debug)]
pub(super) struct Crowd {
    lockstep: Arc<Lockstep>,
    helpers: Vec<Helper>,
}

/// One of them.
#[derive(Debug)]
struct Helper {
    orders: Sender<Arc<Order>>,
    traces: Receiver<Trace>,
}

/// What is to be run.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) sequence: CallSequence,
    pub(super) calls_max: usize,
    pub(super) layers: Layers,
}

impl Crowd {
    /// Starts threads so that there are so many with this one, whose executor is made afterwards. All tell `hung` of
    /// what hangs, and this one says where it is.
    ///
    /// # Errors
    ///
    /// When the system starts no thread.
    pub(super) fn start(
        dut: &AnyDut,
        threads: usize,
        stack_len: usize,
        hung: &OnHang,
        note_stage: impl Fn(Stage) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let lockstep = Arc::new(Lockstep::default());
        on_hang(Arc::clone(hung));
        let its = Arc::clone(&lockstep);
        MEETING.set(Some(Arc::clone(&lockstep)));
        on_stage(Arc::new(move |stage| {
            its.meet();
            note_stage(stage);
        }));
        let start = |_| {
            let (orders, its_orders) = mpsc::channel();
            let (its_traces, traces) = mpsc::channel();
            let (dut, hung, lockstep) = (dut.clone(), Arc::clone(hung), Arc::clone(&lockstep));
            let help = move || {
                on_hang(hung);
                MEETING.set(Some(Arc::clone(&lockstep)));
                let meeting = Arc::clone(&lockstep);
                on_stage(Arc::new(move |_| meeting.meet()));
                help(&dut, &its_orders, &its_traces, &lockstep);
            };
            thread::Builder::new().stack_size(stack_len).spawn(help)?;
            Ok(Helper { orders, traces })
        };
        let helpers = (1..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { lockstep, helpers })
    }

    /// Has all threads run it, this one too. What the others saw stands in [`Trace::others`].
    ///
    /// # Panics
    ///
    /// When another thread is gone, which is the workbench's own failure.
    pub(super) fn run(
        &self,
        dut: &AnyDut,
        executor: &mut Executor,
        order: Order,
        trace: &mut Trace,
    ) {
        self.lockstep.begin(self.helpers.len() + 1);
        let order = Arc::new(order);
        for helper in &self.helpers {
            helper.orders.send(Arc::clone(&order)).expect("a helper waits for orders");
        }
        dut.execute(executor, &order.sequence, order.layers, trace);
        self.lockstep.leave();
        let traces = self.helpers.iter().map(|helper| helper.traces.recv());
        trace.others = traces.map(|trace| trace.expect("a helper answers each order")).collect();
    }

    /// From now on this thread runs alone.
    pub(super) fn stand_aside(&self) {
        self.lockstep.begin(1);
    }
}

thread_local! {
    /// Whom this thread waits for, if it is one of several.
    static MEETING: RefCell<Option<Arc<Lockstep>>> = const { RefCell::new(None) };
}

/// Waits for the other threads in the middle of an entry, where the driver has called back. Locks that it took on its
/// way into the entry are behind all of them then, and what follows is ordered by nothing: a race in it shows
/// however the system shares out its processors.
pub(in super::super) fn meet_in_a_callback() {
    if let Some(lockstep) = MEETING.with_borrow(Clone::clone) {
        lockstep.meet();
    }
}

/// What another thread does until there is no more to do.
fn help(dut: &AnyDut, orders: &Receiver<Arc<Order>>, traces: &Sender<Trace>, lockstep: &Lockstep) {
    let mut executor = Executor::new();
    executor.leave_drivers_where_they_hang();
    for order in orders {
        let mut trace = Trace::default();
        executor.run_up_to(order.calls_max);
        dut.execute(&mut executor, &order.sequence, order.layers, &mut trace);
        lockstep.leave();
        if traces.send(trace).is_err() {
            return;
        }
    }
}

/// Where threads wait for each other before each call and in each callback, so that all are in the driver at the same
/// moment. What a call does takes a few microseconds, which is less than to wake a thread that sleeps: so they look
/// again and again.
#[derive(Debug, Default)]
struct Lockstep {
    state: Mutex<State>,
    /// Counts up when all have arrived.
    round: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    members: usize,
    arrived: usize,
}

/// How often a thread looks before it lets others have the processor.
const SPINS: u32 = 4096;

impl Lockstep {
    /// So many take part from now on.
    fn begin(&self, members: usize) {
        *self.state() = State { members, arrived: 0 };
    }

    /// Waits until all who take part are here.
    fn meet(&self) {
        let mut state = self.state();
        state.arrived += 1;
        let round = self.round.load(Ordering::Relaxed);
        if self.go_on_if_all_are_here(&mut state) {
            return;
        }
        drop(state);
        let mut spins = 0_u32;
        while self.round.load(Ordering::Acquire) == round {
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(SPINS) {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }

    /// Takes part no longer.
    fn leave(&self) {
        let mut state = self.state();
        state.members = state.members.saturating_sub(1);
        if state.arrived > 0 {
            self.go_on_if_all_are_here(&mut state);
        }
    }

    fn go_on_if_all_are_here(&self, state: &mut State) -> bool {
        let is_full = state.arrived >= state.members;
        if is_full {
            state.arrived = 0;
            self.round.fetch_add(1, Ordering::Release);
        }
        is_full
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn nobody_is_a_step_ahead_and_nobody_waits_for_one_who_has_left() {
        let (lockstep, steps) = (Lockstep::default(), [const { AtomicUsize::new(0) }; 3]);
        lockstep.begin(3);
        thread::scope(|scope| {
            for (number, own) in steps.iter().enumerate() {
                let (lockstep, steps) = (&lockstep, &steps);
                scope.spawn(move || {
                    for step in 0..100 * (number + 1) {
                        lockstep.meet();
                        own.store(step + 1, Ordering::SeqCst);
                        let others = steps.iter().map(|its| its.load(Ordering::SeqCst));
                        let ahead = others.filter(|its| *its > step + 2).count();
                        assert_eq!(ahead, 0);
                    }
                    lockstep.leave();
                });
            }
        });
        assert_eq!(steps.map(AtomicUsize::into_inner), [100, 200, 300]);
        lockstep.begin(1);
        lockstep.meet();
    }
}
