//! The process of a driver, seen from inside: opens it, and runs what it is asked for.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rekeylab_abi::{Ended, clear_counters, copy_counters, counter_count, in_a_copy};
use rustix::process::{Resource, Rlimit};

use crate::executor::{AnyDut, Executor};
use crate::observation::{Layers, Place, Sighting, Trace};
use crate::watchdog::{Hang, OnHang, set_time_limit};

use super::super::{Sheet, TableDut};
use super::crowd::{self, Crowd, Order};
use super::message::{Received, Shared, Signal};

/// Serves the driver of a data sheet to the process that started this one, until that is gone; so many threads run
/// each sequence. Its standard input is a socket, its standard output a file in memory.
///
/// # Errors
///
/// When it was not started like that.
pub fn serve(sheet: &Path, threads: usize, limit: Duration) -> io::Result<()> {
    let socket = Arc::new(UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?));
    let shared = Arc::new(Shared(File::from(rustix::io::dup(rustix::stdio::stdout())?)));
    // From here on, what the driver prints goes where errors go, and it reads nothing.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    // A core file would have keys in it, and takes longer than all else.
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, no_core)?;
    // Of its own, so that it can be read from.
    let printed = File::from(rustix::io::dup(rustix::stdio::stderr())?);
    let dut = match opened(sheet, printed) {
        Ok(dut) => dut,
        Err(reason) => {
            let len = shared.write_answer(&reason)?;
            return Signal::CannotStart(len).send(&*socket);
        }
    };
    // Proves what it looks with once, and not in every worker.
    let mut executor = Executor::new();
    executor.deepen_the_stack(STACK_LEN);
    let mut missing = dut.missing_layers() | Layers::ALL.except(executor.layers());
    if threads > 1 {
        missing = missing | Layers::ALL.except(crowd::LAYERS);
    }
    let len = shared.write_answer(&(missing, counter_count()))?;
    Signal::Ready(len).send(&*socket)?;
    loop {
        let ended = in_a_copy(|| work(&dut, &mut executor, &socket, &shared, (threads, limit)));
        let signal = match ended {
            // A driver with threads of its own has them only here, and so has a sanitizer: then this process dies
            // with it.
            Err(_) => return work(&dut, &mut executor, &socket, &shared, (threads, limit)),
            Ok(Ended::Killed(signal)) => Signal::Killed(signal),
            Ok(Ended::Exited(code)) => Signal::Exited(code),
        };
        if signal.send(&*socket).is_err() {
            // Nobody is there any more.
            return Ok(());
        }
    }
}

/// How long a worker that hangs waits for its end.
const ORPHANED_AFTER: Duration = Duration::from_secs(5);

/// How much stack a call of a driver has: as much as the main thread of most programs.
const STACK_LEN: usize = 8 << 20;

/// The driver, or what is wrong with it and what to try.
fn opened(sheet: &Path, printed: File) -> Result<AnyDut, (String, String)> {
    let sheet = Sheet::read(sheet).map_err(|error| (error.to_string(), String::new()))?;
    let dut = TableDut::of(sheet);
    dut.map(|dut| dut.that_prints_to(printed).into())
        .map_err(|error| (error.to_string(), error.way_out().to_owned()))
}

/// Runs what is asked for, until nothing is.
fn work(
    dut: &AnyDut,
    executor: &mut Executor,
    socket: &Arc<UnixStream>,
    shared: &Arc<Shared>,
    (threads, limit): (usize, Duration),
) -> io::Result<()> {
    shared.note_worker();
    set_time_limit(limit);
    let hung = Arc::clone(socket);
    let hung: OnHang = Arc::new(move |_| {
        drop(Signal::Hung.send(&*hung));
        // Whoever asked ends this process now. If nobody does, nobody is there any more.
        std::thread::sleep(ORPHANED_AFTER);
        std::process::abort();
    });
    let stage = Arc::clone(shared);
    let note_stage = move |reached| stage.note_stage(reached);
    let crowd = Crowd::start(dut, threads, STACK_LEN, &hung, note_stage)?;
    executor.watch_for_hangs();
    executor.leave_drivers_where_they_hang();
    let (mut trace, mut counters) = (Trace::default(), Vec::new());
    while let Some(request) = Received::read(&**socket)? {
        let Received { sequence, calls_max, layers, ends_at, counts_edges, is_last } = request;
        executor.run_up_to(calls_max);
        if counts_edges {
            clear_counters();
        }
        match ends_at {
            None if threads > 1 => {
                let layers = layers.and(crowd::LAYERS);
                crowd.run(dut, executor, Order { sequence, calls_max, layers }, &mut trace);
            }
            None => {
                crowd.stand_aside();
                dut.execute(executor, &sequence, layers, &mut trace);
            }
            Some(stage) => {
                crowd.stand_aside();
                let hang = Hang { sequence, layers, stage };
                dut.execute_to_hang(executor, &hang, &mut trace);
            }
        }
        let len = shared.write_answer(&trace)?;
        if counts_edges {
            counters.clear();
            copy_counters(&mut counters);
            shared.write_counters(len, &counters)?;
        }
        // A driver that was left in the middle of its calls is in nobody's way when this worker is gone. One that
        // holds memory over begins anew, so that all of it can be looked into again; and so does one that has left
        // a secret in a static, which the next sequence may bring again.
        let is_left_in_statics = |seen: &Sighting| {
            matches!(seen.place, Place::Static { .. } | Place::ThreadLocal { .. })
        };
        let leaves_something =
            trace.sightings.iter().any(is_left_in_statics) || Executor::is_memory_held_over();
        if is_last || ends_at.is_some() || leaves_something {
            return Signal::DoneForGood(len).send(&**socket);
        }
        Signal::Done(len).send(&**socket)?;
    }
    Ok(())
}
