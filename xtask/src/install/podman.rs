//! The container image as docs/packaging.md has people use it: by the document's very lines.

use std::fs;
use std::path::Path;
use std::process::Child;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::foreign::clear;
use super::registry;
use super::space::Space;

/// Where the lines stand.
const DOCUMENT: &str = "docs/packaging.md";
/// What stands above them there.
const ABOVE: &str = "podman loads it,\nskopeo takes it to a registry:";
/// The registry that they name.
pub(super) const REGISTRY: &str = "registry.example";

/// What an operator's `./server` has: who may ask, what encrypts, and a file that names both.
const FURNISH: &str = "
mkdir server
printf '%s\\n' PASSWORD | podman run --rm --interactive IMAGE \\
  serve hash-secret anna operator --password >server/passwords
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \\
  -addext subjectAltName=DNS:localhost -keyout server/key.pem -out server/cert.pem
cat >server/server.yaml <<EOF
listen: ':8080'
tls: {cert_file: /etc/clusterrebootd/cert.pem, key_file: /etc/clusterrebootd/key.pem}
auth: {basic_file: /etc/clusterrebootd/passwords}
store: {embedded: {path: /var/lib/clusterrebootd-server/fleet.db}}
EOF
chown -R 65532 server
chmod 0400 server/key.pem server/passwords
";
const PASSWORD: &str = "correct-horse-battery-staple";
/// Its first answer is waited for; the machine may be busy.
const CURL: &str = "curl --fail-with-body --silent --show-error --cacert server/cert.pem \
                    --retry 120 --retry-delay 1 --retry-max-time 120 --retry-connrefused";
const HERE: &str = "https://localhost:8080";
const GROUP: &str = "https://localhost:8080/api/v1/groups/default";
/// Why the group is paused: what the second server must know of the first.
const REASON: &str = "the first of two servers said so";

/// The document's lines, of the version that is tried.
#[derive(Debug)]
struct Lines {
    load: String,
    run: String,
    copy: String,
}

/// What is tried: the archive, what it says of itself, and whether an image in it runs here.
pub(super) struct Trial<'a> {
    pub(super) archive: &'a Path,
    pub(super) index: &'a Value,
    pub(super) version: &'a str,
    pub(super) runs_here: bool,
}

// === impl Trial ===

impl Trial<'_> {
    /// Loads it, has it serve twice on one volume, and sends it to a registry. `root` has the
    /// document, `tools` what was fetched, and `folder` room.
    ///
    /// # Errors
    /// The first step that goes wrong, and how.
    pub(super) fn run(&self, root: &Path, tools: &Path, folder: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(root.join(DOCUMENT)).context(DOCUMENT)?;
        let lines = Lines::parse(&text, self.version).context(DOCUMENT)?;
        let work = tempfile::tempdir_in(folder)?;
        let name = self.archive.file_name().context("a file without a name")?;
        fs::copy(self.archive, work.path().join(name))?;
        let space = Space::open(work.path(), REGISTRY)?;
        let tried = self.try_out(&lines, &space, tools, work.path());
        drop(space);
        clear(work.path())?;
        tried
    }

    fn try_out(
        &self,
        lines: &Lines,
        space: &Space,
        tools: &Path,
        work: &Path,
    ) -> anyhow::Result<()> {
        if self.runs_here {
            serves_twice(lines, space, self.version)
                .with_context(|| said_in(work, "podman.log"))?;
        }
        registry::start(space, REGISTRY, tools, work)?;
        space
            .run(&lines.copy)
            .with_context(|| said_in(work, "registry.log"))?;
        let there = format!("docker://{REGISTRY}/clusterrebootd:{}", self.version);
        let said = space.run(&format!("skopeo inspect --raw {there}"))?;
        let said: Value = serde_json::from_str(&said)?;
        ensure!(said == *self.index, "the registry has {said}");
        Ok(())
    }
}

/// It serves on the published port with what `./server` has, ends in good order, and another one
/// knows from the volume what the first was told.
fn serves_twice(lines: &Lines, space: &Space, version: &str) -> anyhow::Result<()> {
    space.run(&lines.load)?;
    let image = format!("localhost/clusterrebootd:{version}");
    space.run(
        &FURNISH
            .replace("IMAGE", &image)
            .replace("PASSWORD", PASSWORD),
    )?;
    let server = start(lines, space)?;
    let operator = format!("{CURL} --user anna:{PASSWORD}");
    let wish = format!("--json '{{\"reason\": \"{REASON}\"}}' {GROUP}/pause");
    space.run(&format!("{operator} {wish}"))?;
    stop(server, space)?;
    let server = start(lines, space)?;
    let said = space.run(&format!("{operator} {GROUP}"))?;
    ensure!(said.contains(REASON), "the second server says {said}");
    let stranger = space.run(&format!("{CURL} {GROUP}"));
    ensure!(stranger.is_err(), "strangers are told {stranger:?}");
    stop(server, space)
}

/// The container runs in the foreground, as the line has it, and serves.
fn start(lines: &Lines, space: &Space) -> anyhow::Result<Child> {
    let server = space.start(&lines.run, "podman.log")?;
    for path in ["healthz", "readyz"] {
        space.run(&format!("{CURL} {HERE}/{path}"))?;
    }
    Ok(server)
}

/// It ends on SIGTERM, and well.
fn stop(mut server: Child, space: &Space) -> anyhow::Result<()> {
    space.run("podman stop --latest --time 60")?;
    let status = server.wait()?;
    ensure!(status.success(), "podman ended with {status}");
    Ok(())
}

fn said_in(folder: &Path, log: &str) -> String {
    let said = fs::read_to_string(folder.join(log)).unwrap_or_default();
    format!("{log} has {said:?}")
}

// === impl Lines ===

impl Lines {
    /// Finds them in the document. It names a version, which need not be this one.
    fn parse(text: &str, version: &str) -> anyhow::Result<Self> {
        let below = text.split_once(ABOVE).map(|(_, below)| below);
        let block = below.and_then(|below| below.trim_start().strip_prefix("```sh\n"));
        let block = block.and_then(|block| block.split("```").next());
        let block = block.with_context(|| format!("no commands stand below `{ABOVE}`"))?;
        let (_, named) = block.split_once("clusterrebootd-").context("no archive")?;
        let (named, _) = named.split_once("-oci.tar").context("no archive")?;
        let lines = commands(&block.replace(named, version));
        let [load, run, copy] = &lines[..] else {
            bail!("other than three commands: {lines:?}");
        };
        ensure!(run.starts_with("podman run "), "the second is `{run}`");
        ensure!(copy.starts_with("skopeo copy "), "the third is `{copy}`");
        let [load, run, copy] = [load, run, copy].map(String::clone);
        Ok(Self { load, run, copy })
    }
}

/// Each with the lines that a backslash goes on in.
fn commands(block: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in block.lines() {
        match all.last_mut().filter(|it| it.ends_with('\\')) {
            Some(command) => *command = format!("{command}\n{line}"),
            None => all.push(line.to_owned()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_the_documents_with_the_version_that_is_tried() {
        let text = include_str!("../../../docs/packaging.md");
        let lines = Lines::parse(text, "7.8.9").unwrap();
        assert_eq!(
            lines.load,
            "podman load --input clusterrebootd-7.8.9-oci.tar"
        );
        assert!(lines.run.contains("\\\n"), "{}", lines.run);
        assert!(lines.run.ends_with(" localhost/clusterrebootd:7.8.9"));
        assert!(lines.copy.contains(&format!("docker://{REGISTRY}/")));
    }

    #[test]
    fn a_block_with_another_command_is_refused() {
        let load = "```sh\npodman load clusterrebootd-1-oci.tar\n```\n";
        Lines::parse(load, "2").unwrap_err();
        Lines::parse(&format!("{ABOVE}\n\n{load}"), "2").unwrap_err();
        Lines::parse(&format!("{ABOVE}\n\npodman"), "2").unwrap_err();
    }
}
