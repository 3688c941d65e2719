//! The command: one file a subcommand, findings on stdout, everything else on stderr.

mod audit;
mod bisect;
mod canary;
mod conform;
mod console;
mod continuous;
mod coverage;
mod dashboard;
mod display;
mod driver;
mod engine;
mod exhaust;
mod failure;
mod fault;
mod findings;
mod fuzz;
mod gate;
mod hung;
mod hygiene;
mod judged;
mod list;
mod looked_into;
mod minimize;
mod named_bug;
mod noted;
mod panel;
mod regression;
mod replay;
mod run;
mod show;
mod workers;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::executor::layers_left_out;
use crate::observation::Layer;
use crate::watchdog::set_time_limit;

pub use crate::exit::{self, Exit};
use console::Console;
pub use failure::Failure;

/// What stands below the options of the top-level help.
const EXAMPLES: &str = "\
Examples:
  rekeylab fuzz                                  search for a minute on every core
  rekeylab fuzz --time 8h --sanitizer address    search for a night, memory errors included
  rekeylab findings                              every bug so far, and where it stands
  rekeylab replay                                run every reproducer and seed again
  rekeylab exhaust --depth 6                     run every sequence of up to six calls
  rekeylab run finding.seq                       tell what one sequence breaks
  rekeylab hygiene finding.seq                   show where each secret lived and died
  rekeylab minimize crash-0a1b -o finding.seq    make it short and readable
  rekeylab gate --base origin/main               what a change has to pass
  rekeylab coverage                              which lines of the core nothing runs
  rekeylab dashboard                             all of it in a browser
  rekeylab list exit-codes                       what a script can rely on

Exit codes: 0 all held, 1 the workbench failed, 2 bad usage, 3 an invariant was broken,
4 an alarm stayed silent, 5 all held but not everything was looked into, 6 interrupted,
7 nothing was run, 8 something could not be written, 9 a lane died.";

/// Fuzzes session-key refresh in display drivers, and tells what it finds.
#[derive(Debug, Parser)]
#[command(name = "rekeylab", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    look: Look,
    /// How long a sequence may run before it counts as one that hangs: 500ms, 10s, 2m. The engines
    /// of `fuzz` always wait for ten seconds
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time_limit, default_value = TIME_LIMIT_TEXT)]
    time_limit: Duration,
    #[command(subcommand)]
    command: Command,
}

/// How results look.
#[derive(Clone, Debug, Args)]
struct Look {
    /// For people or for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// When to use colour; NO_COLOR is respected
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
    /// Accepts that this layer cannot be looked into here; without it, that ends with 5
    #[arg(long, global = true, value_name = "LAYER", value_delimiter = ',', value_parser = layer_names())]
    allow_missing: Vec<String>,
}

fn layer_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Layer::ALL.map(Layer::name))
}

/// For whom results are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// Stories and tables
    Human,
    /// One JSON document, with a version
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fuzz(fuzz::Options),
    Continuous(continuous::Options),
    Exhaust(exhaust::Options),
    Findings(findings::Options),
    Regression(regression::Options),
    Bisect(bisect::Options),
    Run(run::Options),
    Replay(replay::Options),
    Minimize(minimize::Options),
    Show(show::Options),
    Hygiene(hygiene::Options),
    Audit(audit::Options),
    Canary(canary::Options),
    Conform(conform::Options),
    Coverage(coverage::Options),
    Dashboard(dashboard::Options),
    Gate(gate::Options),
    List(list::Options),
    #[command(hide = true)]
    Engine(engine::Options),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Drive(driver::Drive),
}

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let color = color_of(std::env::args_os());
    let parsed = Cli::command()
        .color(color)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::BadUsage } else { Exit::Held };
            return match error.print() {
                Err(trouble) if !is_closed(&trouble) => Exit::WorkbenchFailed.into(),
                _ => exit.into(),
            };
        }
    };
    #[cfg(target_os = "linux")]
    if let Command::Drive(options) = &cli.command {
        // Before anything starts a thread: this process is copied.
        return driver::drive(options, cli.time_limit).into();
    }
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut err = std::io::stderr();
    let mut console = Console::new(&mut out, &mut err, &cli.look);
    set_time_limit(cli.time_limit);
    let result = layers_left_out()
        .map_err(|error| Failure::usage(error.to_string()))
        .and_then(|_| dispatch(cli.command, &mut console));
    let exit = result.unwrap_or_else(|failure| {
        console.failure(&failure);
        failure.exit
    });
    match out.flush() {
        // Whoever read the output has seen enough of it.
        Err(error) if is_closed(&error) => exit.into(),
        Err(error) => {
            let failure = Failure::output(&error);
            Console::new(&mut std::io::sink(), &mut err, &cli.look).failure(&failure);
            exit.and(failure.exit).into()
        }
        Ok(()) => exit.into(),
    }
}

fn dispatch(command: Command, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Fuzz(options) => fuzz::run(&options, console),
        Command::Continuous(options) => continuous::run(&options, console),
        Command::Exhaust(options) => exhaust::run(&options, console),
        Command::Findings(options) => findings::run(&options, console),
        Command::Regression(options) => regression::run(&options, console),
        Command::Bisect(options) => bisect::run(&options, console),
        Command::Run(options) => run::run(&options, console),
        Command::Replay(options) => replay::run(&options, console),
        Command::Minimize(options) => minimize::run(&options, console),
        Command::Show(options) => show::run(&options, console),
        Command::Hygiene(options) => hygiene::run(&options, console),
        Command::Audit(options) => audit::run(&options, console),
        Command::Canary(options) => canary::run(&options, console),
        Command::Conform(options) => conform::run(&options, console),
        Command::Coverage(options) => coverage::run(&options, console),
        Command::Dashboard(options) => dashboard::run(&options, console),
        Command::Gate(options) => gate::run(&options, console),
        Command::List(options) => list::run(&options, console),
        Command::Engine(options) => engine::run(&options),
        #[cfg(target_os = "linux")]
        Command::Drive(_) => unreachable!("it was done before"),
    }
}

/// [`TIME_LIMIT`], as it is typed.
const TIME_LIMIT_TEXT: &str = "10s";

/// A time as humantime reads it, or seconds alone.
fn parse_time_limit(text: &str) -> Result<Duration, String> {
    let limit = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; expected a time such as 500ms, 10s or 2m"))?,
    };
    if limit < Duration::from_millis(10) {
        return Err("a sequence needs time: 10ms at least".to_owned());
    }
    Ok(limit)
}

fn is_closed(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// What `--color` says, known before the rest is parsed so that errors in it look right too.
fn color_of(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let arguments: Vec<OsString> = arguments.collect();
    let joined = arguments.iter().filter_map(|word| word.to_str()?.strip_prefix("--color="));
    let apart = arguments.windows(2).filter(|pair| pair[0] == "--color");
    let values = joined.chain(apart.filter_map(|pair| pair[1].to_str()));
    match values.last() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog::TIME_LIMIT;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_limit_is_read_as_people_write_it_and_none_is_refused() {
        assert_eq!(parse_time_limit(TIME_LIMIT_TEXT), Ok(TIME_LIMIT));
        assert_eq!(parse_time_limit("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time_limit("500ms"), Ok(Duration::from_millis(500)));
        for text in ["", "0", "0s", "9ms", "-1", "never"] {
            assert!(parse_time_limit(text).is_err(), "{text:?}");
        }
    }
}
