//! The original's spelling of flags: long ones may have one dash (`-config FILE`).

use std::ffi::{OsStr, OsString};

/// Gives every long flag its two dashes, as far as `definition` knows the flag at its place; all
/// else stays, so that errors name what was typed.
///
/// # Errors
/// A message when `-h` stands elsewhere than right after a command: there it is more likely a
/// flag of something else, and the original ended such a call with a usage error.
pub fn normalise(args: &[OsString], definition: &clap::Command) -> Result<Vec<OsString>, String> {
    let mut walk = Walk {
        path: vec![definition],
        after_command: true,
        value_follows: false,
    };
    let mut spelt: Vec<OsString> = args.iter().take(1).cloned().collect();
    let mut rest = args.iter().skip(1);
    for arg in rest.by_ref() {
        if arg == "--" {
            spelt.push(arg.clone());
            break;
        }
        spelt.push(walk.argument(arg)?);
    }
    spelt.extend(rest.cloned());
    Ok(spelt)
}

struct Walk<'definition> {
    /// The commands so far, the innermost last.
    path: Vec<&'definition clap::Command>,
    after_command: bool,
    value_follows: bool,
}

// === impl Walk ===

impl Walk<'_> {
    fn argument(&mut self, arg: &OsStr) -> Result<OsString, String> {
        let was_after_command = std::mem::replace(&mut self.after_command, false);
        if std::mem::take(&mut self.value_follows) {
            return Ok(arg.to_owned());
        }
        let Some(text) = arg.to_str() else {
            return Ok(self.non_utf8(arg));
        };
        if text == "-h" && !was_after_command {
            return Err("-h is taken right after a command only; use --help here".to_owned());
        }
        if !text.starts_with('-') || text == "-" {
            self.enter(text);
            return Ok(arg.to_owned());
        }
        Ok(self.flag(text))
    }

    fn flag(&mut self, text: &str) -> OsString {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let bare = name.trim_start_matches('-');
        let is_short = name.len() == 2;
        let found = self.find(|arg| match is_short {
            true => arg
                .get_short()
                .is_some_and(|short| bare == short.to_string()),
            false => arg.get_long() == Some(bare),
        });
        let is_builtin = !is_short && matches!(bare, "help" | "version");
        let is_known = found.is_some() || is_builtin;
        let value_follows = value.is_none() && found.is_some_and(takes_a_value);
        self.value_follows = value_follows;
        let has_one_dash = !is_short && !name.starts_with("--");
        match has_one_dash && is_known {
            true => format!("-{text}").into(),
            false => text.into(),
        }
    }

    /// A flag with a value that is not UTF-8, such as a path in an old encoding.
    fn non_utf8(&self, arg: &OsStr) -> OsString {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let bytes = arg.as_bytes();
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
        let is_known = std::str::from_utf8(name).is_ok_and(|name| {
            name.strip_prefix('-')
                .is_some_and(|bare| self.find(|arg| arg.get_long() == Some(bare)).is_some())
        });
        match is_known {
            true => OsString::from_vec([b"-", bytes].concat()),
            false => arg.to_owned(),
        }
    }

    /// The flag at this command, or a global one of the commands around it.
    fn find(&self, is_meant: impl Fn(&clap::Arg) -> bool) -> Option<&clap::Arg> {
        let (innermost, around) = self.path.split_last()?;
        let global = around.iter().flat_map(|command| command.get_arguments());
        let global = global.filter(|arg| arg.is_global_set());
        innermost
            .get_arguments()
            .chain(global)
            .find(|arg| is_meant(arg))
    }

    fn enter(&mut self, text: &str) {
        let inner = self
            .path
            .last()
            .and_then(|command| command.find_subcommand(text));
        if let Some(inner) = inner {
            self.path.push(inner);
        }
        self.after_command = inner.is_some() || (self.path.len() == 1 && text == "help");
    }
}

fn takes_a_value(arg: &clap::Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    fn spelt(line: &str) -> Result<String, String> {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let spelt = normalise(&args, &command())?;
        let texts: Vec<&str> = spelt.iter().map(|arg| arg.to_str().unwrap()).collect();
        Ok(texts.join(" "))
    }

    #[test]
    fn long_flags_get_their_second_dash() {
        for (typed, expected) in [
            ("x run -config F", "x run --config F"),
            ("x run -config=F", "x run --config=F"),
            ("x run --config F -dry-run", "x run --config F --dry-run"),
            ("x run -dry-run=false", "x run --dry-run=false"),
            ("x run -log-format json", "x run --log-format json"),
            ("x -log-format json run", "x --log-format json run"),
            ("x -log-level run run -once", "x --log-level run run --once"),
            ("x store -path A dump", "x store --path A dump"),
            ("x store dump -path A", "x store dump --path A"),
            ("x run -help", "x run --help"),
            ("x -version", "x --version"),
            ("x status -o json", "x status -o json"),
            ("x status -ojson", "x status -ojson"),
            ("x run -unknown", "x run -unknown"),
            ("x run -skip-lock", "x run -skip-lock"),
            ("x run --config -dry-run", "x run --config -dry-run"),
            ("x run -- -config", "x run -- -config"),
            ("x run - -once", "x run - --once"),
            ("x run -h", "x run -h"),
            ("x -h", "x -h"),
        ] {
            assert_eq!(spelt(typed).as_deref(), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn a_misplaced_h_is_refused() {
        for typed in [
            "x run --once -h",
            "x run --config F -h",
            "x bogus -h",
            "x --bogus -h",
        ] {
            assert!(spelt(typed).is_err(), "{typed}");
        }
        assert!(spelt("x run --config -h").is_ok(), "there it is a value");
    }

    #[test]
    fn a_path_in_another_encoding_is_carried_through() {
        use std::os::unix::ffi::OsStringExt;
        let path = OsString::from_vec(b"-config=/\xe4".to_vec());
        let args = ["x".into(), "run".into(), path];
        let spelt = normalise(&args, &command()).unwrap();
        assert_eq!(spelt[2], OsString::from_vec(b"--config=/\xe4".to_vec()));
    }
}
