//! Which groups have a label of their own: a client may name any group, and no client may make
//! labels without end.

use crate::settings::ServerSettings;
use reboot_core::id::GroupName;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// So many groups beside those of the configuration have a label of their own.
const MADE_MAX: usize = 100;
/// What all further ones share. Not a group's name: parentheses are not allowed in one.
pub(super) const OTHERS: &str = "(others)";

/// The value of the label `group`.
pub(super) type Label = String;

/// The groups that the configuration does not name and that have a label of their own: the first
/// that were told of, for as long as the server runs, so that no counter changes its meaning.
#[derive(Debug, Default)]
pub(super) struct Labels(Mutex<BTreeSet<GroupName>>);

// === impl Labels ===

impl Labels {
    /// The label of a group, the same in every family.
    pub(super) fn of(&self, group: &GroupName, settings: &ServerSettings) -> Label {
        match settings.groups.contains_key(group) || self.has_room_for(group) {
            true => group.to_string(),
            false => OTHERS.to_owned(),
        }
    }

    fn has_room_for(&self, group: &GroupName) -> bool {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.contains(group) {
            return true;
        }
        let has_room = made.len() < MADE_MAX;
        if has_room {
            made.insert(group.clone());
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GroupRules;

    #[test]
    fn made_up_groups_take_no_label_from_those_of_the_configuration() {
        let name = |text: &str| GroupName::new(text).unwrap();
        let mut settings = ServerSettings::of_group(name("db"), GroupRules::of_max(1));
        let labels = Labels::default();
        for number in 0..MADE_MAX {
            let group = format!("made-up-{number}");
            assert_eq!(labels.of(&name(&group), &settings), group);
        }
        assert_eq!(labels.of(&name("one-more"), &settings), OTHERS);
        assert_eq!(labels.of(&name("made-up-7"), &settings), "made-up-7");
        assert_eq!(labels.of(&name("db"), &settings), "db");
        settings
            .groups
            .insert(name("one-more"), GroupRules::of_max(1));
        assert_eq!(labels.of(&name("one-more"), &settings), "one-more");
    }
}
