//! A group's record as it stands in etcd: ours, with what operators of the old programs look for.

use jiff::Timestamp;
use reboot_core::group::{BrokenRecord, Group, Hold};
use serde_json::{Map, Value, json};

/// Slots that nobody holds; below 0 after a lowering.
const SEMAPHORE: &str = "semaphore";
/// The machine ids of those who hold.
const HOLDERS: &str = "holders";
/// The number of the newest line of history.
const HISTORY: &str = "history";
/// When a hold was acquired, in Unix seconds.
const START_TIME: &str = "startTime";

/// A record, and what stands beside it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    pub(crate) group: Group,
    /// The number of the newest line of history.
    pub(crate) history: u64,
    /// Holds that another program ended, which no commit of ours has noted yet.
    pub(crate) ended: Vec<Hold>,
}

/// What a value under a record's key is.
#[derive(Debug)]
pub(crate) enum Found {
    /// A record of ours.
    Ours(Box<Stored>),
    /// What the original writes there while it holds: who, since when.
    Foreign {
        /// The node it names.
        node: Option<String>,
    },
}

/// Reads what stands under a record's key.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn read(text: &[u8]) -> Result<Found, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let mut group = match Group::from_json(text) {
        Ok(group) => group,
        Err(broken) => return foreign(text).ok_or_else(|| why(broken)),
    };
    group.extra.remove(SEMAPHORE);
    group.extra.remove(HOLDERS);
    let history = group.extra.remove(HISTORY);
    for hold in &mut group.holds {
        hold.extra.remove(START_TIME);
    }
    let history = history.as_ref().and_then(Value::as_u64).unwrap_or(0);
    let stored = Stored {
        history,
        ..Stored::new(group)
    };
    Ok(Found::Ours(Box::new(stored)))
}

/// What the original writes has no version, and names a node.
fn foreign(text: &str) -> Option<Found> {
    let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    let node = fields
        .get("node")
        .filter(|_| !fields.contains_key("version"))?;
    let node = node.as_str().map(str::to_owned);
    Some(Found::Foreign { node })
}

fn why(broken: BrokenRecord) -> String {
    match broken {
        BrokenRecord::Unreadable(why) => why,
        BrokenRecord::Contradiction(why) => format!("it contradicts itself: {why}"),
    }
}

// === impl Stored ===

impl Stored {
    /// A record with no history.
    pub(crate) fn new(group: Group) -> Self {
        Self {
            group,
            history: 0,
            ended: Vec::new(),
        }
    }

    /// The text that is stored.
    ///
    /// # Errors
    /// When the record breaks a rule that every writer keeps.
    pub(crate) fn to_text(&self) -> Result<String, String> {
        self.group.check().map_err(|error| error.to_string())?;
        // The holds come in by themselves, each as its own key shows it.
        let group = Group {
            holds: Vec::new(),
            ..self.group.clone()
        };
        let mut value = serde_json::to_value(group).map_err(|error| error.to_string())?;
        let fields = value.as_object_mut().ok_or("a record is an object")?;
        let held = i64::try_from(self.group.holds.len()).unwrap_or(i64::MAX);
        let holders = self.group.holds.iter().map(|hold| &hold.machine_id);
        fields.insert(
            SEMAPHORE.to_owned(),
            (i64::from(self.group.max) - held).into(),
        );
        fields.insert(HOLDERS.to_owned(), json!(Vec::from_iter(holders)));
        fields.insert(HISTORY.to_owned(), self.history.into());
        let holds = self.group.holds.iter().map(hold_value);
        fields.insert("holds".to_owned(), Value::Array(holds.collect()));
        Ok(value.to_string())
    }
}

/// A hold as its own key shows it.
pub(crate) fn hold_text(hold: &Hold) -> String {
    hold_value(hold).to_string()
}

/// A holder's machine as the old command shows it.
pub(crate) fn machine_text(hold: &Hold) -> String {
    let since: Option<Timestamp> = hold.acquired_at.parse().ok();
    let since = since.map_or(0, Timestamp::as_second);
    json!({"machineID": hold.machine_id, START_TIME: since}).to_string()
}

fn hold_value(hold: &Hold) -> Value {
    let mut value = serde_json::to_value(hold).unwrap_or_else(|_| Value::Object(Map::new()));
    let since: Option<Timestamp> = hold.acquired_at.parse().ok();
    if let (Some(fields), Some(since)) = (value.as_object_mut(), since) {
        fields.insert(START_TIME.to_owned(), since.as_second().into());
    }
    value
}
