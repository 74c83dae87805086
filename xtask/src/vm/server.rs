//! The coordination server on the host's loopback, and what an operator asks it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::wait;

/// The running server; ends with the test.
pub(super) struct Server {
    program: PathBuf,
    /// An operator's own configuration.
    config: PathBuf,
    pub(super) port: u16,
    process: Child,
}

/// A line of the group's history.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Past {
    pub(super) at: String,
    pub(super) event: String,
    pub(super) node: Option<String>,
    pub(super) number: Option<u64>,
}

// === impl Server ===

impl Server {
    /// Starts it with a fresh store and waits until it answers.
    ///
    /// # Errors
    /// When it does not; its log is in the directory.
    pub(super) fn start(program: &Path, directory: &Path) -> anyhow::Result<Self> {
        if directory.is_dir() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (config, file) = (
            directory.join("operator.yaml"),
            directory.join("server.yaml"),
        );
        fs::write(&config, operator(port))?;
        fs::write(&file, server(port, &directory.join("fleet.db")))?;
        let log = fs::File::create(directory.join("server.log"))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(["serve", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        let program = program.to_owned();
        let server = Self {
            program,
            config,
            port,
            process,
        };
        wait::until("the server answers", || Ok(server.history().ok()))?;
        Ok(server)
    }

    /// All that happened to the group, oldest first.
    ///
    /// # Errors
    /// When the operator's command fails.
    pub(super) fn history(&self) -> anyhow::Result<Vec<Past>> {
        let arguments = ["history", "--limit", "10000", "-o", "json"];
        let mut said: Value = serde_json::from_str(&self.operator(&arguments)?)?;
        Ok(serde_json::from_value(said["history"].take())?)
    }

    /// Whether nobody holds and nobody waits.
    ///
    /// # Errors
    /// When the operator's command fails.
    pub(super) fn is_quiet(&self) -> anyhow::Result<bool> {
        let status = self.status()?;
        let is_empty = |what: &str| status[what].as_array().is_some_and(Vec::is_empty);
        Ok(is_empty("holds") && is_empty("line"))
    }

    /// The names of those who wait for the slot.
    ///
    /// # Errors
    /// When the operator's command fails.
    pub(super) fn waiting(&self) -> anyhow::Result<Vec<String>> {
        let status = self.status()?;
        let line = status["line"].as_array().cloned().unwrap_or_default();
        let names = line.iter().filter_map(|it| it["node"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Who holds the slot, and in which phase.
    ///
    /// # Errors
    /// When the operator's command fails.
    pub(super) fn holder(&self) -> anyhow::Result<Option<(String, String)>> {
        let status = self.status()?;
        let hold = &status["holds"][0];
        let text = |name: &str| hold[name].as_str().map(str::to_owned);
        Ok(text("node").zip(text("phase")))
    }

    /// What `fleet list` has of the node.
    ///
    /// # Errors
    /// When the operator's command fails, or there is no such node.
    pub(super) fn node(&self, name: &str) -> anyhow::Result<Value> {
        let said = self.operator(&["fleet", "list", "-o", "json"])?;
        let said: Value = serde_json::from_str(&said)?;
        let nodes = said["nodes"].as_array().cloned().unwrap_or_default();
        let found = nodes.into_iter().find(|node| node["node"] == name);
        found.with_context(|| format!("`fleet list` has no {name}: {said}"))
    }

    /// What an operator's command prints.
    ///
    /// # Errors
    /// With what it says when it fails.
    pub(super) fn operator(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null())
            .output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?} failed: {error}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn status(&self) -> anyhow::Result<Value> {
        let said = self.operator(&["lock", "status", "-o", "json"])?;
        let mut said: Value = serde_json::from_str(&said)?;
        Ok(said["groups"][0].take())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may be gone already, which is as well
        let _ = self.process.wait();
    }
}

fn server(port: u16, store: &Path) -> String {
    let store = store.display();
    format!("listen: 127.0.0.1:{port}\nstore:\n  embedded:\n    path: {store}\n")
}

fn operator(port: u16) -> String {
    format!(
        "node_name: operator\n\
         reboot_required_detectors: [{{type: file, path: /nowhere}}]\n\
         health_script: /bin/true\n\
         store: {{server: {{url: \"http://127.0.0.1:{port}\"}}}}\n"
    )
}
