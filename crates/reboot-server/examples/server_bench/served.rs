//! A server as a process of its own, and the memory it takes.

use crate::Outcome;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server; it ends with this value.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

// === impl Served ===

impl Served {
    /// The program that ships, with this store and these groups.
    pub(crate) async fn start(
        program: &Path,
        dir: &Path,
        store: &str,
        groups: &str,
    ) -> Outcome<Self> {
        let config = dir.join("server.yaml");
        let text = format!(
            "listen: 127.0.0.1:0\nstore: {store}\ngroups: {groups}\n\
             limits: {{requests_per_second: 0, connections_per_address: 0}}\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(config);
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut log = BufReader::new(child.stderr.take().ok_or("it has a log")?).lines();
        let first = log.next_line().await?.ok_or("it ended at once")?;
        let started: serde_json::Value = serde_json::from_str(&first)?;
        let address = started["fields"]["address"].as_str().ok_or(first)?;
        let address = address.to_owned();
        // Read on, or it would wait for its reader.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Ok(Self { child, address })
    }

    /// A figure of its memory, in kB: `VmRSS:` as it is, `VmHWM:` at its peak.
    pub(crate) fn memory_kb(&self, name: &str) -> Outcome<u64> {
        let pid = self.child.id().ok_or("it has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.ok_or("proc(5) does not tell")?;
        Ok(number.trim().trim_end_matches(" kB").parse()?)
    }
}
