//! The files of a source tree, read once.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// One text file of the tree.
pub(crate) struct TextFile {
    /// Path below the root, with `/`.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

/// Every file that belongs to the tree. Build output and ignored files do not.
pub(crate) struct Tree {
    /// Files that are text, in the order of their paths.
    pub(crate) texts: Vec<TextFile>,
    paths: BTreeSet<String>,
}

// === impl Tree ===

impl Tree {
    /// Reads the tree at `root`: what git tracks or would track, or every file where there is no
    /// git (a source archive).
    pub(crate) fn load(root: &Path) -> anyhow::Result<Self> {
        let mut paths = BTreeSet::new();
        if root.join(".git").exists() {
            paths.extend(tracked(root)?);
        } else {
            walk(root, "", &mut paths)?;
        }
        paths.retain(|path| root.join(path).exists());
        let texts = paths.iter().filter_map(|path| read(root, path)).collect();
        Ok(Self { texts, paths })
    }

    /// The text of one file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
    }

    /// Whether `path` is a file or a directory of the tree.
    pub(crate) fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty()
            || self.paths.contains(path)
            || self
                .paths
                .range(below.clone()..)
                .next()
                .is_some_and(|next| next.starts_with(&below))
    }

    /// The `Cargo.toml` of every package.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &TextFile> {
        self.texts.iter().filter(|file| {
            file.path == "xtask/Cargo.toml"
                || file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml")
        })
    }
}

/// Text or nothing: a picture or an archive has no lines to check.
fn read(root: &Path, path: &str) -> Option<TextFile> {
    let text = std::fs::read_to_string(root.join(path)).ok()?;
    Some(TextFile {
        path: path.to_owned(),
        text,
    })
}

fn tracked(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("cannot run git: install it, tidy asks it which files belong to the tree")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let listing = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(listing.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path, below: &str, paths: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let directory = root.join(below);
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if !entry.file_type()?.is_dir() {
            paths.insert(path);
        } else if path != "target" {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}
