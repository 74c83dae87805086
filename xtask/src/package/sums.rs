//! Check sums in the format of sha256sum(1) and sha512sum(1).

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::tools;

/// The manifest and the program that makes and checks it.
const MANIFESTS: [(&str, &str); 2] = [("SHA256SUMS", "sha256sum"), ("SHA512SUMS", "sha512sum")];

/// Writes a manifest of each kind over every file in the folder.
///
/// # Errors
/// When coreutils are missing, or a file cannot be read.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let names = names(folder)?;
    ensure!(!names.is_empty(), "{}: no file", folder.display());
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

/// The sums of one file, SHA-256 and SHA-512.
///
/// # Errors
/// As for [`write()`].
pub(super) fn of(folder: &Path, name: &str) -> anyhow::Result<[String; 2]> {
    let sum = |program: &str| {
        let output = tools::output(Command::new(program).arg(name).current_dir(folder))?;
        let text = String::from_utf8(output)?;
        let digits = text.split_whitespace().next();
        Ok(digits.context("no sum")?.to_owned())
    };
    let [sha256, sha512] = MANIFESTS.map(|(_, program)| sum(program));
    let both: anyhow::Result<_> = sha256.and_then(|it| Ok([it, sha512?]));
    both
}

/// The files in the folder that are neither manifest nor its signature, in order.
///
/// # Errors
/// When it cannot be read.
pub(super) fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if MANIFESTS
            .iter()
            .all(|(manifest, _)| !name.starts_with(manifest))
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
