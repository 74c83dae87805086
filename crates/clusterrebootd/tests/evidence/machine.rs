//! A machine: the real binary, with files of its own for all that a real machine has one of.

use crate::bench::{Bench, read_lines};
use crate::scripts::{GO_DOWN, HEALTH, no_forks, write_script};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const BINARY: &str = env!("CARGO_BIN_EXE_clusterrebootd");

/// Where the daemon finds the system bus, as D-Bus has it.
pub(crate) const BUS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// What debug builds take their plan of points from.
const PLAN: &str = "CLUSTERREBOOTD_FAILPOINTS";

/// One of the bench's machines. Its daemon ends with it.
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    keys: BTreeMap<String, String>,
    variables: Vec<(String, String)>,
    life: Option<Life>,
    boots: u32,
}

/// How a process ended: an exit code, or minus the signal.
type Ended = Arc<Mutex<Option<i32>>>;

struct Life {
    pid: Pid,
    ended: Ended,
    reaper: JoinHandle<()>,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Machine: making it ===

impl Machine {
    pub(crate) fn new(bench: &Bench, name: &str) -> Self {
        let dir = bench.path().join(name);
        for sub in ["state", "run", "hooks/pre-reboot.d", "hooks/post-reboot.d"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        fs::write(dir.join("machine-id"), id_from(name, 0)).unwrap();
        let at = |file: &str| dir.join(file).display().to_string();
        let keys = [
            ("node_name", name.to_owned()),
            (
                "reboot_required_detectors",
                format!("[{{name: sentinel, type: file, path: {}}}]", at("sentinel")),
            ),
            ("health_script", at("health")),
            ("health_timeout_sec", "5".to_owned()),
            ("health_publish_interval_sec", "1".to_owned()),
            ("lock_ttl_sec", "6".to_owned()),
            ("check_interval_sec", "3600".to_owned()),
            ("backoff_min_sec", "1".to_owned()),
            ("backoff_max_sec", "1".to_owned()),
            (
                "reboot_command",
                format!("[{}, $RC_NODE_NAME]", at("reboot")),
            ),
            ("kill_switch_file", at("kill-switch")),
            ("hooks_dir", at("hooks")),
            ("state_dir", at("state")),
            ("run_dir", at("run")),
            ("boot_id_file", at("boot_id")),
            ("machine_id_file", at("machine-id")),
            ("store", bench.store_setting()),
        ];
        let keys = keys.map(|(key, value)| (key.to_owned(), value));
        let mut machine = Self {
            name: name.to_owned(),
            dir,
            keys: keys.into(),
            variables: Vec::new(),
            life: None,
            boots: 0,
        };
        for dir in ["", "run", "state"] {
            bench.watch(&machine.dir.join(dir));
        }
        let no_bus = format!("unix:path={}", machine.file("no-bus").display());
        machine.variable(BUS, no_bus); // else it would ask the logind of this machine
        machine.script("health", HEALTH);
        machine.script("reboot", GO_DOWN);
        machine.new_boot();
        machine.write_config();
        machine
    }

    /// Sets a key of the configuration to a YAML value.
    pub(crate) fn set(&mut self, key: &str, value: impl ToString) -> &mut Self {
        self.keys.insert(key.to_owned(), value.to_string());
        self.write_config();
        self
    }

    pub(crate) fn unset(&mut self, key: &str) -> &mut Self {
        self.keys.remove(key);
        self.write_config();
        self
    }

    /// The shortest settings that are legal.
    pub(crate) fn hasty(&mut self) -> &mut Self {
        self.set("health_timeout_sec", 1).set("lock_ttl_sec", 2)
    }

    /// Sets a variable of the daemon's own environment.
    pub(crate) fn variable(&mut self, name: &str, value: impl ToString) {
        self.variables.push((name.to_owned(), value.to_string()));
    }

    /// From the next start on the daemon lists the points it passes, and is killed or stopped at
    /// one of them: `kill=fence:before#1`.
    pub(crate) fn plan(&mut self, strike: Option<&str>) {
        let mut plan = format!("list={}", self.file("points").display());
        plan.extend(strike.map(|it| format!(",{it}")));
        self.variable(PLAN, plan);
    }

    /// From the next start on it does no such thing.
    pub(crate) fn forget_plan(&mut self) {
        self.variables.retain(|(name, _)| name != PLAN);
    }

    fn write_config(&self) {
        let lines = self.keys.iter();
        let text: String = lines
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
        fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("config.yaml")
    }

    pub(crate) fn script(&self, name: &str, body: &str) {
        write_script(&self.dir.join(name), &self.dir, body);
    }

    /// Puts the binary into its directory under this name; it knows the configuration.
    #[allow(dead_code)] // only the tests on etcd give another command
    pub(crate) fn give_command(&self, name: &str) {
        let link = self.dir.join(format!("bin-{name}/{name}"));
        let _ = fs::create_dir(self.dir.join(format!("bin-{name}"))); // it may have it already
        let _ = std::os::unix::fs::symlink(BINARY, &link);
        let config = self.config();
        let body = format!(
            "exec {} \"$@\" --config {}",
            link.display(),
            config.display()
        );
        self.script(name, &body);
    }

    fn new_boot(&mut self) {
        self.boots += 1;
        let id = id_from(&self.name, self.boots);
        let text = format!(
            "{}-{}-{}-{}-{}\n",
            &id[..8],
            &id[8..12],
            &id[12..16],
            &id[16..20],
            &id[20..32]
        );
        fs::write(self.dir.join("boot_id"), text).unwrap();
    }
}

/// 32 hexadecimal digits that differ for every name and number.
fn id_from(name: &str, number: u32) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:a<24}{number:08x}")
}

// === impl Machine: its files ===

impl Machine {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub(crate) fn touch(&self, name: &str) {
        File::create(self.file(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        read_lines(&self.file(name))
    }

    /// How often the reboot command ran.
    pub(crate) fn calls(&self) -> usize {
        self.lines("calls").len()
    }

    /// Makes a pipe at which a script waits.
    pub(crate) fn gate(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.file(name)).status();
        assert!(made.unwrap().success());
    }

    /// Lets the script go that waits at a pipe; later ones do not wait.
    pub(crate) fn open_gate(&self, name: &str) {
        let pipe = File::options().write(true).open(self.file(name)).unwrap();
        self.remove(name);
        drop(pipe);
    }

    /// The log, line by line; every line must be JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let parse = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.lines("log").iter().map(parse).collect()
    }

    /// The log's lines of one event.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let mut lines = self.log();
        lines.retain(|line| line["event"] == name);
        lines
    }

    /// The outcomes in the log, one after the other.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let events = self.events("run_outcome");
        let status = |event: &Value| event["fields"]["status"].as_str().unwrap().to_owned();
        events.iter().map(status).collect()
    }

    pub(crate) fn has_outcome(&self, name: &str) -> bool {
        self.outcomes().iter().any(|outcome| outcome == name)
    }

    pub(crate) fn last_outcome(&self) -> String {
        self.outcomes().last().cloned().unwrap_or_default()
    }

    /// Whether some log line's message holds this text.
    pub(crate) fn says(&self, text: &str) -> bool {
        let holds = |line: &Value| line["message"].as_str().unwrap().contains(text);
        self.log().iter().any(holds)
    }

    /// Where the metrics really are.
    pub(crate) fn endpoint(&self) -> String {
        let events = self.events("metrics_listening");
        events[0]["fields"]["address"].as_str().unwrap().to_owned()
    }

    /// The metrics listener's whole answer.
    pub(crate) fn scrape(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.endpoint()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        text_of(&mut stream)
    }

    /// How many passes ended with this outcome, by the metrics.
    pub(crate) fn passes(&self, outcome: &str) -> u32 {
        let start = format!("clusterrebootd_orchestration_outcomes_total{{status=\"{outcome}\"}} ");
        let text = self.scrape("/metrics");
        let count = text.lines().find_map(|line| line.strip_prefix(&start));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// Forgets the log so far, while the machine is off or its daemon idle.
    pub(crate) fn forget_log(&self) {
        fs::write(self.file("log"), "").unwrap();
    }
}

// === impl Machine: its life ===

impl Machine {
    /// Starts the daemon.
    pub(crate) fn start(&mut self) -> &mut Self {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&mut self, more: &[&str]) -> &mut Self {
        assert!(self.exit_code().is_some() || self.life.is_none());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.file("log"))
            .unwrap();
        let mut command = self.command(&["run"]);
        command
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let guard = no_forks();
        let child = command.stderr(log).spawn().unwrap();
        drop(guard);
        self.life = Some(Life::of(child, self.file("ended")));
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).arg("--config").arg(self.config());
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs a command of the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let guard = no_forks();
        let mut child = command.spawn().unwrap();
        drop(guard);
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || text_of(&mut stderr));
        let stdout = text_of(child.stdout.as_mut().unwrap());
        let code = code_of(child.wait().unwrap());
        Ran {
            code,
            stdout,
            stderr: errors.join().unwrap(),
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.life.as_ref().unwrap().pid.as_raw()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let life = self.life.as_ref().unwrap();
        let ended = life.ended.lock().unwrap();
        if ended.is_none() {
            kill(life.pid, signal).unwrap();
        }
    }

    /// Stops the daemon's clockwork, but not amid a commit: nobody else could use the store then.
    pub(crate) fn freeze(&self) {
        loop {
            self.signal(Signal::SIGSTOP);
            self.wait_until_stopped();
            if !self.is_committing() {
                return;
            }
            self.signal(Signal::SIGCONT);
        }
    }

    /// Whether the daemon has the store to itself just now.
    pub(crate) fn is_committing(&self) -> bool {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let writes = format!(" WRITE {} ", self.pid());
        let is_writing = |line: &str| line.contains("POSIX") && line.contains(&writes);
        locks.lines().any(is_writing)
    }

    /// Blocks until the daemon's clockwork stands still. The kernel tells nobody but the parent.
    pub(crate) fn wait_until_stopped(&self) {
        let path = format!("/proc/{}/stat", self.pid());
        let is_stopped = || {
            let stat = fs::read_to_string(&path).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T')
        };
        while !is_stopped() {
            assert!(self.is_alive(), "it ended instead");
            std::thread::yield_now();
        }
    }

    /// How the daemon ended, when it has; minus the signal that killed it.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        *self.life.as_ref()?.ended.lock().unwrap()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.life.is_some() && self.exit_code().is_none()
    }

    /// Tells the daemon to stop, and returns its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.end(Signal::SIGTERM)
    }

    /// The daemon dies at once.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    pub(crate) fn end(&mut self, signal: Signal) -> i32 {
        self.signal(signal);
        let life = self.life.take().unwrap();
        life.reaper.join().unwrap();
        life.ended.lock().unwrap().unwrap()
    }

    /// The machine goes down and comes back, and what asked for it is done.
    pub(crate) fn power_cycle(&mut self, bench: &Bench, how: Signal) {
        self.go_down(how);
        let _ = fs::remove_file(self.file("sentinel")); // a test may have removed it before
        self.come_back(bench);
    }

    pub(crate) fn go_down(&mut self, how: Signal) {
        if self.life.is_some() {
            self.end(how);
        }
    }

    /// A new boot.
    pub(crate) fn come_back(&mut self, bench: &Bench) {
        self.turn_on(bench);
        self.start();
    }

    /// A new boot, in which the daemon does not run yet.
    pub(crate) fn turn_on(&mut self, bench: &Bench) {
        self.new_boot();
        if self.has("down") {
            self.remove("down");
            let ledger = File::options()
                .append(true)
                .open(bench.path().join("ledger"));
            writeln!(ledger.unwrap(), "up {}", self.name).unwrap();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(life) = self.life.take() {
            if life.ended.lock().unwrap().is_none() {
                let _ = kill(life.pid, Signal::SIGKILL); // it may have ended just now
            }
            let _ = life.reaper.join();
        }
        for pid in self.lines("pids") {
            end_script(&pid, &self.dir);
        }
    }
}

/// Ends a script of this machine that still waits at a pipe; its number may be another's by now.
fn end_script(pid: &str, dir: &Path) {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_ours = String::from_utf8_lossy(&line).contains(dir.to_str().unwrap());
    if is_ours {
        let _ = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL); // it may end by itself
    }
}

// === impl Life ===

impl Life {
    /// Follows a child to its end, and leaves a trace of it in a file.
    fn of(mut child: Child, trace: PathBuf) -> Self {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let ended = Ended::default();
        let told = Arc::clone(&ended);
        let reaper = std::thread::spawn(move || {
            let code = code_of(child.wait().unwrap());
            *told.lock().unwrap() = Some(code);
            let _ = fs::write(trace, code.to_string()); // the bench may be gone
        });
        Self { pid, ended, reaper }
    }
}

fn code_of(status: std::process::ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or_default())
}

fn text_of(from: &mut impl Read) -> String {
    let mut text = Vec::new();
    from.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}
