//! What this node must remember across a crash, a power cut or its own reboot.
//!
//! One small file of JSON in the state directory, see [`Journal`], and beside it the lock that
//! keeps a second agent away, see [`NodeLock`].

mod disk;
mod lock;

pub use lock::{NodeLock, Previous};

use crate::error::HostError;
use reboot_core::boot::BootIdentity;
use reboot_core::id::{GroupName, Instance, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The journal's file name in the state directory.
pub const FILE_NAME: &str = "journal.json";

/// More than a journal ever has, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// The node's local memory. The store has the truth about the hold; this says what was done here.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// The version it was written in.
    pub version: u32,
    /// The node it belongs to.
    pub node: NodeName,
    /// The group of its hold.
    pub group: GroupName,
    /// The number of its hold, where it has one.
    #[serde(default)]
    pub hold_number: Option<u64>,
    /// The run of the agent that wrote it.
    pub instance: Instance,
    /// The boot it was written in.
    pub boot: BootIdentity,
    /// What we changed on the node, oldest first: names of hooks. Recorded before the change.
    #[serde(default)]
    pub changes: Vec<String>,
    /// The mark that is made before the reboot command starts.
    #[serde(default)]
    pub command: Option<CommandMark>,
    /// What the detectors saw when the reboot was asked for.
    #[serde(default)]
    pub need_fingerprint: Option<String>,
    /// The last reboot of ours that this node came back from.
    #[serde(default)]
    pub last_reboot: Option<LastReboot>,
    /// Fields that this version does not know; they are kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// The reboot command was issued, or was about to be, in this boot.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct CommandMark {
    /// In which boot: in any other the mark means that the machine went down.
    pub boot: BootIdentity,
    /// How often.
    pub attempts: u32,
    /// What came of the last one, as far as we lived to see it.
    #[serde(default)]
    pub result: Option<String>,
}

/// A reboot of ours that the node came back from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LastReboot {
    /// The boot that it ended.
    pub ended: BootIdentity,
    /// The hold it was done under.
    pub hold_number: u64,
    /// What the detectors had seen: a need that is the same afterwards was not met by it.
    #[serde(default)]
    pub need_fingerprint: Option<String>,
}

// === impl Journal ===

impl Journal {
    /// A journal in which nothing has happened yet.
    pub fn new(node: NodeName, group: GroupName, instance: Instance, boot: BootIdentity) -> Self {
        Self {
            version: VERSION,
            node,
            group,
            hold_number: None,
            instance,
            boot,
            changes: Vec::new(),
            command: None,
            need_fingerprint: None,
            last_reboot: None,
            extra: BTreeMap::new(),
        }
    }

    /// Reads the journal of a state directory; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, is broken or was written by a newer version. It is left as it is.
    pub fn load(directory: &Path) -> Result<Option<Self>, HostError> {
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
    pub fn save(&self, directory: &Path) -> Result<(), HostError> {
        let path = directory.join(FILE_NAME);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| HostError::write(&path, "write", error.into()))?;
        text.push(b'\n');
        disk::replace(directory, FILE_NAME, &text)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn parse(path: &Path, text: &[u8]) -> Result<Journal, HostError> {
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
    if version > VERSION {
        let cause = format!("written in version {version}, this program knows {VERSION}");
        return Err(broken(cause, "install the newer clusterrebootd again"));
    }
    serde_json::from_slice(text).map_err(unreadable)
}
