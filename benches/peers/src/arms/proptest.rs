//! proptest-state-machine: transitions drawn from a reference state that knows what exists.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use rekeylab::generate::sketch::Sketch;
use rekeylab::sequence::{
    Blob, Call, CallSequence, CryptoType, DecodeProfile, EntropyFault, HandleForm, NullPointer,
    Room, SessionRef, Shape, Slot,
};

use super::{CALLS_MAX, until_over};
use crate::judge::{Judge, Outcome};

/// What proptest's runner does for each case, without the shrinking that follows a failure.
pub(super) fn hunt(seed: u64, judge: &mut Judge) -> Outcome {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let cases = Client::sequential_strategy(1..=CALLS_MAX);
    let mut sequence = CallSequence::default();
    until_over(|| {
        let case = cases.new_tree(&mut runner).expect("no strategy here rejects");
        sequence.calls = case.current().1;
        judge.judge(&sequence)
    })
}

/// The reference state machine.
struct Client;

impl ReferenceStateMachine for Client {
    type State = Sketch;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Sketch> {
        Just(Sketch::default()).boxed()
    }

    /// Only calls whose handles exist; as likely as they are interesting.
    fn transitions(state: &Sketch) -> BoxedStrategy<Call> {
        let mut kinds = vec![
            (2, Just(Call::CreateDevice).boxed()),
            (1, Just(Call::ResetEngine).boxed()),
            (1, inject_entropy()),
            (1, (0_u32..4).prop_map(|after| Call::InjectAllocationFailure { after }).boxed()),
            (3, (0_u32..8).prop_map(|count| Call::Retire { count, room: Room::Enough }).boxed()),
        ];
        if !state.devices.is_empty() {
            kinds.push((1, device(state).prop_map(|device| Call::destroy_device(device)).boxed()));
            kinds.push((4, create_session(state)));
        }
        if !state.sessions.is_empty() {
            let on_session = |make: fn(SessionRef) -> Call| session(state).prop_map(make).boxed();
            kinds.push((2, on_session(|session| Call::DestroySession { session })));
            kinds.push((4, exchange_key(state)));
            kinds.push((5, start_refresh(state)));
            kinds.push((5, on_session(|session| Call::FinishRefresh { session })));
            kinds.push((6, submit_buffer(state)));
            kinds.push((1, on_session(|session| Call::SessionStatus { session })));
        }
        proptest::strategy::Union::new_weighted(kinds).boxed()
    }

    fn apply(mut state: Sketch, call: &Call) -> Sketch {
        state.note(call);
        state
    }
}

fn inject_entropy() -> BoxedStrategy<Call> {
    let fault = select(EntropyFault::ALL);
    (fault, 1_u32..4).prop_map(|(fault, draws)| Call::InjectEntropy { fault, draws }).boxed()
}

fn slots(count: usize) -> BoxedStrategy<Slot> {
    (0..u8::try_from(count).expect("fewer calls than 256")).prop_map(Slot).boxed()
}

fn device(state: &Sketch) -> BoxedStrategy<Slot> {
    slots(state.devices.len())
}

/// A live session, or, now and then, any; now and then through any device.
fn session(state: &Sketch) -> BoxedStrategy<SessionRef> {
    let any = slots(state.sessions.len());
    let alive = state.sessions.iter().enumerate().filter(|(_, session)| session.is_alive);
    let alive: Vec<Slot> =
        alive.map(|(index, _)| Slot(u8::try_from(index).expect("as above"))).collect();
    let slot =
        if alive.is_empty() { any } else { prop_oneof![4 => select(alive), 1 => any].boxed() };
    let via = prop_oneof![15 => Just(None), 1 => device(state).prop_map(Some)];
    (slot, via).prop_map(|(slot, via)| SessionRef { slot, via, ..SessionRef::default() }).boxed()
}

fn create_session(state: &Sketch) -> BoxedStrategy<Call> {
    let arguments = (device(state), mostly(CryptoType::ALL), mostly(DecodeProfile::ALL));
    arguments
        .prop_map(|(device, crypto, profile)| Call::CreateSession {
            device,
            crypto,
            profile,
            handle: HandleForm::Given,
        })
        .boxed()
}

fn exchange_key(state: &Sketch) -> BoxedStrategy<Call> {
    (session(state), 0_u32..16, mostly(Blob::ALL))
        .prop_map(|(session, key, blob)| Call::ExchangeKey {
            session,
            key,
            blob,
            shape: Shape::Plain,
        })
        .boxed()
}

fn start_refresh(state: &Sketch) -> BoxedStrategy<Call> {
    let size =
        prop_oneof![12 => Just(16_u32), 2 => select(&[0, 15, 17, 32][..]), 1 => any::<u32>()];
    (session(state), size, prop::bool::weighted(1.0 / 16.0))
        .prop_map(|(session, size, null)| Call::StartRefresh { session, size, null })
        .boxed()
}

fn submit_buffer(state: &Sketch) -> BoxedStrategy<Call> {
    let state = state.clone();
    let len = prop_oneof![
        12 => (1_u32..=4).prop_map(|blocks| 16 * blocks),
        2 => select(&[0, 1, 15, 17, 1024, 1025][..]),
        1 => any::<u32>(),
    ];
    let count = prop_oneof![
        6 => Just(0),
        1 => select(&[1, 2, u64::MAX - 1, u64::MAX][..]),
        1 => any::<u64>(),
    ];
    let null = mostly(NullPointer::ALL);
    (session(&state), len, count, null)
        .prop_flat_map(move |(session, len, count, null)| {
            let next = state.session(session.slot).map_or(1, |index| state.sessions[index].next_iv);
            let iv = prop_oneof![
                4 => Just(next),
                1 => Just(next.saturating_sub(1)),
                1 => any::<u64>(),
            ];
            iv.prop_map(move |iv| Call::SubmitBuffer { session, iv, count, len, null })
        })
        .boxed()
}

/// One of these; mostly the first, which is the right one.
fn mostly<T: Copy + core::fmt::Debug + 'static>(values: &'static [T]) -> BoxedStrategy<T> {
    prop_oneof![7 => Just(values[0]), 1 => select(values)].boxed()
}
