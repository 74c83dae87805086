//! Times and numbers, as people read them.

use jiff::{Timestamp, Unit};

/// A moment that the page shows, and how long ago it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct When {
    /// RFC 3339, to the second; the text itself where it is no time.
    pub(super) at: String,
    /// `3 min`, `2 h`; empty where it is no time.
    pub(super) age: String,
}

// === impl When ===

impl When {
    pub(super) fn of(text: &str, now: Timestamp) -> Self {
        let Ok(at) = text.parse::<Timestamp>() else {
            return Self {
                at: text.to_owned(),
                age: String::new(),
            };
        };
        let secs = now.duration_since(at).as_secs();
        Self {
            at: at.round(Unit::Second).unwrap_or(at).to_string(),
            age: span(u64::try_from(secs).unwrap_or(0)),
        }
    }
}

/// A length of time in its largest unit.
pub(super) fn span(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} d", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_with_its_age() {
        let now: Timestamp = "2026-03-07T10:00:00Z".parse().unwrap();
        for (text, at, age) in [
            ("2026-03-07T09:59:59.25Z", "2026-03-07T09:59:59Z", "0 s"),
            ("2026-03-07T09:50:00Z", "2026-03-07T09:50:00Z", "10 min"),
            ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", "6 d"),
            ("2026-03-07T11:00:00Z", "2026-03-07T11:00:00Z", "0 s"),
            ("a while ago", "a while ago", ""),
        ] {
            let when = When::of(text, now);
            assert_eq!((when.at.as_str(), when.age.as_str()), (at, age), "{text}");
        }
    }
}
