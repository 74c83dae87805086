//! An operator's shell, in which etcdctl finds the cluster; and what the documentation has them
//! type there.

use crate::machine::Machine;
use crate::scripts::no_forks;
use reboot_lab::Etcd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A shell with etcdctl's settings in its environment.
pub(crate) struct Shell {
    variables: Vec<(&'static str, String)>,
}

// === impl Shell ===

impl Shell {
    pub(crate) fn at(etcd: &Etcd) -> Self {
        Self {
            variables: vec![
                ("ETCDCTL_API", "3".to_owned()),
                ("ETCDCTL_ENDPOINTS", etcd.endpoints().join(",")),
            ],
        }
    }

    /// As this user, `name:password`.
    pub(crate) fn user(mut self, user: &str) -> Self {
        self.variables.push(("ETCDCTL_USER", user.to_owned()));
        self
    }

    /// With this authority, certificate and key.
    pub(crate) fn tls(mut self, files: [&PathBuf; 3]) -> Self {
        let names = ["ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY"];
        let files = files.map(|file| file.display().to_string());
        self.variables.extend(names.into_iter().zip(files));
        self
    }

    /// On a machine: our commands know its configuration, and nobody asks who calls them.
    pub(crate) fn on(mut self, machine: &Machine) -> Self {
        for name in ["clusterrebootd", "rebootlockctl"] {
            machine.give_command(name);
        }
        machine.script("sudo", "exec \"$@\"\n");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", machine.dir.display());
        self.variables.push(("PATH", path));
        self
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

    fn run(&self, script: &str) -> Output {
        let mut command = self.command(script);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let guard = no_forks();
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        drop(guard);
        child.wait_with_output().unwrap()
    }

    /// The script as a command that is not started yet.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-euc", script]);
        command.envs(self.variables.iter().cloned());
        command
    }
}

/// The first block of commands below a heading of a document.
pub(crate) fn documented(document: &str, heading: &str) -> String {
    documented_after(document, heading, "")
}

/// The first block of commands below a heading and these words.
pub(crate) fn documented_after(document: &str, heading: &str, words: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let text = std::fs::read_to_string(docs.join(document)).unwrap();
    let start = format!("{heading}\n");
    let (_, below) = text.split_once(&start).expect(heading);
    let (_, below) = below.split_once(words).expect(words);
    let (_, block) = below.split_once("```").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (_, commands) = block.split_once('\n').unwrap();
    commands.to_owned()
}
