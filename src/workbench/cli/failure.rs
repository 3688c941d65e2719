//! What a command says when it cannot go on: what is wrong, what to try, and the exit code.

use crate::corpus::CorpusError;

use super::exit::Exit;

/// Why a command ended early.
#[derive(Debug)]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to try.
    pub way_out: Option<String>,
}

impl Failure {
    /// Something the caller can put right by calling differently.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::BadUsage, message: message.into(), way_out: None }
    }

    /// Something that went wrong in or around the workbench.
    pub(crate) fn workbench(message: impl Into<String>) -> Self {
        Self { exit: Exit::WorkbenchFailed, message: message.into(), way_out: None }
    }

    /// Adds what to try.
    pub(crate) fn way_out(self, way_out: impl Into<String>) -> Self {
        Self { way_out: Some(way_out.into()), ..self }
    }

    /// What has been written could not be written.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        Self::workbench(format!("cannot write to standard output: {error}"))
    }
}

impl From<CorpusError> for Failure {
    fn from(error: CorpusError) -> Self {
        let exit = if error.is_about_writing() { Exit::WorkbenchFailed } else { Exit::BadUsage };
        Self { exit, way_out: error.way_out(), message: error.to_string() }
    }
}
