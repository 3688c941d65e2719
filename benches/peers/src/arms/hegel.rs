//! hegeltest: a state machine of rules, with pools for what was created.
//!
//! Chosen over bolero, which runs derived types in libFuzzer and so would be the arms with derived
//! `Arbitrary` once more: hegel has rules, pools of handles and swarm selection of rules.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use hegel::generators as gs;
use hegel::generators::Generator as _;
use hegel::stateful::{Pool, machine, pool};
use hegel::{HealthCheck, Hegel, Phase, Settings, TestCase, Verbosity};
use rekeylab::generate::sketch::Sketch;
use rekeylab::sequence::{
    Blob, Call, CallSequence, CryptoType, DecodeProfile, EntropyFault, HandleForm, NullPointer,
    Room, SessionRef, Shape, Slot,
};

use super::CALLS_MAX;
use crate::judge::{Judge, Outcome};

/// The longest run of rules; longer than hegel's own default of 50.
#[expect(clippy::cast_possible_wrap, reason = "a small constant")]
const STEPS: i64 = CALLS_MAX as i64;

pub(super) fn hunt(seed: u64, judge: &mut Judge) -> Outcome {
    // From hegel's plain settings, so that neither the environment nor a file has a say. Without
    // the phase that shrinks: what is counted ends with the first violation.
    let settings = Settings::from_profile("base")
        .seed(Some(seed))
        .test_cases(u64::MAX >> 1)
        .database(None)
        .verbosity(Verbosity::Quiet)
        .print_blob(false)
        .suppress_health_check(HealthCheck::all())
        .phases([Phase::Generate]);
    let mut outcome = None;
    let test = |case: TestCase| {
        let calls = Rc::new(RefCell::new(Calls::default()));
        let model =
            Client { calls: Rc::clone(&calls), devices: pool(&case), sessions: pool(&case) };
        machine(model).steps(STEPS).run(case);
        if outcome.is_none()
            && let ControlFlow::Break(over) = judge.judge(&calls.borrow().sequence)
        {
            outcome = Some(over);
        }
        // A failed test is hegel's way to end; it tries the last case again before it does.
        assert!(outcome.is_none(), "over");
    };
    // How it ends is known from the outcome.
    let _ = catch_unwind(AssertUnwindSafe(|| Hegel::new(test).settings(settings).run()));
    outcome.expect("hegel goes on until a test case fails")
}

/// The calls so far, and where they have led the client.
#[derive(Default)]
struct Calls {
    sequence: CallSequence,
    sketch: Sketch,
}

/// The state machine: the handles that were given out, dead ones included.
struct Client {
    calls: Rc<RefCell<Calls>>,
    devices: Pool<u8>,
    sessions: Pool<u8>,
}

impl Client {
    fn make(&self, call: Call) {
        let Calls { sequence, sketch } = &mut *self.calls.borrow_mut();
        sketch.note(&call);
        sequence.calls.push(call);
    }

    fn device(&self, case: &TestCase) -> Slot {
        Slot(*case.draw_silent(self.devices.values_reusable()))
    }

    /// A session, and now and then another device to go through.
    fn session(&self, case: &TestCase) -> SessionRef {
        let slot = Slot(*case.draw_silent(self.sessions.values_reusable()));
        let via = rarely(case, 1.0 / 16.0).then(|| self.device(case));
        SessionRef { slot, via, ..SessionRef::default() }
    }
}

#[hegel::state_machine]
impl Client {
    #[rule]
    fn create_device(&mut self, _: TestCase) {
        let slot = self.calls.borrow().sketch.devices.len();
        self.devices.add(u8::try_from(slot).expect("fewer calls than 256"));
        self.make(Call::CreateDevice);
    }

    #[rule]
    fn destroy_device(&mut self, case: TestCase) {
        let device = self.device(&case);
        self.make(Call::destroy_device(device));
    }

    #[rule]
    fn create_session(&mut self, case: TestCase) {
        let device = self.device(&case);
        let crypto = mostly(&case, CryptoType::ALL);
        let profile = mostly(&case, DecodeProfile::ALL);
        let slot = self.calls.borrow().sketch.sessions.len();
        self.sessions.add(u8::try_from(slot).expect("fewer calls than 256"));
        self.make(Call::CreateSession { device, crypto, profile, handle: HandleForm::Given });
    }

    #[rule]
    fn destroy_session(&mut self, case: TestCase) {
        let session = self.session(&case);
        self.make(Call::DestroySession { session });
    }

    #[rule]
    fn exchange_key(&mut self, case: TestCase) {
        let session = self.session(&case);
        let key = case.draw_silent(gs::integers::<u32>().max_value(15));
        let blob = mostly(&case, Blob::ALL);
        self.make(Call::ExchangeKey { session, key, blob, shape: Shape::Plain });
    }

    #[rule]
    fn start_refresh(&mut self, case: TestCase) {
        let session = self.session(&case);
        let size = if rarely(&case, 0.2) {
            case.draw_silent(gs::one_of([
                gs::sampled_from(&[0, 15, 17, 32][..]).boxed(),
                gs::integers::<u32>().boxed(),
            ]))
        } else {
            16
        };
        let null = rarely(&case, 1.0 / 16.0);
        self.make(Call::StartRefresh { session, size, null });
    }

    #[rule]
    fn finish_refresh(&mut self, case: TestCase) {
        let session = self.session(&case);
        self.make(Call::FinishRefresh { session });
    }

    #[rule]
    fn submit_buffer(&mut self, case: TestCase) {
        let session = self.session(&case);
        let next = {
            let sketch = &self.calls.borrow().sketch;
            sketch.session(session.slot).map_or(1, |index| sketch.sessions[index].next_iv)
        };
        let iv = case.draw_silent(gs::one_of([
            gs::sampled_from(vec![next, next.saturating_sub(1)]).boxed(),
            gs::integers::<u64>().boxed(),
        ]));
        let count = if rarely(&case, 0.25) { case.draw_silent(gs::integers::<u64>()) } else { 0 };
        let len = if rarely(&case, 0.2) {
            case.draw_silent(gs::one_of([
                gs::sampled_from(&[0, 1, 15, 17, 1024, 1025][..]).boxed(),
                gs::integers::<u32>().boxed(),
            ]))
        } else {
            16 * case.draw_silent(gs::integers::<u32>().min_value(1).max_value(4))
        };
        let null = mostly(&case, NullPointer::ALL);
        self.make(Call::SubmitBuffer { session, iv, count, len, null });
    }

    #[rule]
    fn session_status(&mut self, case: TestCase) {
        let session = self.session(&case);
        self.make(Call::SessionStatus { session });
    }

    #[rule]
    fn retire(&mut self, case: TestCase) {
        let count = case.draw_silent(gs::integers::<u32>().max_value(8));
        self.make(Call::Retire { count, room: Room::Enough });
    }

    #[rule]
    fn reset_engine(&mut self, _: TestCase) {
        self.make(Call::ResetEngine);
    }

    #[rule]
    fn inject_entropy(&mut self, case: TestCase) {
        let fault = case.draw_silent(gs::sampled_from(EntropyFault::ALL));
        let draws = case.draw_silent(gs::integers::<u32>().max_value(8));
        self.make(Call::InjectEntropy { fault, draws });
    }

    #[rule]
    fn inject_allocation_failure(&mut self, case: TestCase) {
        let after = case.draw_silent(gs::integers::<u32>().max_value(3));
        self.make(Call::InjectAllocationFailure { after });
    }
}

/// One of these; mostly the first, which is the right one.
fn mostly<T: Copy + Send + Sync + 'static>(case: &TestCase, values: &'static [T]) -> T {
    if rarely(case, 1.0 / 8.0) { case.draw_silent(gs::sampled_from(values)) } else { values[0] }
}

fn rarely(case: &TestCase, odds: f64) -> bool {
    case.draw_silent(gs::weighted_booleans(odds))
}
