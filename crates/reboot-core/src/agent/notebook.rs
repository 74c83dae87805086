//! What an agent must know of itself after a crash: kept on the node's own disk.

use crate::boot::BootIdentity;
use crate::need::Satisfied;
use crate::undo::Undo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The format this code writes.
pub const NOTEBOOK_VERSION: u32 = 1;

/// That the reboot command was about to be started, in this boot.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct CommandMark {
    /// The boot it should end.
    pub boot: BootIdentity,
    /// How often.
    pub attempts: u32,
    /// The fingerprint of the need that the last look before it saw.
    #[serde(default)]
    pub need: String,
}

/// The newest state of a group that an agent has seen: it refuses to act on an older one.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Newest {
    /// Which store and group.
    pub place: String,
    /// Its epoch.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
}

/// The notebook.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Notebook {
    /// The format.
    pub version: u32,
    /// What we changed on the node and have not undone.
    #[serde(default)]
    pub changes: Undo,
    /// The command's mark; synced before the command starts.
    #[serde(default)]
    pub command: Option<CommandMark>,
    /// The need of the last fenced reboot.
    #[serde(default)]
    pub satisfied: Option<Satisfied>,
    /// The newest state of the group that was seen.
    #[serde(default)]
    pub newest: Option<Newest>,
    /// Fields of later versions, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

// === impl Notebook ===

impl Default for Notebook {
    fn default() -> Self {
        Self {
            version: NOTEBOOK_VERSION,
            changes: Undo::default(),
            command: None,
            satisfied: None,
            newest: None,
            extra: Map::new(),
        }
    }
}

impl Notebook {
    /// Whether the reboot command was issued in this boot.
    pub fn is_issued_in(&self, boot: &BootIdentity) -> bool {
        self.command
            .as_ref()
            .is_some_and(|mark| !mark.boot.differs_from(boot))
    }
}
