//! Check sums in the format of sha256sum(1) and sha512sum(1).

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// The manifest and the program that makes and checks it.
const MANIFESTS: [(&str, &str); 2] = [("SHA256SUMS", "sha256sum"), ("SHA512SUMS", "sha512sum")];

/// Writes a manifest of each kind over every file in the folder.
///
/// # Errors
/// When coreutils are missing, or a file cannot be read.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let names = names(folder)?;
    for (manifest, program) in MANIFESTS {
        let output = Command::new(program)
            .args(&names)
            .current_dir(folder)
            .output()
            .with_context(|| format!("cannot run {program}: install coreutils"))?;
        ensure!(output.status.success(), "{program} failed");
        fs::write(folder.join(manifest), output.stdout)?;
    }
    Ok(())
}

/// The files in the folder that are no manifest, in order.
///
/// # Errors
/// When it cannot be read.
pub(super) fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if MANIFESTS.iter().all(|(manifest, _)| *manifest != name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
