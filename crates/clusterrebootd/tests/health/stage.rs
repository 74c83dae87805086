//! One script, a search path with nothing but what it needs, and the tools that it asks.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// When a reboot may follow; no phase is a script that somebody runs by hand, and one that it does
/// not know may be anything.
pub(crate) const BEFORE: [&str; 4] = ["pre-lock", "post-lock", "", "some-day"];
/// When the node is asked how it is.
pub(crate) const AFTER: [&str; 3] = ["post-reboot", "heartbeat", "monitor"];

/// All that a script may use of the system, and `sleep` for tools that hang.
const SYSTEM: [&str; 8] = [
    "sh", "awk", "timeout", "mktemp", "rm", "tr", "tail", "sleep",
];

/// What a tool does when it is called.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Says(String),
    /// Says this, and warns on the other output.
    Warns(String),
    /// Says this, complains, and ends with this code.
    Fails(String, &'static str, i32),
    Hangs,
    /// Fails, and tells what this stands for in its shell.
    Tells(&'static str),
}

/// One way to call a tool: with these words.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) tool: &'static str,
    pub(crate) words: &'static str,
    pub(crate) answer: Answer,
}

/// A script with its settings, and what its tools will say.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) script: &'static str,
    pub(crate) calls: Vec<Call>,
    settings: Vec<(String, String)>,
}

/// A folder that stands for a machine.
pub(crate) struct Machine {
    pub(crate) dir: TempDir,
}

pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

pub(crate) fn shipped(script: &str) -> PathBuf {
    repository().join("packaging/health").join(script)
}

/// Writes an executable file. Another process does it: were the file open for writing here while
/// some other test starts a program, running the file would fail as busy.
pub(crate) fn write_program(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]);
    let mut shell = shell.arg(path).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert!(shell.wait().unwrap().success(), "cannot write {path:?}");
}

pub(crate) fn says(text: &str) -> Answer {
    Answer::Says(text.to_owned())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

// === impl Answer ===

impl Answer {
    fn shell(&self) -> String {
        let text = match self {
            Self::Hangs => return "exec sleep 1000".to_owned(),
            Self::Tells(what) => return format!("echo \"asked: {what}\" >&2; exit 1"),
            Self::Says(text) | Self::Warns(text) | Self::Fails(text, ..) => text,
        };
        let printed = format!("printf %s {}", quoted(text));
        match self {
            Self::Warns(_) => format!("echo 'Warning: it is late' >&2; {printed}; exit 0"),
            Self::Fails(_, complaint, code) => {
                let complaint = quoted(complaint);
                format!("{printed}; printf '%s\\n' {complaint} >&2; exit {code}")
            }
            _ => format!("{printed}; exit 0"),
        }
    }

    /// What it prints, the good way.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Says(text) | Self::Warns(text) | Self::Fails(text, ..) => text,
            Self::Hangs | Self::Tells(_) => "",
        }
    }
}

// === impl Stage ===

impl Stage {
    /// A script on the node `a`.
    pub(crate) fn new(script: &'static str) -> Self {
        let stage = Self {
            script,
            calls: Vec::new(),
            settings: Vec::new(),
        };
        stage.set("RC_NODE_NAME", "a")
    }

    /// Called with these words, the tool answers so; the last to be told counts.
    pub(crate) fn with(mut self, tool: &'static str, words: &'static str, answer: Answer) -> Self {
        self.calls.retain(|call| call.words != words);
        let call = Call {
            tool,
            words,
            answer,
        };
        self.calls.push(call);
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self
    }

    /// It says yes in all these phases.
    pub(crate) fn good(&self, phases: &[&str]) {
        for phase in phases {
            let (code, said) = self.run(phase);
            assert_eq!(code, Some(0), "{} {phase}: {said}\n{self:?}", self.script);
        }
    }

    /// It says no in all these phases, with these words.
    pub(crate) fn bad(&self, phases: &[&str], words: &[&str]) {
        for phase in phases {
            let (code, said) = self.run(phase);
            assert_eq!(code, Some(1), "{} {phase}: {said}\n{self:?}", self.script);
            for word in words {
                assert!(said.contains(word), "{phase}: no {word:?} in: {said}");
            }
        }
    }

    /// Runs it once; whatever it finds, it says so in one line, and leaves nothing behind.
    fn run(&self, phase: &str) -> (Option<i32>, String) {
        let machine = Machine::new(&[]);
        machine.place(&self.calls);
        let output = machine.run(&shipped(self.script), phase, &self.settings);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(said.lines().count(), 1, "{} {phase}: {said}", self.script);
        let left = fs::read_dir(machine.dir.path().join("tmp")).unwrap();
        assert_eq!(left.count(), 0, "{} left something in /tmp", self.script);
        (output.status.code(), said)
    }
}

// === impl Machine ===

impl Machine {
    /// With what the scripts need, and these programs of the system beside it.
    pub(crate) fn new(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["bin", "tmp"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        for name in SYSTEM.iter().chain(more) {
            let places = ["/usr/local/bin", "/usr/bin", "/bin"].map(Path::new);
            let found = places.iter().map(|place| place.join(name));
            let found = found.into_iter().find(|path| path.exists());
            let found = found.unwrap_or_else(|| {
                panic!("{name} is missing: run `apt-get install coreutils mawk etcd-client`")
            });
            symlink(found, dir.path().join("bin").join(name)).unwrap();
        }
        Self { dir }
    }

    /// Puts tools into the search path that answer so.
    pub(crate) fn place(&self, calls: &[Call]) {
        for tool in calls.iter().map(|call| call.tool) {
            let mut text = "#!/bin/sh\ncase \"$*\" in\n".to_owned();
            for call in calls.iter().filter(|call| call.tool == tool) {
                let (words, shell) = (quoted(call.words), call.answer.shell());
                text.push_str(&format!("*{words}*) {shell} ;;\n"));
            }
            text.push_str("esac\necho \"nobody expected: $*\" >&2\nexit 99\n");
            write_program(&self.dir.path().join("bin").join(tool), &text);
        }
    }

    pub(crate) fn run(&self, program: &Path, phase: &str, settings: &[(String, String)]) -> Output {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", self.dir.path().join("bin"));
        command.env("TMPDIR", self.dir.path().join("tmp"));
        if !phase.is_empty() {
            command.env("RC_PHASE", phase);
        }
        let settings = settings.iter().map(|(name, value)| (name, value));
        command.envs(settings).output().unwrap()
    }
}
