//! Nothing is left behind even when the supervisor is killed without a word: a shell that waits
//! for its end, and then ends what it was not able to.

use super::place::Place;
use anyhow::{Context, Result};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Reads until the supervisor's end of the pipe is closed, however that came. Only daemons and
/// scripts of this demo are ended, and looked for twice: a daemon may just have started a script.
const SCRIPT: &str = r#"
cat > /dev/null
for round in 1 2; do
    for process in /proc/[0-9]*; do
        words=$(tr '\0' ' ' < "$process/cmdline") || continue
        case $words in
            *" run "*" --config $1/"* | "/bin/sh $1/"*) kill -KILL "${process#/proc/}" ;;
        esac
    done
done
[ "$2" = keep ] || rm -rf "$1"
"#;

/// The shell. It is ended before the supervisor ends in an orderly way.
pub(super) struct Guard {
    shell: Child,
}

// === impl Guard ===

impl Guard {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no shell.
    pub(super) fn post(place: &Place, keeps: bool) -> Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(place.root())
            .arg(if keeps { "keep" } else { "remove" })
            .stdin(Stdio::piped())
            .stderr(Stdio::null()) // processes end while it looks at them
            .process_group(0) // what ends the supervisor must not end its guard
            .kill_on_drop(true)
            .spawn()
            .context("/bin/sh cannot be started")?;
        Ok(Self { shell })
    }

    /// Dismisses it: the supervisor has ended everything itself.
    pub(super) async fn dismiss(&mut self) {
        let _ = self.shell.kill().await; // it may have been ended by somebody else
    }
}
