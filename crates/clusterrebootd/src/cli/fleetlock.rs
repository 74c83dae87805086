//! The flags of the original `fleetlock`, read as Go's `flag` package reads them: one dash or
//! two, a value after `=` or as the next word, and nothing after the first word that is no flag.

use crate::config::LogLevel;
use std::ffi::OsStr;
use std::path::Path;

/// Where the original listens.
const ADDRESS: &str = "0.0.0.0:8080";

/// Its flags: name, kind of value, and what it says of it.
pub(super) const FLAGS: &[(&str, &str, &str)] = &[
    (
        "-address",
        "string",
        "HTTP listen address (default \"0.0.0.0:8080\")",
    ),
    ("-help", "", "Print usage and exit"),
    (
        "-log-level",
        "string",
        "Set the logging level: error, warn, info or debug (default \"info\")",
    ),
    ("-version", "", "Print version and exit"),
];

/// What the original's flags ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FleetlockArgs {
    /// Where to listen, `host:port`.
    pub address: String,
    /// The least important level that is logged.
    pub log_level: LogLevel,
    /// Tell the version, and end.
    pub version: bool,
    /// Tell the usage, and end.
    pub help: bool,
    /// Words that are no flags; the original ignores them.
    pub ignored: Vec<String>,
}

/// Why a command line is none of the original's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadFlags {
    /// `-h`, which it does not define and answers all the same.
    Help,
    /// Anything else, in words.
    Wrong(String),
}

/// Whether the program was called by the original's name.
pub fn is_fleetlock(first: &OsStr) -> bool {
    Path::new(first).file_name() == Some(OsStr::new("fleetlock"))
}

/// What the original prints about its flags, for a program called by this first word.
pub fn fleetlock_usage(first: &str) -> String {
    let mut usage = format!("Usage of {first}:\n");
    for (flag, value, says) in FLAGS {
        let line = format!("  {flag} {value}");
        usage += &format!("{}\n    \t{says}\n", line.trim_end());
    }
    usage
}

// === impl FleetlockArgs ===

impl Default for FleetlockArgs {
    fn default() -> Self {
        Self {
            address: ADDRESS.to_owned(),
            log_level: LogLevel::Info,
            version: false,
            help: false,
            ignored: Vec::new(),
        }
    }
}

impl FleetlockArgs {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The first flag that is none, or that lacks its value.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, BadFlags> {
        let mut args = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
            let Some(bare) = bare.filter(|_| word != "-") else {
                args.ignored.push(word);
                break;
            };
            if bare.is_empty() || bare.starts_with(['-', '=']) {
                return Err(BadFlags::Wrong(format!("bad flag syntax: {word}")));
            }
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            args.set(name, value, &mut words)?;
        }
        args.ignored.extend(words);
        Ok(args)
    }

    fn set(
        &mut self,
        name: &str,
        value: Option<String>,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), BadFlags> {
        let missing = || BadFlags::Wrong(format!("flag needs an argument: -{name}"));
        let mut value_or_next = || value.clone().or_else(|| rest.next()).ok_or_else(missing);
        match name {
            "address" => self.address = address(value_or_next()?),
            "log-level" => self.log_level = log_level(&value_or_next()?)?,
            "version" => self.version = flag(name, value.as_deref())?,
            "help" => self.help = flag(name, value.as_deref())?,
            "h" => return Err(BadFlags::Help),
            _ => {
                let text = format!("flag provided but not defined: -{name}");
                return Err(BadFlags::Wrong(text));
            }
        }
        Ok(())
    }
}

/// Go takes `:8080` for every address of the machine.
fn address(text: String) -> String {
    match text.starts_with(':') {
        true => format!("0.0.0.0{text}"),
        false => text,
    }
}

/// The levels of the original's logger; what is more or less than ours is the nearest of ours.
fn log_level(word: &str) -> Result<LogLevel, BadFlags> {
    match word.to_ascii_lowercase().as_str() {
        "panic" | "fatal" | "error" => Ok(LogLevel::Error),
        "warn" | "warning" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" | "trace" => Ok(LogLevel::Debug),
        _ => Err(BadFlags::Wrong(format!(
            "invalid value \"{word}\" for flag -log-level: write error, warn, info or debug"
        ))),
    }
}

fn flag(name: &str, value: Option<&str>) -> Result<bool, BadFlags> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(BadFlags::Wrong(format!(
            "invalid boolean value \"{other}\" for -{name}: write true or false"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<FleetlockArgs, BadFlags> {
        FleetlockArgs::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read_as_the_original_reads_them() {
        for line in [
            "-address h:1 -log-level debug",
            "--address h:1 --log-level debug",
            "-address=h:1 -log-level=DEBUG",
            "--address=h:1 -log-level=trace -version=false",
            "-address x:2 -address h:1 -log-level debug --",
        ] {
            let args = parse(line).unwrap();
            let read = (args.address.as_str(), args.log_level, args.version);
            assert_eq!(read, ("h:1", LogLevel::Debug, false), "{line}");
        }
        assert_eq!(parse("").unwrap(), FleetlockArgs::default());
        assert_eq!(parse("-address :80").unwrap().address, "0.0.0.0:80");
        assert!(parse("-version").unwrap().version && parse("-help=1").unwrap().help);
    }

    #[test]
    fn after_the_first_word_that_is_no_flag_none_is_read() {
        let args = parse("-log-level warn serve -address h:1").unwrap();
        assert_eq!(args.address, FleetlockArgs::default().address);
        assert_eq!(args.ignored, ["serve", "-address", "h:1"]);
        assert_eq!(parse("-- -bogus").unwrap().ignored, ["-bogus"]);
        assert_eq!(parse("-").unwrap().ignored, ["-"]);
    }

    #[test]
    fn what_is_no_flag_of_the_original_s_is_named() {
        let wrong = |line: &str| match parse(line) {
            Err(BadFlags::Wrong(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(wrong("-bogus"), "flag provided but not defined: -bogus");
        assert_eq!(
            wrong("--config x"),
            "flag provided but not defined: -config"
        );
        assert_eq!(wrong("-address"), "flag needs an argument: -address");
        assert_eq!(wrong("---address"), "bad flag syntax: ---address");
        assert_eq!(wrong("-=1"), "bad flag syntax: -=1");
        assert!(wrong("-version=maybe").starts_with("invalid boolean value \"maybe\""));
        assert!(wrong("-log-level loud").contains("\"loud\""));
        assert_eq!(parse("-h"), Err(BadFlags::Help));
    }

    #[test]
    fn the_file_name_tells() {
        for first in ["fleetlock", "/usr/bin/fleetlock", "./fleetlock"] {
            assert!(is_fleetlock(OsStr::new(first)), "{first}");
        }
        for first in ["clusterrebootd", "/fleetlock/bin/x", "fleetlock2", ""] {
            assert!(!is_fleetlock(OsStr::new(first)), "{first}");
        }
    }
}
