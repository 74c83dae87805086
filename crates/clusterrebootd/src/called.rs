//! By which of its names the program was called: `rebootlockctl` is `clusterrebootd lock`.

use std::ffi::OsStr;
use std::path::Path;

/// A name of the program.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Called {
    /// Its own.
    #[default]
    Clusterrebootd,
    /// That of the old operator command.
    Rebootlockctl,
}

// === impl Called ===

impl Called {
    /// Every name.
    pub const ALL: &'static [Self] = &[Self::Clusterrebootd, Self::Rebootlockctl];

    /// What the first word of a command line says; whatever it is else, it is the program's own.
    pub fn of(first: &OsStr) -> Self {
        let file = Path::new(first).file_name();
        let is_it = |called: &&Self| file == Some(OsStr::new(called.name()));
        Self::ALL.iter().find(is_it).copied().unwrap_or_default()
    }

    /// How this very process was called.
    pub(crate) fn now() -> Self {
        std::env::args_os()
            .next()
            .map_or(Self::default(), |first| Self::of(&first))
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clusterrebootd => "clusterrebootd",
            Self::Rebootlockctl => "rebootlockctl",
        }
    }

    /// How the lock commands begin under this name.
    pub fn lock(self) -> &'static str {
        match self {
            Self::Clusterrebootd => "clusterrebootd lock",
            Self::Rebootlockctl => "rebootlockctl",
        }
    }

    /// A command line of ours as one types it who calls the program by this name.
    pub(crate) fn spell(self, line: &str) -> String {
        match line.strip_prefix(Self::Clusterrebootd.lock()) {
            Some(rest) => format!("{}{rest}", self.lock()),
            None => line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_tells() {
        for (first, called) in [
            ("rebootlockctl", Called::Rebootlockctl),
            ("/usr/bin/rebootlockctl", Called::Rebootlockctl),
            ("./clusterrebootd", Called::Clusterrebootd),
            ("/opt/rebootlockctl/bin/other", Called::Clusterrebootd),
            ("", Called::Clusterrebootd),
        ] {
            assert_eq!(Called::of(OsStr::new(first)), called, "{first}");
        }
    }

    #[test]
    fn lock_commands_are_spelt_as_they_are_called() {
        let spell = |line| Called::Rebootlockctl.spell(line);
        assert_eq!(spell("clusterrebootd lock status"), "rebootlockctl status");
        assert_eq!(spell("clusterrebootd history"), "clusterrebootd history");
    }
}
