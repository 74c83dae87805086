//! The configuration, in three layers: the fragment as written, checked settings, and what each
//! crate takes (the wiring does the last).
//!
//! One table of keys ([`NODE_KEYS`]) says what a key may hold, its default and its purpose; the
//! checks, the suggestion for a mistyped key, the manual page and the reference all read it.

mod build;
mod environment;
mod fields;
mod keys;
mod listing;
mod numbers;
mod problem;
mod reference;
mod schema;
mod serve;
mod settings;
mod shape;
mod store;
mod template;
mod texts;
mod tree;
mod warnings;

pub use keys::{NODE_KEYS, PRESETS};
pub use listing::Changed;
pub use problem::{ConfigProblems, Problem};
pub use reference::reference;
pub use schema::{Check, Default, Key, Kind, SECONDS_MAX};
pub use serve::{
    SERVER_PATH, ServeAuth, ServeGroup, ServeLimits, ServeSettings, ServeTls, server_keys,
};
pub use settings::{
    DetectorSettings, DetectorSettingsKind, EtcdLayout, EtcdSettings, FleetLockSettings, LogFormat,
    LogLevel, MetricsSettings, PolicySettings, RebootMethod, ServerSettings, Settings,
    StoreSettings, TlsSettings, WindowSettings,
};
pub use template::template;
pub use texts::Complaint;
pub use tree::Place;

use std::io::Read;
use std::path::Path;

/// Where the configuration is, unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/clusterrebootd/config.yaml";

/// The manual pages of section 5, which list the keys.
pub const NODE_MANUAL: &str = "clusterrebootd.yaml";
/// The same of the server's keys.
pub const SERVER_MANUAL: &str = "clusterrebootd-server.yaml";

/// The longest configuration file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

// === impl Settings ===

impl Settings {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem of the file at once; one that cannot be read is a problem too.
    pub fn load(path: &Path) -> Result<Self, ConfigProblems> {
        let text = read(path)?;
        Self::parse(path, &text)
    }

    /// Checks a text, said to be of the file at `path`.
    ///
    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigProblems> {
        checked((NODE_KEYS, NODE_MANUAL), path, text, build::settings)
    }
}

/// What `build` makes of a text whose keys are those of the table, which the manual page lists.
fn checked<T>(
    table: (&'static [Key], &'static str),
    path: &Path,
    text: &str,
    build: impl FnOnce(shape::Values, &mut Vec<Problem>) -> Option<T>,
) -> Result<T, ConfigProblems> {
    let text = text.trim_start_matches('\u{feff}');
    let mut problems = Vec::new();
    let root = tree::parse(text, &mut problems);
    if root.is_none() && !problems.is_empty() {
        return Err(ConfigProblems::new(path, text, problems));
    }
    let values = shape::check(table, root.as_ref(), &mut problems);
    build(values, &mut problems).ok_or_else(|| ConfigProblems::new(path, text, problems))
}

/// A number whose range the table keeps far below the type's.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The text of a file.
fn read(path: &Path) -> Result<String, ConfigProblems> {
    let bytes = bytes_of(path).map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "read it as its owner, mostly with sudo",
            _ => "name the file with --config, or mend its permissions",
        };
        let cause = format!("the file cannot be read: {error}");
        ConfigProblems::unread(path, Problem::of_file(&cause, remedy))
    })?;
    text_of(bytes).map_err(|problem| ConfigProblems::new(path, "", vec![problem]))
}

/// One more than a file may have shows that it has too many.
fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text_of(bytes: Vec<u8>) -> Result<String, Problem> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let cause = format!("the file is longer than {FILE_BYTES_MAX} bytes");
        return Err(Problem::of_file(
            &cause,
            "check that it is the configuration",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let cause = format!("the file is not UTF-8 text, first in line {}", line + 1);
        Problem::of_file(&cause, "save it as UTF-8")
    })
}
