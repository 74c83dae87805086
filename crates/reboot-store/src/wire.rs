//! A store's verbs as JSON over HTTP: what is asked, what is answered, and where.
//!
//! Every question and answer carries the version of the format. Fields that a reader does not
//! know are skipped; what would change the meaning of a question if skipped raises the version,
//! and a server refuses a version that it does not know. The format is described in
//! `docs/store-protocol.md`.

use crate::Interest;
use reboot_core::fleet::Fleet;
use reboot_core::group::{HistoryEntry, Refusal};
use reboot_core::write::{Trouble, Write, Written};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format that this code speaks.
pub const VERSION: u32 = 1;
/// Where writes go: `POST` a [`WriteQuestion`].
pub const WRITE_PATH: &str = "/api/store/v1/write";
/// Where looks come from: `GET`, with `If-None-Match` the mark of a former look.
pub const LOOK_PATH: &str = "/api/store/v1/look";
/// Where one waits for a change: `POST` a [`ChangedQuestion`]; the answer takes its time.
pub const CHANGED_PATH: &str = "/api/store/v1/changed";
/// Where history comes from: `GET` with `group` and `limit` in the query.
pub const HISTORY_PATH: &str = "/api/store/v1/history";
/// For how long a server lets somebody wait at most, in seconds: proxies hang up on those who
/// are silent for a minute.
pub const HOLD_SECS_MAX: u64 = 50;
/// The most lines of history in one answer.
pub const HISTORY_MAX: usize = 10_000;

/// One change to be committed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct WriteQuestion {
    /// The format.
    pub version: u32,
    /// What is to be committed.
    pub write: Write,
}

/// The change is committed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct WriteAnswer {
    /// The format.
    pub version: u32,
    /// What the write answers.
    pub written: Written,
}

/// The fleet in one look.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LookAnswer {
    /// The format.
    pub version: u32,
    /// Names what was seen: two looks of one mark differ in nothing that anybody waits for.
    pub mark: String,
    /// What was seen.
    pub fleet: Fleet,
}

/// Somebody waits.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ChangedQuestion {
    /// The format.
    pub version: u32,
    /// For what.
    pub interest: Interest,
    /// The revision of the fleet at its last look.
    pub seen: u64,
    /// The mark of that look, if it has one; without it a change may be told that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// For how long to wait at most, in seconds; the server may answer earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_secs: Option<u64>,
}

/// The wait is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ChangedAnswer {
    /// The format.
    pub version: u32,
    /// Whether something may have changed; else ask again.
    pub changed: bool,
}

/// The newest lines of a group's history, oldest first.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct HistoryAnswer {
    /// The format.
    pub version: u32,
    /// The lines.
    pub history: Vec<HistoryEntry>,
}

/// No answer, and why.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The format.
    #[serde(default)]
    pub version: u32,
    /// The name of the cause, in logs and metrics.
    pub kind: String,
    /// The cause for people, and what to do.
    pub value: String,
    /// Refused by these rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Value>,
}

// === impl WriteQuestion ===

impl WriteQuestion {
    /// A question of this version.
    pub fn new(write: Write) -> Self {
        Self {
            version: VERSION,
            write,
        }
    }
}

// === impl Problem ===

impl Problem {
    /// One that is no trouble of the store.
    pub fn new(kind: &str, value: impl Into<String>) -> Self {
        Self {
            version: VERSION,
            kind: kind.to_owned(),
            value: value.into(),
            refusal: None,
        }
    }

    /// The store's trouble.
    pub fn of(trouble: &Trouble) -> Self {
        let refusal = match trouble {
            Trouble::Refused(refusal) => serde_json::to_value(refusal).ok(),
            Trouble::Unavailable(_) | Trouble::Unknown(_) | Trouble::Broken(_) => None,
        };
        Self {
            refusal,
            ..Self::new(trouble.kind(), trouble.to_string())
        }
    }

    /// The store's trouble again; nothing where it was no trouble of the store.
    pub fn trouble(&self) -> Option<Trouble> {
        if let Some(refusal) = &self.refusal {
            return Some(match serde_json::from_value::<Refusal>(refusal.clone()) {
                Ok(refusal) => Trouble::Refused(refusal),
                Err(_) => Trouble::Broken(format!(
                    "refused for a reason that this version does not know ({}): update it",
                    self.value
                )),
            });
        }
        match self.kind.as_str() {
            "unavailable" => Some(Trouble::Unavailable(self.value.clone())),
            "unknown" => Some(Trouble::Unknown(self.value.clone())),
            "broken" => Some(Trouble::Broken(self.value.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::id::{GroupName, NodeName, SessionId};

    #[test]
    fn a_trouble_crosses_the_wire_unchanged() {
        let node = NodeName::new("n1").unwrap();
        let troubles = [
            Trouble::Refused(Refusal::SessionEnded),
            Trouble::Refused(Refusal::Full {
                max: 1,
                holders: vec![node.clone()],
            }),
            Trouble::Refused(Refusal::HoldsElsewhere {
                node,
                group: GroupName::default(),
            }),
            Trouble::Unavailable("away".to_owned()),
            Trouble::Unknown("lost".to_owned()),
            Trouble::Broken("torn".to_owned()),
        ];
        for trouble in troubles {
            let text = serde_json::to_string(&Problem::of(&trouble)).unwrap();
            let problem: Problem = serde_json::from_str(&text).unwrap();
            assert_eq!(problem.kind, trouble.kind());
            assert_eq!(problem.trouble(), Some(trouble), "{text}");
        }
    }

    #[test]
    fn a_refusals_name_on_the_wire_is_its_name_in_logs() {
        let refusal = Refusal::NothingToBreak { number: 7 };
        let value = serde_json::to_value(&refusal).unwrap();
        assert_eq!(value["kind"], refusal.kind());
    }

    #[test]
    fn a_refusal_of_a_later_version_is_no_success_and_no_guess() {
        let text = r#"{"version":1,"kind":"moon","value":"full moon","refusal":{"kind":"moon"}}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        let Some(Trouble::Broken(text)) = problem.trouble() else {
            panic!("{problem:?}");
        };
        assert!(
            text.contains("full moon") && text.contains("update"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_trouble_of_the_store_is_none() {
        let problem = Problem::new("unauthorized", "log in");
        assert_eq!(problem.trouble(), None);
    }

    #[test]
    fn the_format_stands_as_documented() {
        let session = SessionId::new("s").unwrap();
        let question = WriteQuestion::new(Write::KeepSession { session });
        let text = serde_json::to_string(&question).unwrap();
        assert_eq!(
            text,
            r#"{"version":1,"write":{"keep-session":{"session":"s"}}}"#
        );
        let later = r#"{"version":1,"write":{"keep-session":{"session":"s","x":1}},"y":2}"#;
        assert_eq!(
            serde_json::from_str::<WriteQuestion>(later).unwrap(),
            question
        );
    }
}
