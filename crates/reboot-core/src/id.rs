//! Names and tokens: validated once, then carried as types that cannot be mixed up.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest name of a node, group or machine that any store must carry, in bytes.
pub const NAME_BYTES_MAX: usize = 253;

/// Why a text is not a valid name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadName {
    /// Nothing was given.
    #[error("{what} is empty: give it a name")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// More bytes than [`NAME_BYTES_MAX`].
    #[error("{what} is {bytes} bytes long, at most {NAME_BYTES_MAX} are allowed: shorten it")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// How long it was.
        bytes: usize,
    },
    /// A character that the name must not have.
    #[error("{what} {text:?} has the character {bad:?}: use {allowed}")]
    BadCharacter {
        /// What was to be named.
        what: &'static str,
        /// The whole text.
        text: String,
        /// The first character that is not allowed.
        bad: char,
        /// What is allowed, in words.
        allowed: &'static str,
    },
}

fn check(
    what: &'static str,
    text: &str,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName::Empty { what });
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(BadName::TooLong {
            what,
            bytes: text.len(),
        });
    }
    match text.chars().find(|c| !is_allowed(*c)) {
        Some(bad) => Err(BadName::BadCharacter {
            what,
            text: text.to_owned(),
            bad,
            allowed,
        }),
        None => Ok(()),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $is_allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text; the error names what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                check($what, &text, $allowed, $is_allowed)?;
                Ok(Self(text))
            }

            /// The text as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name_type! {
    /// A node's name, unique in its fleet. Any printable text without spaces or slashes.
    NodeName, "node name", "printable characters without spaces or slashes",
    |c| !c.is_whitespace() && !c.is_control() && c != '/'
}
name_type! {
    /// A group's name: nodes of one group share its slots.
    GroupName, "group name", "letters, digits, dots and dashes",
    |c| c.is_ascii_alphanumeric() || c == '.' || c == '-'
}
name_type! {
    /// The machine's id (machine-id(5)), or what stands in for it.
    MachineId, "machine id", "printable characters without spaces or slashes",
    |c| !c.is_whitespace() && !c.is_control() && c != '/'
}
name_type! {
    /// A token of one run of one agent: two runs never share it.
    Instance, "instance", "letters, digits and dashes",
    |c| c.is_ascii_alphanumeric() || c == '-'
}
name_type! {
    /// A store lease that one agent keeps alive; what stands on it goes when it ends.
    SessionId, "session", "letters, digits, dots and dashes",
    |c| c.is_ascii_alphanumeric() || c == '-' || c == '.'
}
name_type! {
    /// The id of one request: repeating a request under the same id is harmless.
    RequestId, "request id", "letters, digits, dots and dashes",
    |c| c.is_ascii_alphanumeric() || c == '-' || c == '.'
}

// === impl GroupName ===

impl Default for GroupName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_wrong_with_them() {
        assert_eq!(
            GroupName::new("").unwrap_err(),
            BadName::Empty { what: "group name" }
        );
        let error = GroupName::new("a b").unwrap_err().to_string();
        assert!(
            error.contains("\"a b\"") && error.contains("' '"),
            "{error}"
        );
        assert!(
            NodeName::new("x".repeat(254))
                .unwrap_err()
                .to_string()
                .contains("254 bytes")
        );
        assert!(NodeName::new("node/1").is_err());
        assert_eq!(NodeName::new("node-ä").unwrap().as_str(), "node-ä");
    }

    #[test]
    fn a_stored_bad_name_is_refused_not_repaired() {
        assert!(serde_json::from_str::<GroupName>("\"a/b\"").is_err());
        assert_eq!(
            serde_json::from_str::<GroupName>("\"a.b\"")
                .unwrap()
                .as_str(),
            "a.b"
        );
    }
}
