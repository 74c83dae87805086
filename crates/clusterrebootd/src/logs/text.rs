//! The shape of a log line for people.

use super::{Event, Fields, LogLevel};
use crate::plain::{is_steering, plain};
use jiff::Timestamp;
use serde_json::Value;

/// `2026-03-07T11:45:12Z WARN  lock_failed: message name=value`, on one line whatever it holds.
pub(super) fn line(
    ts: Timestamp,
    event: Event,
    level: LogLevel,
    message: &str,
    fields: &Fields,
    colour: bool,
) -> String {
    let word = format!("{:<5}", level.as_str().to_uppercase());
    let word = match colour {
        true => format!("\u{1b}[{}m{word}\u{1b}[0m", colour_of(level)),
        false => word,
    };
    let message = plain(message);
    let mut line = format!("{ts:.0} {word} {}: {message}", event.name());
    for (name, value) in fields {
        line.push_str(&format!(" {name}={}", shown(value)));
    }
    line.push('\n');
    line
}

fn colour_of(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 31,
        LogLevel::Warn => 33,
        LogLevel::Info => 32,
        LogLevel::Debug => 90,
    }
}

/// A plain word as it is, any other text quoted, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        Value::String(text) => format!("{text:?}"),
        other => plain(&other.to_string()),
    }
}

fn is_word(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !is_steering(c) && !matches!(c, '"' | '=');
    !text.is_empty() && text.chars().all(is_plain)
}
