//! What the documentation has people type, typed: each script runs below a directory that stands
//! for a machine, with the paths, the port and systemd replaced, and nothing else.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Stands for systemd: starts the server, and waits until it serves; or stops it.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
*start*server | enable*server)
    : > ROOT/server.log
    clusterrebootd serve --config ROOT/etc/clusterrebootd/server.yaml \
        > /dev/null 2> ROOT/server.log &
    echo $! > ROOT/server.pid
    until grep -q server_started ROOT/server.log; do kill -0 $! || exit 1; done ;;
stop*server)
    pid=$(cat ROOT/server.pid)
    kill "$pid"
    while kill -0 "$pid" 2> /dev/null; do :; done ;;
"enable --now clusterrebootd") [ -f ROOT/etc/systemd/system/clusterrebootd.service ] ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
"#;

/// The program, told of this machine's configuration as if it stood in its usual place.
const PROGRAM: &str = r#"#!/bin/sh
case "$*" in
*--config* | serve* | store*--path* | man* | completions*) exec BINARY "$@" ;;
*) exec BINARY "$@" --config ROOT/etc/clusterrebootd/config.yaml ;;
esac
"#;

/// A directory with machines below it.
pub(crate) struct Site {
    dir: TempDir,
    pub(crate) port: u16,
}

/// One of them.
pub(crate) struct Host<'a> {
    site: &'a Site,
    pub(crate) root: PathBuf,
}

/// The first block below these words of a document, without its indentation.
pub(crate) fn block(document: &str, words: &str) -> String {
    let text = fs::read_to_string(repository().join(document)).unwrap();
    let (_, below) = text.split_once(words).expect(words);
    let (_, block) = below.split_once("```").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (_, lines) = block.split_once('\n').unwrap();
    let indent = lines.len() - lines.trim_start().len();
    let lines = lines.lines().map(|line| line.get(indent..).unwrap_or(""));
    lines.map(|line| format!("{line}\n")).collect()
}

pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

pub(crate) fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

// === impl Site ===

impl Site {
    pub(crate) fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("desk")).unwrap();
        Self { dir, port }
    }

    /// Where people type: what they make is here.
    pub(crate) fn desk(&self) -> PathBuf {
        self.dir.path().join("desk")
    }

    pub(crate) fn host(&self, name: &str) -> Host<'_> {
        let root = self.dir.path().join(name);
        for sub in [
            "etc/bash_completion.d",
            "etc/clusterrebootd",
            "etc/systemd/system",
            "var/lib/clusterrebootd-server",
            "run",
            "bin",
            "installed",
        ] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        let host = Host { site: self, root };
        let binary = assert_cmd::cargo::cargo_bin("clusterrebootd");
        let program = PROGRAM.replace("BINARY", binary.to_str().unwrap());
        for (name, text) in [
            ("clusterrebootd", program.as_str()),
            ("systemctl", SYSTEMCTL),
            ("systemd-sysusers", "#!/bin/sh\n"),
            (
                "sudo",
                "#!/bin/sh\n[ \"$1\" != -u ] || shift 2\nexec \"$@\"\n",
            ),
        ] {
            host.program(name, text);
        }
        host
    }
}

// === impl Host ===

impl Host<'_> {
    /// Gives it a program; `ROOT` is the machine's directory, `PACKAGING` that of the tree.
    pub(crate) fn program(&self, name: &str, text: &str) {
        let packaging = repository().join("packaging");
        let text = text.replace("ROOT", self.root.to_str().unwrap());
        let text = text.replace("PACKAGING", packaging.to_str().unwrap());
        write_program(&self.root.join("bin").join(name), &text);
    }

    /// Has the program by another name, which it minds, with more words behind its own.
    pub(crate) fn called(&self, name: &str, more: &str) {
        let binary = assert_cmd::cargo::cargo_bin("clusterrebootd");
        let link = self.root.join("bin").join(format!("real-{name}"));
        fs::create_dir(&link).unwrap();
        let link = link.join(name);
        std::os::unix::fs::symlink(binary, &link).unwrap();
        self.program(
            name,
            &format!("#!/bin/sh\nexec {} \"$@\" {more}\n", link.display()),
        );
    }

    /// A text of the documentation as it reads on this machine.
    pub(crate) fn here(&self, text: &str) -> String {
        let root = self.root.to_str().unwrap();
        let repository = repository();
        let repository = repository.to_str().unwrap();
        let replaced = [
            ("/usr/local/bin/", format!("{root}/installed/")),
            ("/usr/local/share/", format!("{root}/share/")),
            ("/etc/", format!("{root}/etc/")),
            ("/var/lib/", format!("{root}/var/lib/")),
            ("/var/run/", format!("{root}/run/")),
            (
                "target/release/clusterrebootd",
                format!("{root}/bin/clusterrebootd"),
            ),
            ("deploy/", format!("{repository}/deploy/")),
            ("examples/", format!("{repository}/examples/")),
            ("packaging/", format!("{repository}/packaging/")),
            (" -g clusterrebootd", String::new()),
            ("coordinator.example", "127.0.0.1".to_owned()),
            ("0.0.0.0:8080", format!("127.0.0.1:{}", self.site.port)),
            (":8080", format!(":{}", self.site.port)),
        ];
        let mut text = text.to_owned();
        for (from, to) in replaced {
            text = text.replace(from, &to);
        }
        text
    }

    fn run(&self, script: &str) -> Output {
        let path = format!("{}/bin:/usr/local/bin:/usr/bin:/bin", self.root.display());
        let mut shell = Command::new("sh");
        shell.args(["-euc", &self.here(script)]).env("PATH", path);
        shell.current_dir(self.site.desk()).output().unwrap()
    }

    /// Runs a script that must do, and returns what it prints.
    pub(crate) fn good(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a script that must fail, and returns what it complains about.
    pub(crate) fn bad(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(!output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Keys of its daemon's file: what a machine has one of, this one's own.
    pub(crate) fn places(&self) -> String {
        let root = self.root.display();
        format!(
            "state_dir: {root}/state\nrun_dir: {root}/run\nhooks_dir: {root}/hooks\n\
             machine_id_file: {root}/machine-id\n"
        )
    }

    /// Its daemon's file, as it reads here already.
    pub(crate) fn config(&self) -> String {
        fs::read_to_string(self.root.join("etc/clusterrebootd/config.yaml")).unwrap()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.root.join(file), text).unwrap();
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.root.join("server.pid")) {
            let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}
