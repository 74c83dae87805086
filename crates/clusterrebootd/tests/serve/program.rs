//! The program as a child that dies with its test, and a client of it.

use reboot_core::id::GroupName;
use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// No answer takes longer in a test.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with a configuration and a store.
pub(crate) struct Place {
    dir: TempDir,
}

/// A running server.
pub(crate) struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: String,
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

// === impl Place ===

impl Place {
    /// A configuration with these further lines.
    pub(crate) fn new(lines: &str) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        place.configure(lines);
        place
    }

    pub(crate) fn configure(&self, lines: &str) {
        let store = self.store().display().to_string();
        let text = format!(
            "listen: 127.0.0.1:0\nlog_level: debug\nstore: {{embedded: {{path: {store}}}}}\n{lines}"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("server.yaml")
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("fleet.db")
    }

    pub(crate) fn start(&self) -> Program {
        Program::start(&["--config", self.config().to_str().unwrap()])
    }

    /// One that logs no refusals, so that nobody need read them.
    pub(crate) fn start_quietly(&self) -> Program {
        let config = self.config();
        Program::start(&["--config", config.to_str().unwrap(), "--log-level", "info"])
    }

    /// Who holds in the group `default`, by the file itself.
    pub(crate) fn holders(&self) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let store = EmbeddedStore::open(&self.store(), Options::default()).unwrap();
        let fleet = runtime.block_on(store.look()).unwrap();
        let entry = fleet.groups.get(&GroupName::default());
        let holds = entry.map_or(&[][..], |entry| &entry.group.holds);
        holds.iter().map(|hold| hold.node.to_string()).collect()
    }
}

// === impl Program ===

impl Program {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"));
        command.arg("serve").args(args);
        let mut program = Self::spawn(command);
        program.has_started();
        program
    }

    /// Runs any command that ends in a server.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            log,
            address: String::new(),
        }
    }

    /// Waits until it serves, and knows where from then on.
    pub(crate) fn has_started(&mut self) {
        let started = self.told("server_started");
        self.address = started["fields"]["address"].as_str().unwrap().to_owned();
    }

    /// The next line of the log about this.
    pub(crate) fn told(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            let count = self.log.read_line(&mut line).unwrap();
            assert!(count > 0, "the log ends without {event}");
            let line: Value = serde_json::from_str(&line).expect(&line);
            if line["event"] == event {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        // Whoever writes into a full pipe does not end.
        let _ = std::io::copy(&mut self.log, &mut std::io::sink());
        self.child.wait().unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }

    /// How many files it may have open, the soft limit.
    pub(crate) fn files_max(&self) -> String {
        let path = format!("/proc/{}/limits", self.child.id());
        let limits = std::fs::read_to_string(path).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        words[3].to_owned()
    }

    /// Resident memory.
    pub(crate) fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::of(&self.address).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Client ===

impl Client {
    pub(crate) fn of(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// FleetLock; the status, or none when the server is gone.
    pub(crate) fn fleetlock(&mut self, path: &str, id: &str) -> Option<u16> {
        self.fleetlock_in(path, id, "default")
    }

    /// The same for any group.
    pub(crate) fn fleetlock_in(&mut self, path: &str, id: &str, group: &str) -> Option<u16> {
        self.ask(&fleetlock(path, id, group))
            .map(|(status, _)| status)
    }

    /// Sends such a request without its last bytes, and waits for nothing.
    pub(crate) fn begin(&mut self, path: &str, id: &str, missing: usize) {
        let request = fleetlock(path, id, "default");
        let sent = &request.as_bytes()[..request.len() - missing];
        self.stream.write_all(sent).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Option<(u16, String)> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: s\r\n\r\n"))
    }

    fn ask(&mut self, request: &str) -> Option<(u16, String)> {
        self.stream.write_all(request.as_bytes()).ok()?;
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more()?;
        };
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = lengths.next().map_or(0, |(_, it)| it.parse().unwrap());
        while self.read.len() < end + length {
            self.read_more()?;
        }
        let body = String::from_utf8(self.read[end..end + length].to_vec()).unwrap();
        self.read.drain(..end + length);
        Some((head.split(' ').nth(1)?.parse().unwrap(), body))
    }

    fn read_more(&mut self) -> Option<()> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).ok()?;
        self.read.extend_from_slice(&chunk[..count]);
        (count > 0).then_some(())
    }
}

fn fleetlock(path: &str, id: &str, group: &str) -> String {
    let body = format!("{{\"client_params\":{{\"id\":\"{id}\",\"group\":\"{group}\"}}}}");
    format!(
        "POST {path} HTTP/1.1\r\nhost: s\r\nfleet-lock-protocol: true\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    )
}

/// A path that nothing is at.
pub(crate) fn nowhere() -> &'static Path {
    Path::new("/nonexistent/server.yaml")
}
