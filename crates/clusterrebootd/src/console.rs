//! What people and pipes get to read: reports on stdout, complaints on stderr.

use crate::called::Called;
use crate::exit::ExitCode;
use crate::plain::plain_lines;
use std::io::{self, Write};
use std::ops::ControlFlow;

/// Writes a report to stdout. A reader that went away is not an error; anything else that keeps
/// the report from being written is.
pub(crate) fn print(report: &[u8]) -> ExitCode {
    match print_while_read(report) {
        ControlFlow::Continue(()) => ExitCode::Success,
        ControlFlow::Break(exit) => exit,
    }
}

/// The same for one report of many: breaks when the reader went away, or on a failure.
pub(crate) fn print_while_read(report: &[u8]) -> ControlFlow<ExitCode> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(report).and_then(|()| stdout.flush()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            ControlFlow::Break(ExitCode::Success)
        }
        Err(error) => {
            complain(&format!(
                "stdout cannot be written: {error}: redirect it elsewhere"
            ));
            ControlFlow::Break(ExitCode::RuntimeFailure)
        }
    }
}

/// Writes a report to stdout and ends with `exit`, or with the failure to write it.
pub(crate) fn print_then(report: &[u8], exit: ExitCode) -> ExitCode {
    match print(report) {
        ExitCode::Success => exit,
        failure => failure,
    }
}

/// Writes a report in words, which may be those of others, and ends with `exit`.
pub(crate) fn print_text(report: &str, exit: ExitCode) -> ExitCode {
    print_then(plain_lines(report).as_bytes(), exit)
}

/// Prints a value as indented JSON and ends with `exit`.
pub(crate) fn print_json(value: &serde_json::Value, exit: ExitCode) -> ExitCode {
    print_then(format!("{value:#}\n").as_bytes(), exit)
}

/// Writes to stderr what is no complaint and no report either.
pub(crate) fn tell(message: &str) {
    let message = plain_lines(message);
    let _ = writeln!(io::stderr().lock(), "{message}"); // nothing is left to tell if that fails
}

/// Writes a line to stderr; nothing is left to tell if that fails.
pub(crate) fn complain(message: &str) {
    let message = plain_lines(message);
    let _ = writeln!(io::stderr().lock(), "{}: {message}", Called::now().name());
}

/// Whether the person at the terminal asked for no colours (see no-color.org), or has a terminal
/// that knows none.
#[allow(clippy::disallowed_methods)] // this crate is the binary, and nothing below needs to know
pub(crate) fn is_colour_unwanted() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_unwanted || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}
