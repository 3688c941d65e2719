//! `rekeylab show`: one sequence in its other form.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::Workbench;
use crate::corpus::{Form, Stored, read, write_new, write_over};
use crate::executor::AnyDut;
use crate::foreign::{KeyWrapper, Sheet, cpp};
use crate::sequence::{SequenceText, wire};

use super::Format;
use super::console::Console;
use super::driver::in_environment_of;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;

/// Shows a sequence as text or as wire, whichever form it was stored in
///
/// Text keeps its comments and expected answers; wire has only calls.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab show fuzz/artifacts/call_sequence/crash-0a1b
  rekeylab show --answers finding.wire -o finding.seq
  rekeylab show finding.seq --as wire -o finding.wire
  rekeylab show finding.seq --as wire --hex
  rekeylab show finding.seq --as cpp --driver driver.toml -o reproducer.cpp")]
pub(super) struct Options {
    /// A text or wire file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The form to show
    #[arg(long = "as", value_enum, default_value_t = As::Text, value_name = "FORM")]
    form: As,
    /// Runs it, and writes what was answered behind each call
    #[arg(long, conflicts_with = "hex")]
    answers: bool,
    /// The data sheet of the driver, for `--as cpp`
    #[arg(long, value_name = "SHEET")]
    driver: Option<PathBuf>,
    /// Wire as hexadecimal, one call a line
    #[arg(long)]
    hex: bool,
    /// Writes here instead of standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Replaces OUT if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Plants this fault first; see `rekeylab list faults`
    #[arg(long, value_name = "NAME", requires = "answers")]
    fault: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum As {
    /// One call a line, for people
    Text,
    /// One fixed record a call, for engines
    Wire,
    /// A C++ file that makes the calls and checks the answers, of the driver of a data sheet
    Cpp,
}

/// The C++ file of a sequence, for the driver of the data sheet.
fn in_cpp(stored: &Stored, options: &Options) -> Result<String, Failure> {
    let Some(path) = &options.driver else {
        return Err(Failure::usage("C++ is for a driver of one's own, and which is not said")
            .way_out("--driver SHEET"));
    };
    let sheet = Sheet::read(path).map_err(|error| Failure::usage(error.to_string()))?;
    let library = sheet.library.display().to_string();
    // The driver's own certificate is asked for in this process.
    if sheet.asks_for_certificate() {
        in_environment_of(&sheet)?;
    }
    let wrapper = KeyWrapper::open(&sheet).map_err(|error| {
        let way_out = error.way_out();
        Failure::usage(format!("{library}: {error}")).way_out(way_out)
    })?;
    cpp(&text(stored, None), &sheet, &wrapper).map_err(|error| {
        let file = options.file.display();
        Failure::usage(format!("{file}: {error}"))
            .way_out("rekeylab minimize, which leaves such things out")
    })
}

/// What a machine reads of a sequence.
#[derive(Debug, serde::Serialize)]
struct Shown {
    /// How many calls there are.
    calls: usize,
    /// The text form.
    text: String,
    /// The wire form, in hexadecimal.
    wire: String,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if options.answers && options.form != As::Text {
        let failure = Failure::usage("only text has a place for answers");
        return Err(failure.way_out("--as text --answers"));
    }
    if options.driver.is_some() && options.form != As::Cpp {
        return Err(Failure::usage("a data sheet is for C++").way_out("--as cpp"));
    }
    let fault = fault::by_name(options.fault.as_deref(), "show --answers FILE")?;
    let asked = options.answers.then(|| fault::core_with(fault));
    let stored = read(&options.file)?;
    let mut bytes = Vec::new();
    wire::encode_into(&stored.sequence, &mut bytes);
    let shown = match (console.format, options.form) {
        (Format::Json, _) => {
            let shown = Shown {
                calls: stored.sequence.calls.len(),
                text: text(&stored, asked).to_string(),
                wire: hex(&bytes).replace('\n', ""),
            };
            if options.output.is_none() {
                console.say_json(1, &shown)?;
                return Ok(Exit::Held);
            }
            serde_json::to_vec_pretty(&shown)
                .map_err(|error| Failure::workbench(format!("cannot write the report: {error}")))?
        }
        (Format::Human, As::Text) if options.hex => {
            return Err(Failure::usage("--hex is for wire").way_out("--as wire --hex"));
        }
        (Format::Human, As::Text) => text(&stored, asked).to_string().into_bytes(),
        (Format::Human, As::Cpp) => in_cpp(&stored, options)?.into_bytes(),
        (Format::Human, As::Wire) if options.hex => hex(&bytes).into_bytes(),
        (Format::Human, As::Wire) => bytes,
    };
    if let Some(output) = &options.output {
        let write = if options.force { write_over } else { write_new };
        write(output, &shown)?;
        return Ok(Exit::Held);
    }
    let is_binary = options.form == As::Wire && !options.hex;
    if is_binary && std::io::stdout().is_terminal() {
        return Err(
            Failure::usage("wire is not for a terminal").way_out("--hex, or -o OUT, or a pipe")
        );
    }
    console.say_bytes(&shown)?;
    Ok(Exit::Held)
}

/// With what a driver answers, if one is asked.
fn text(stored: &Stored, asked: Option<AnyDut>) -> SequenceText {
    let mut text = match &stored.form {
        Form::Text(text) => text.clone(),
        Form::Wire => SequenceText::from(&stored.sequence),
    };
    if let Some(dut) = asked {
        let mut workbench = Workbench::on(dut);
        workbench.run(&stored.sequence);
        let trace = workbench.trace();
        let answered = trace.calls.iter().take(trace.sequence_len).map(|seen| seen.code);
        let answered = answered.chain(std::iter::repeat(None));
        for (entry, answered) in text.entries.iter_mut().zip(answered) {
            entry.expected = answered;
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + bytes.len() / wire::RECORD_LEN);
    for record in bytes.chunks(wire::RECORD_LEN) {
        for byte in record {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}
