//! The emulator's own word: what it tells of its machine over the QEMU machine protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::thread;

use serde_json::Value;

use super::diary::{Diary, Event};
use super::guest::connect;

/// Begins the conversation, after which the emulator tells events.
const BEGIN: &[u8] = b"{\"execute\": \"qmp_capabilities\"}\n";

/// Notes each reset that the machine's kernel asks for.
///
/// # Errors
/// When the emulator makes no socket there.
pub(super) fn follow(socket: &Path, machine: &str, diary: &Diary) -> anyhow::Result<()> {
    let mut line = connect(socket)?;
    let reader = BufReader::new(line.try_clone()?);
    line.write_all(BEGIN)?;
    let (machine, diary) = (machine.to_owned(), diary.clone());
    thread::spawn(move || {
        let _line = line; // the emulator takes the next one only when this one is gone
        for text in reader.lines().map_while(Result::ok) {
            if is_reset(&text) {
                diary.note(&machine, Event::Reset);
            }
        }
    });
    Ok(())
}

fn is_reset(text: &str) -> bool {
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    said["event"] == "RESET" && said["data"]["guest"] == true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machine_s_own_resets_count() {
        assert!(is_reset(
            r#"{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#
        ));
        for other in [
            r#"{"event": "RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}}"#,
            r#"{"event": "SHUTDOWN", "data": {"guest": true}}"#,
            r#"{"return": {}}"#,
            "",
        ] {
            assert!(!is_reset(other), "{other}");
        }
    }
}
