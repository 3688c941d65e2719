//! The sanitizer as a whole: secrets by name, calls, scans, and findings in words.

mod baseline;
mod cause;
mod differential;
mod finding;
mod findings;
mod layer;
mod look;
mod public_values;
mod secrets;
#[cfg(feature = "trace")]
mod trace;
#[cfg(not(feature = "trace"))]
#[path = "trace_absent.rs"]
mod trace;
mod visibility;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::{fmt, thread};

pub use baseline::{Baseline, BaselineError, Unaccepted};
pub use cause::{Cause, causes};
pub use differential::{Difference, Differences, DifferentialError, Run};
pub use finding::{Finding, Moment, Place, Why};
pub use layer::{BlindSpot, Layer, OpenError, Void, WhyBlind, WhyVoid};
pub use secrets::{HomeRefused, RegisterError, SecretId};
#[cfg(feature = "trace")]
pub use trace::{NotTraced, Trace};
pub use visibility::Visibility;

use crate::gate::Gate;
use crate::heap::{self, Arena, NotAttached, NotProven};
use crate::secret_set::SecretSet;
use crate::statics::{Statics, StaticsError};
use crate::text::Scratch;
use findings::Findings;
use secrets::{Location, Retired, Secrets};
use trace::Steps;

/// A sanitizer for one thread: knows secrets by name, runs calls, and tells where secrets are that
/// should not be.
///
/// The life of a secret has three rules:
///
/// 1. No secret, however much alive, may be in what a call leaves behind (freed blocks, the dead
///    stack, registers), nor in what it gives out (outputs, texts, messages of panics).
/// 2. Once a home was [allowed](Keysan::allow), a living secret may be in its homes and nowhere
///    else, and it must be there. Without one, it may be anywhere in the heap and in statics.
/// 3. Once it is [retired](Keysan::retire), a secret must be nowhere.
///
/// Rule 1 is checked after every [`call`](Keysan::call), the others by [`scan`](Keysan::scan).
///
/// # What belongs to the call
///
/// All that a call is given and gives back passes over its stack, so secrets are passed by
/// reference. `|| drop(session)` moves the session onto that stack first, and if the key is in it
/// inline, that copy is found. Hold it in a `Box`, or in an `Option` that the call sets to `None`.
///
/// # Costs
///
/// A call costs about a tenth of a microsecond more than without keysan, and allocates nothing for
/// it if its name is a literal. [`open`](Keysan::open) takes milliseconds: open once for each
/// thread, and [`clear`](Keysan::clear) for each sequence.
pub struct Keysan {
    gate: Option<Gate>,
    arena: Option<Arena>,
    statics: Option<Statics>,
    blind_spots: Vec<BlindSpot>,
    set: SecretSet,
    secrets: Secrets,
    calls: Vec<Cow<'static, str>>,
    findings: Findings,
    void: Option<Void>,
    scratch: Scratch,
    steps: Steps,
}

impl Keysan {
    /// Opens everything that this machine has, and proves that it looks.
    ///
    /// What it does not have, [`blind_spots`](Keysan::blind_spots) tells. For the heap, the program
    /// must have keysan's allocator:
    ///
    /// ```
    /// #[global_allocator]
    /// static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();
    /// ```
    ///
    /// # Errors
    ///
    /// When this thread has a sanitizer already, or a proof failed.
    pub fn open() -> Result<Keysan, OpenError> {
        Keysan::open_on(Gate::open().ok())
    }

    /// The same for calls that need more stack than the 8 MiB that they otherwise have: at least `stack_len` bytes.
    ///
    /// # Errors
    ///
    /// As [`open`](Keysan::open).
    pub fn open_with_stack(stack_len: usize) -> Result<Keysan, OpenError> {
        Keysan::open_on(Gate::open_with_stack(stack_len).ok())
    }

    fn open_on(mut gate: Option<Gate>) -> Result<Keysan, OpenError> {
        gate.iter_mut().for_each(Gate::report_whole_copies);
        let mut keysan = Keysan {
            gate,
            arena: None,
            statics: None,
            blind_spots: Vec::new(),
            set: SecretSet::new(),
            secrets: Secrets::default(),
            calls: Vec::new(),
            findings: Findings::default(),
            void: None,
            scratch: Scratch::new(),
            steps: Steps::default(),
        };
        keysan.open_heap()?;
        match &mut keysan.gate {
            Some(gate) => gate.prove_it_looks(&mut keysan.set).map_err(OpenError::Gate)?,
            None => {
                keysan.is_blind(Layer::Stack, WhyBlind::NotPorted);
                keysan.is_blind(Layer::Registers, WhyBlind::NotPorted);
            }
        }
        keysan.is_blind(Layer::Statics, WhyBlind::NotAsked);
        Ok(keysan)
    }

    fn open_heap(&mut self) -> Result<(), OpenError> {
        match heap::prove_it_looks(&mut self.set) {
            Ok(()) => {}
            Err(NotProven::NotInstalled) => {
                self.is_blind(Layer::FreedBlocks, WhyBlind::NotInstalled);
                self.is_blind(Layer::Heap, WhyBlind::NotInstalled);
                return Ok(());
            }
            Err(why) => return Err(OpenError::FreedBlocks(why)),
        }
        match Arena::attach() {
            Ok(arena) => self.arena = Some(arena),
            Err(NotAttached::NotPorted) => self.is_blind(Layer::Heap, WhyBlind::NotPorted),
            Err(why) => return Err(OpenError::Arena(why)),
        }
        Ok(())
    }

    /// Also looks into the writable statics and thread-locals whose names `belongs` picks, and
    /// answers how many those are.
    ///
    /// Names are demangled paths, as at [`Statics::of_symbols`]: usually
    /// `|symbol| symbol.contains("mylib::")`, since statics in methods of traits begin with a
    /// bracket. A second call replaces the first.
    ///
    /// # Errors
    ///
    /// When the symbols cannot be read or lead nowhere. A system without them, and a program that
    /// was stripped, are blind spots and no error.
    pub fn watch_statics(
        &mut self,
        belongs: impl FnMut(&str) -> bool,
    ) -> Result<usize, StaticsError> {
        self.watch(Statics::of_symbols(belongs))
    }

    /// Also looks into all writable memory of the shared library that has this address, its thread-locals included,
    /// and answers how many variables those are: what [`watch_statics`](Keysan::watch_statics) is for code in the
    /// program itself, and in its place.
    ///
    /// The address may be that of any function of the library; it is never read from.
    ///
    /// # Errors
    ///
    /// As those of [`Statics::of_library`], but for a system or a program without symbols, which is a blind spot.
    pub fn watch_library(&mut self, address: *const u8) -> Result<usize, StaticsError> {
        self.watch(Statics::of_library(address))
    }

    fn watch(&mut self, statics: Result<Statics, StaticsError>) -> Result<usize, StaticsError> {
        self.statics = None;
        let why = match statics {
            Ok(statics) if statics.regions().len() > 0 => {
                self.blind_spots
                    .retain(|spot| spot.layer != Layer::Statics || spot.why == WhyBlind::LeftOut);
                return Ok(self.statics.insert(statics).regions().len());
            }
            Ok(_) => WhyBlind::NoneNamed,
            Err(StaticsError::NotPorted) => WhyBlind::NotPorted,
            Err(StaticsError::NoSymbols) => WhyBlind::Stripped,
            Err(why) => return Err(why),
        };
        self.is_blind(Layer::Statics, why);
        Ok(0)
    }

    /// From now on what is seen in this layer is no finding: for code that one cannot change, and a question that is
    /// about other places. The layer is a [blind spot](WhyBlind::LeftOut) from then on.
    pub fn leave_out(&mut self, layer: Layer) {
        self.findings.leave_out(layer);
        self.is_blind(layer, WhyBlind::LeftOut);
    }

    /// The layers that are not looked into, and why. A run that must not have any checks that this
    /// is empty.
    #[must_use]
    pub fn blind_spots(&self) -> &[BlindSpot] {
        &self.blind_spots
    }

    /// The layers that are looked into.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(|layer| self.looks_into(*layer))
    }

    /// Whether this layer is looked into.
    #[must_use]
    pub fn looks_into(&self, layer: Layer) -> bool {
        self.blind_spots.iter().all(|spot| spot.layer != layer)
    }

    /// Makes a secret known, of 8 bytes or more. Of one that was drawn at random, any eight bytes will be found where
    /// every byte is looked at (statics, outputs, texts), and any fifteen on the heap and the stack, where words are; of
    /// others [`visibility`](Keysan::visibility) says what will not. Of a token in hex, say, at least fifteen digits
    /// together are told, because eight come up by chance in texts that are full of such digits.
    ///
    /// The secret's bytes are kept masked, and the caller's copy stays the caller's concern: neither
    /// the stack outside calls nor the heap outside calls is looked at.
    ///
    /// # Errors
    ///
    /// See [`RegisterError`]. A key of zeros or of `0123456789abcdef` is refused, because it would be found
    /// everywhere.
    pub fn register(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        secret: &[u8],
    ) -> Result<SecretId, RegisterError> {
        self.secrets.register(&mut self.set, name.into(), secret)
    }

    /// How much of a secret is found where it stands.
    ///
    /// # Panics
    ///
    /// When the secret was registered before the last clear.
    #[must_use]
    pub fn visibility(&self, secret: SecretId) -> &Visibility {
        &self.secrets.named_by(secret).visibility
    }

    /// The secrets of which not any eight bytes are found, and what is. A run that must see everything checks that
    /// there are none.
    pub fn weak_secrets(&self) -> impl Iterator<Item = (&str, &Visibility)> {
        self.secrets.weak().map(|named| (named.name.as_ref(), &named.visibility))
    }

    /// Allows a secret to live at `home`, where scans expect it whole from now on.
    ///
    /// The pointer is compared and never read through. To be called when the secret has moved in:
    /// after the call that allocated its home, before the next scan.
    ///
    /// # Errors
    ///
    /// See [`HomeRefused`]. Where the heap or the statics cannot be looked into, any home is accepted
    /// and those that lie elsewhere are not checked, so that a test runs there too.
    ///
    /// # Panics
    ///
    /// When the secret was registered before the last clear.
    pub fn allow(&mut self, secret: SecretId, home: *const u8) -> Result<(), HomeRefused> {
        let is_located = self.locate(home).is_some();
        // The home may well be in a layer that this machine or program lacks.
        let lacks = |spot: &BlindSpot| {
            matches!(spot.layer, Layer::Heap | Layer::Statics)
                && !matches!(
                    spot.why,
                    WhyBlind::NotAsked | WhyBlind::NoneNamed | WhyBlind::HeldOver
                )
        };
        let is_blind = self.blind_spots.iter().any(lacks);
        let named = self.secrets.named_mut(secret);
        if named.retired.is_some() {
            return Err(HomeRefused::Retired);
        }
        if !is_located && !is_blind {
            return Err(HomeRefused::NotLookedInto);
        }
        named.allow(home.addr());
        Ok(())
    }

    /// Takes back what [`allow`](Keysan::allow) allowed: the secret has moved out.
    ///
    /// # Panics
    ///
    /// When the secret was registered before the last clear.
    pub fn disallow(&mut self, secret: SecretId, home: *const u8) {
        self.secrets.named_mut(secret).disallow(home.addr());
    }

    /// From now on the secret must be nowhere, its homes included. `reason` is told with findings.
    ///
    /// A second call changes nothing.
    ///
    /// # Panics
    ///
    /// When the secret was registered before the last clear.
    pub fn retire(&mut self, secret: SecretId, reason: impl Into<Cow<'static, str>>) {
        let after_call = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let named = self.secrets.named_mut(secret);
        if named.retired.is_none() {
            named.homes.clear();
            named.retired = Some(Retired { after_call, reason: reason.into() });
        }
    }

    /// Runs a call of the code under test, then looks at what it left: in the blocks it freed, on
    /// its stack, in the registers.
    ///
    /// A panic of the call goes on from here, after the looks, which its message is part of.
    pub fn call<R>(&mut self, name: impl Into<Cow<'static, str>>, call: impl FnOnce() -> R) -> R {
        self.begin_call(name.into());
        let number = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let Keysan { gate, set, steps, .. } = self;
        steps.begin(number);
        // The sanitizer allocates nothing in here: what it did would count as the call's.
        let outcome = heap::watch(set, || in_gate(gate.as_mut(), call));
        steps.end();
        self.look_behind_the_call();
        outcome.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            if let Some(text) = text.or_else(|| payload.downcast_ref::<&str>().copied()) {
                self.look_at_text("message of a panic", text);
            }
            resume_unwind(payload)
        })
    }

    fn begin_call(&mut self, name: Cow<'static, str>) {
        self.calls.push(name);
        if let Some(arena) = &self.arena {
            arena.begin_call(u32::try_from(self.calls.len()).unwrap_or(u32::MAX));
        }
    }

    /// Looks through the heap, the statics and once more, deeper, through the dead stack: for
    /// retired secrets anywhere, living ones outside their homes, and homes without their secret.
    pub fn scan(&mut self, name: &str) {
        let arena = self.arena.as_ref();
        let statics = self.statics.as_ref();
        self.secrets.locate_homes(|address| look::locate(arena, statics, address));
        self.look_through_the_heap(name);
        self.look_through_statics(name);
        self.look_for_empty_homes(name);
        self.look_deep(name);
    }

    /// Looks at bytes that were given out: no secret may be among them.
    ///
    /// Passed should be the whole buffer that the call could write to, beyond the length that it
    /// promised as well.
    pub fn look_at_output(&mut self, name: &str, bytes: &[u8]) {
        self.look_at_bytes(name, bytes);
    }

    /// Looks at text that was written, in a log or by `Debug`: no secret may be in it, encoded in
    /// any of the ways of [`text::Encoding`](crate::text::Encoding).
    pub fn look_at_text(&mut self, name: &str, text: &str) {
        self.look_at_lines(name, text);
    }

    /// What was found since the last clear, in the order in which it was seen: one finding for each
    /// copy of a secret.
    ///
    /// # Errors
    ///
    /// When a look was none, so that silence would mean nothing.
    pub fn findings(&self) -> Result<&[Finding], Void> {
        self.void.map_or(Ok(self.findings.listed()), Err)
    }

    /// How many sightings there were beyond those that the list of findings has room for.
    #[must_use]
    pub fn unlisted_count(&self) -> u64 {
        self.findings.unlisted()
    }

    /// For tests and fuzz targets: panics if anything was found, and says what, a line a [cause](Cause). In code
    /// that one cannot change, a [`Baseline`] accepts some.
    ///
    /// # Panics
    ///
    /// When there are findings, when a look was none, or when memory that an earlier sequence has held over keeps the
    /// heap from being looked into; [`leave_out`](Keysan::leave_out) accepts that.
    #[track_caller]
    pub fn assert_clean(&self) {
        match self.findings() {
            Ok([]) => {
                if let Some(spot) = self.became_blind() {
                    panic!("{}", Unaccepted::Blind(spot));
                }
            }
            Ok(findings) => {
                let causes = causes(findings);
                let lines: String = causes.iter().map(|it| format!("\n  {it}")).collect();
                panic!("secrets where they must not be:{lines}");
            }
            Err(void) => panic!("{void}"),
        }
    }

    /// What could be looked into when the sanitizer was opened and cannot be any more, unless that is accepted.
    fn became_blind(&self) -> Option<BlindSpot> {
        let held_over = self.blind_spots.iter().find(|spot| spot.why == WhyBlind::HeldOver)?;
        let left_out = BlindSpot { why: WhyBlind::LeftOut, ..*held_over };
        (!self.blind_spots.contains(&left_out)).then_some(*held_over)
    }

    /// Begins the next sequence: forgets secrets, calls and findings, and resets the arena.
    ///
    /// Memory that is still in use, such as a cache of the whole process, is not looked into from then
    /// on: the heap is a [blind spot](WhyBlind::HeldOver) until a clear finds that it was given back.
    pub fn clear(&mut self) {
        heap::take_report(|_| {});
        if let Some(gate) = &mut self.gate {
            // Repaints what the last sequence left further down.
            gate.inspect_all(&self.set, &mut |_| {});
        }
        if let Some(arena) = &self.arena {
            arena.reset();
            arena.begin_call(0);
            let is_held_over = arena.retained_len() > 0;
            self.blind_spots.retain(|spot| spot.why != WhyBlind::HeldOver);
            if is_held_over {
                self.is_blind(Layer::Heap, WhyBlind::HeldOver);
            }
        }
        self.set.clear();
        self.secrets.clear();
        self.calls.clear();
        self.findings.clear();
        self.void = None;
    }

    fn locate(&self, address: *const u8) -> Option<Location> {
        look::locate(self.arena.as_ref(), self.statics.as_ref(), address.addr())
    }

    fn is_blind(&mut self, layer: Layer, why: WhyBlind) {
        let left_out = BlindSpot { layer, why: WhyBlind::LeftOut };
        if self.blind_spots.contains(&left_out) {
            return;
        }
        self.blind_spots.retain(|spot| spot.layer != layer);
        self.blind_spots.push(BlindSpot { layer, why });
    }
}

/// Runs a call on the gate's stack if there is one, and keeps its panic for later.
fn in_gate<R>(gate: Option<&mut Gate>, call: impl FnOnce() -> R) -> thread::Result<R> {
    // Nothing of the call's is used after a panic but the payload.
    catch_unwind(AssertUnwindSafe(|| match gate {
        Some(gate) => gate.call(call),
        None => call(),
    }))
}

/// Shows how much there is, and nothing of it.
impl fmt::Debug for Keysan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keysan")
            .field("blind_spots", &self.blind_spots)
            .field("findings", &self.findings())
            .finish_non_exhaustive()
    }
}
