//! What this node must remember across a crash, a power cut or its own reboot.
//!
//! One small file of JSON in the state directory holds the agent's [`Notebook`]; beside it is the
//! lock that keeps a second agent away, see [`NodeLock`].

mod disk;
mod lock;

pub use lock::{NodeLock, Previous};

use crate::error::HostError;
use reboot_core::agent::{NOTEBOOK_VERSION, Notebook};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The journal's file name in the state directory.
pub const FILE_NAME: &str = "journal.json";

/// The longest journal that is written or read, in bytes: more than one ever has.
const BYTES_MAX: u64 = 1024 * 1024;

/// Reads the journal of a state directory; `None` when there is none yet.
///
/// # Errors
/// When it cannot be read, is broken or was written by a newer version. It is left as it is.
pub fn load(directory: &Path) -> Result<Option<Notebook>, HostError> {
    let path = directory.join(FILE_NAME);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::read(&path, error)),
        Ok(text) => parse(&path, &text).map(Some),
    }
}

/// Writes the journal. When this returns, it is on disk and outlives a power cut; on an error
/// the former one is still there. Blocks for as long as the disk takes.
///
/// # Errors
/// When any step of it fails: then nothing may be done that relies on it.
pub fn save(directory: &Path, notebook: &Notebook) -> Result<(), HostError> {
    write(directory, FILE_NAME, notebook)
}

/// Leaves a marker, a small file of JSON, in a directory that is made where it is missing.
///
/// # Errors
/// When any step of it fails.
pub fn mark(directory: &Path, name: &str, marker: &impl Serialize) -> Result<(), HostError> {
    std::fs::create_dir_all(directory)
        .map_err(|error| HostError::write(directory, "make", error))?;
    write(directory, name, marker)
}

fn write(directory: &Path, name: &str, document: &impl Serialize) -> Result<(), HostError> {
    let path = directory.join(name);
    let mut text = serde_json::to_vec_pretty(document)
        .map_err(|error| HostError::write(&path, "write", error.into()))?;
    text.push(b'\n');
    refuse_long(&text).map_err(|error| HostError::write(&path, "write", error))?;
    disk::replace(directory, name, &text)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    refuse_long(&text)?;
    Ok(text)
}

/// In both directions, or the next run could not read what this one wrote.
fn refuse_long(text: &[u8]) -> io::Result<()> {
    if text.len() as u64 <= BYTES_MAX {
        return Ok(());
    }
    let cause = format!("longer than {BYTES_MAX} bytes");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, cause))
}

fn parse(path: &Path, text: &[u8]) -> Result<Notebook, HostError> {
    let broken = |cause: String, todo: &'static str| HostError::Broken {
        path: path.to_owned(),
        cause,
        todo,
    };
    let unreadable = |error: serde_json::Error| {
        let todo = "find out what this node did last, then move the file away";
        broken(format!("the journal is broken: {error}"), todo)
    };
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(text).map_err(unreadable)?;
    if version > NOTEBOOK_VERSION {
        let cause = format!("written in version {version}, this program knows {NOTEBOOK_VERSION}");
        return Err(broken(cause, "install the newer clusterrebootd again"));
    }
    serde_json::from_slice(text).map_err(unreadable)
}
