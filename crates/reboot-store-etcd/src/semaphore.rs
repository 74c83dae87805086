//! The old command's document: a counting semaphore that other programs swap too. What they can
//! say in it counts: slots, who holds, who no longer does. All else of ours stands beside it.
//!
//! A holder is a machine id here, and stands once: they look for it by halves in a sorted list.

use crate::record::Stored;
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Group, Hold, Phase, Refusal};
use reboot_core::id::{Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How a hold of ours says that another program made it.
const FOREIGN: &str = "foreign";

/// So many numbers belong to a revision: more than there can be holds.
const NUMBERS: u64 = 1024;

/// The document, field by field as the old command has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Semaphore {
    /// Slots that nobody holds; below 0 after a lowering.
    semaphore: i64,
    /// Slots.
    max: u32,
    /// Machine ids of those who hold.
    #[serde(default, deserialize_with = "null_is_empty")]
    holders: Vec<String>,
    /// Whatever else somebody put there.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

// === impl Semaphore ===

impl Semaphore {
    /// Reads the document.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let document: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let mut seen = BTreeSet::new();
        match document.holders.iter().find(|id| !seen.insert(*id)) {
            Some(id) => Err(format!("{id} is among the holders twice")),
            None => Ok(document),
        }
    }

    /// The document of a group; fields that we do not know stay as they are.
    pub(crate) fn of(group: &Group, before: Option<Self>) -> Self {
        let held = i64::try_from(group.holds.len()).unwrap_or(i64::MAX);
        let holders = group.holds.iter().map(|hold| hold.machine_id.to_string());
        let mut holders = Vec::from_iter(holders);
        holders.sort_unstable();
        Self {
            semaphore: i64::from(group.max) - held,
            max: group.max,
            holders,
            extra: before.map(|before| before.extra).unwrap_or_default(),
        }
    }

    /// The record as the document has it by now. `swapped_at` is the revision at which another
    /// program wrote it after us, if one did: numbers of holds come from it, since a generation
    /// that was shown once must not shrink when another program takes back what it said.
    ///
    /// # Errors
    /// When a holder has no name that a record could bear.
    pub(crate) fn correct(
        &self,
        stored: Option<Stored>,
        swapped_at: Option<u64>,
    ) -> Result<Stored, String> {
        let fresh = || -> Result<Stored, String> {
            let group = Group::create(self.max, 1, &[]).map_err(|error| error.to_string())?;
            Ok(Stored::new(group))
        };
        let mut stored = stored.map_or_else(fresh, Ok)?;
        stored.group.max = self.max;
        let is_listed = |hold: &Hold| self.holders.iter().any(|id| id == hold.machine_id.as_str());
        let (kept, ended) = stored.group.holds.into_iter().partition(is_listed);
        stored.group.holds = kept;
        stored.ended = ended;
        self.join(stored, swapped_at)
    }

    /// The record, with those who hold by the document alone.
    ///
    /// # Errors
    /// When a holder has no name that a record could bear.
    pub(crate) fn join(
        &self,
        mut stored: Stored,
        swapped_at: Option<u64>,
    ) -> Result<Stored, String> {
        let least = swapped_at.map_or(0, |revision| revision.saturating_mul(NUMBERS));
        stored.group.generation = stored.group.generation.max(least);
        for id in &self.holders {
            let is_known = |hold: &Hold| hold.machine_id.as_str() == id;
            if !stored.group.holds.iter().any(is_known) {
                stored.group.generation += 1;
                let hold = foreign_hold(id, stored.group.generation)?;
                stored.group.holds.push(hold);
            }
        }
        stored.group.check().map_err(|error| error.to_string())?;
        Ok(stored)
    }
}

/// A machine that a grant gives a second hold, under another name: the document has one line for
/// both, so that nobody could tell which of them an unlock means.
pub(crate) fn refuse_second_hold(before: &Group, after: &Group) -> Result<(), Refusal> {
    let is_new = |hold: &&Hold| hold.number > before.generation;
    for new in after.holds.iter().filter(is_new) {
        let is_same = |hold: &&Hold| hold.number != new.number && hold.machine_id == new.machine_id;
        if let Some(held) = after.holds.iter().find(is_same) {
            return Err(Refusal::MachineHolds {
                machine_id: held.machine_id.clone(),
                node: held.node.clone(),
                number: held.number,
            });
        }
    }
    Ok(())
}

/// A hold without identity: durable, and only its maker or an operator ends it.
fn foreign_hold(id: &str, number: u64) -> Result<Hold, String> {
    let text = |error: reboot_core::id::BadName| error.to_string();
    Ok(Hold {
        number,
        node: NodeName::new(id).map_err(text)?,
        machine_id: MachineId::new(id).map_err(text)?,
        instance: Instance::new(FOREIGN).map_err(text)?,
        session: SessionId::new(FOREIGN).map_err(text)?,
        phase: Phase::Rebooting,
        boot: BootIdentity::of_boot("unknown"),
        fenced: true,
        need: String::new(),
        pid: 0,
        acquired_at: String::new(),
        interval_secs: 0,
        undo: Undo::default(),
        last_request: RequestId::new(FOREIGN).map_err(text)?,
        guest: None,
        extra: Map::from_iter([(FOREIGN.to_owned(), Value::Bool(true))]),
    })
}

/// Whether another program made a hold; it has no deadline.
pub(crate) fn is_foreign(hold: &Hold) -> bool {
    hold.extra.get(FOREIGN).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Semaphore {
        Semaphore::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_document_of_old_becomes_a_group() {
        let fresh = read(r#"{"semaphore":1,"max":1,"holders":null}"#);
        assert_eq!(fresh.correct(None, Some(7)).unwrap().group.free(), 1);
        let held = read(r#"{"semaphore":0,"max":1,"holders":["m1"]}"#);
        let group = held.correct(None, Some(7)).unwrap().group;
        assert_eq!((group.free(), group.generation), (0, 7 * NUMBERS + 1));
        assert!(is_foreign(&group.holds[0]));
        assert!(group.holds[0].phase.is_durable());
    }

    #[test]
    fn what_others_wrote_counts() {
        let before = read(r#"{"semaphore":0,"max":2,"holders":["m1","m2"]}"#);
        let stored = before.correct(None, Some(7)).unwrap();
        let after = read(r#"{"semaphore":2,"max":4,"holders":["m2","m3"]}"#);
        let stored = after.correct(Some(stored), Some(8)).unwrap();
        let names = stored.group.holds.iter().map(|hold| hold.node.as_str());
        assert_eq!(Vec::from_iter(names), ["m2", "m3"]);
        assert_eq!(
            stored.group.holds[1].number,
            8 * NUMBERS + 1,
            "numbers are never used again"
        );
        assert_eq!(stored.group.max, 4);
        assert_eq!(stored.ended.len(), 1, "an unlock by others is a break");
    }

    #[test]
    fn what_is_taken_back_takes_no_number_back() {
        let locked = read(r#"{"semaphore":0,"max":2,"holders":["m1","m2"]}"#);
        let locked = locked.correct(None, Some(7)).unwrap().group;
        let unlocked = read(r#"{"semaphore":1,"max":2,"holders":["m2"]}"#);
        let unlocked = unlocked.correct(None, Some(8)).unwrap().group;
        assert!(unlocked.generation > locked.generation);
        let used = locked.holds.iter().map(|hold| hold.number).max();
        assert!(Some(unlocked.holds[0].number) > used);
        let idle = read(r#"{"semaphore":2,"max":2,"holders":[]}"#);
        let idle = idle.correct(None, Some(9)).unwrap().group;
        assert!(idle.generation > unlocked.generation);
    }

    #[test]
    fn unknown_fields_and_overfull_groups_are_kept() {
        let before = read(r#"{"semaphore":0,"max":2,"holders":["m1","m2"],"mood":"good"}"#);
        let mut group = before.correct(None, None).unwrap().group;
        group.max = 1;
        let text = serde_json::to_string(&Semaphore::of(&group, Some(before))).unwrap();
        let expected = r#"{"semaphore":-1,"max":1,"holders":["m1","m2"],"mood":"good"}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn what_cannot_be_a_name_is_told() {
        let odd = read(r#"{"semaphore":0,"max":1,"holders":["a b"]}"#);
        assert!(odd.correct(None, None).unwrap_err().contains("\"a b\""));
        assert!(Semaphore::read(b"{}").is_err());
        let twice = Semaphore::read(br#"{"semaphore":0,"max":2,"holders":["m1","m1"]}"#);
        assert!(twice.unwrap_err().contains("m1"), "whose unlock was it?");
        let huge = read(r#"{"semaphore":0,"max":5000,"holders":[]}"#);
        assert!(huge.correct(None, None).unwrap_err().contains("5000"));
    }
}
