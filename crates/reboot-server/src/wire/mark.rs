//! The name of what a look shows: the same for two looks that differ in renewals alone, here and
//! on every other server of this version.

use super::subject::which;
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry, NodeRecord};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

/// The name of what a look shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark(u64, u64);

/// Two hashes in one go: with 128 bits, no two looks of a fleet's life share a mark.
struct Both(DefaultHasher, DefaultHasher);

// === impl Mark ===

impl Mark {
    /// The mark of a look.
    pub(super) fn of(fleet: &Fleet) -> Self {
        let mut both = Both::new();
        let Fleet {
            revision: _,
            groups,
            nodes,
            owed,
            orders,
            presences,
            pause,
        } = fleet;
        groups.len().hash(&mut both);
        for (name, entry) in groups {
            name.hash(&mut both);
            hash_group(entry, &mut both);
        }
        nodes.len().hash(&mut both);
        nodes.values().for_each(|it| hash_node(it, &mut both));
        presences.len().hash(&mut both);
        for presence in presences {
            (&presence.identity, &presence.session).hash(&mut both);
        }
        (owed, orders, pause).hash(&mut both);
        Self(both.0.finish(), both.1.finish())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let half = |digits: Option<&str>| {
            let number = u64::from_str_radix(digits.ok_or(())?, 16);
            number.map_err(|_| ())
        };
        match text.len() {
            32 => Ok(Self(half(text.get(..16))?, half(text.get(16..))?)),
            _ => Err(()),
        }
    }
}

/// All but how much of the cooldown is left.
fn hash_group(entry: &GroupEntry, both: &mut Both) {
    let GroupEntry {
        group,
        line,
        cooldown,
        within_deadline,
        foreign,
    } = entry;
    (group, line, which(cooldown), within_deadline, foreign).hash(both);
}

/// All but when it was said.
fn hash_node(entry: &NodeEntry, both: &mut Both) {
    let NodeEntry {
        record,
        is_fresh,
        marks,
    } = entry;
    let NodeRecord {
        node,
        machine_id,
        boot,
        instance,
        group,
        health,
        reported_at: _,
        activity,
        need,
        waiting_for,
        hold,
        extra,
    } = record;
    (is_fresh, marks, node, machine_id, boot, instance).hash(both);
    (group, health, activity, need, waiting_for, hold, extra).hash(both);
}

// === impl Both ===

impl Both {
    fn new() -> Self {
        let mut second = DefaultHasher::new();
        second.write_u8(1);
        Self(DefaultHasher::new(), second)
    }
}

impl Hasher for Both {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
        self.1.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::boot::BootIdentity;
    use reboot_core::group::{Identity, Presence};
    use reboot_core::id::{Instance, MachineId, NodeName, SessionId};

    fn presence(remaining_ms: u64) -> Presence {
        Presence {
            identity: Identity {
                node: NodeName::new("n1").unwrap(),
                machine_id: MachineId::new("m1").unwrap(),
                boot: BootIdentity::of_boot("b1"),
                instance: Instance::new("i1").unwrap(),
            },
            session: SessionId::new("s1").unwrap(),
            remaining_ms,
        }
    }

    #[test]
    fn renewals_leave_the_mark_and_a_change_does_not() {
        let mut fleet = Fleet::default();
        let empty = Mark::of(&fleet);
        fleet.presences.push(presence(1000));
        let one = Mark::of(&fleet);
        assert_ne!(empty, one);
        fleet.presences[0].remaining_ms = 10;
        fleet.revision = 7;
        assert_eq!(Mark::of(&fleet), one);
        assert_eq!(one.to_string().parse(), Ok(one));
        for bad in ["", "x", &"x".repeat(32), &"ä".repeat(16)] {
            assert_eq!(bad.parse::<Mark>(), Err(()), "{bad}");
        }
    }
}
