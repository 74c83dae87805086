//! Traces of the machine that a program was built on: whoever builds the same elsewhere would not
//! get the same.

use std::path::PathBuf;

use anyhow::ensure;

/// Makes sure that a program names nothing in these folders.
///
/// # Errors
/// The first name in one of them, as far as it can be printed.
pub(super) fn check(program: &[u8], folders: &[PathBuf]) -> anyhow::Result<()> {
    for folder in folders {
        let name = format!("{}/", folder.display());
        let at = memchr::memmem::find(program, name.as_bytes());
        let trace = at.map(|at| printable(&program[at..]));
        ensure!(
            trace.is_none(),
            "it names a file of this machine, {}: have the compiler remap that path",
            trace.unwrap_or_default()
        );
    }
    Ok(())
}

/// The text that something begins with, up to the length of a long path.
fn printable(bytes: &[u8]) -> String {
    let shown = bytes
        .iter()
        .take(200)
        .take_while(|it| it.is_ascii_graphic());
    shown.map(|it| char::from(*it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_shown() {
        let folders = ["/build/mine", "/build/cargo"].map(PathBuf::from);
        let clean = b"\x7fELF\0/cargo/registry/a.rs\0/build/mines";
        assert!(check(clean, &folders).is_ok());
        let telling = b"\x7fELF\0/build/cargo/registry/a.rs\0more";
        let error = check(telling, &folders).unwrap_err().to_string();
        assert!(error.contains("/build/cargo/registry/a.rs:"), "{error}");
    }
}
