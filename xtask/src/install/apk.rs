//! The .apk, as it lies there: no program of Alpine's is needed to see what is in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use tar::{Archive, Entry as TarEntry, EntryType};

use super::contract::{Comes, Contract};
use super::snapshot::{Entry, Kind, Snapshot};
use crate::package::target::Arch;
use crate::package::tools;

/// What the package manager is told about it.
const ABOUT: &str = ".PKGINFO";
/// What it runs before and after.
const SCRIPTS: [&str; 4] = [
    ".pre-install",
    ".post-install",
    ".pre-deinstall",
    ".post-deinstall",
];

/// What is in an archive: the files that it installs, and those about itself.
struct Contents {
    files: Snapshot,
    about: BTreeMap<String, String>,
}

/// It is for this architecture, and brings what is promised.
///
/// # Errors
/// What it says or brings instead.
pub(super) fn check(contract: &Contract, package: &Path, arch: Arch) -> anyhow::Result<()> {
    let mut gzip = Command::new("gzip");
    gzip.args(["--decompress", "--stdout"]);
    gzip.stdin(File::open(package)?);
    let contents = Contents::read(&tools::output(&mut gzip)?)?;
    let about = contents
        .about
        .get(ABOUT)
        .context("it says nothing about itself")?;
    for line in [
        "pkgname = clusterrebootd",
        &format!("arch = {}", arch.machine()),
    ] {
        ensure!(about.lines().any(|it| it == line), "no `{line}` in {about}");
    }
    for script in SCRIPTS {
        let text = contents.about.get(script);
        let text = text.with_context(|| format!("no {script}"))?;
        ensure!(
            text.starts_with("#!/bin/sh\n"),
            "{script} is no script: {text}"
        );
    }
    contract.check(&contents.files, &[Comes::All, Comes::Apk])
}

// === impl Contents ===

impl Contents {
    /// Reads the archives that an .apk is a row of.
    fn read(text: &[u8]) -> anyhow::Result<Self> {
        let mut archive = Archive::new(text);
        archive.set_ignore_zeros(true);
        let (mut files, mut about) = (BTreeMap::new(), BTreeMap::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.display().to_string();
            let path = path.trim_end_matches('/').to_owned();
            if path.starts_with('.') {
                let mut text = String::new();
                entry.read_to_string(&mut text).context("not a text")?;
                about.insert(path, text);
            } else {
                files.insert(format!("/{path}"), described(&entry)?);
            }
        }
        let files = Snapshot(files);
        Ok(Self { files, about })
    }
}

fn described(entry: &TarEntry<'_, &[u8]>) -> anyhow::Result<Entry> {
    let header = entry.header();
    // Where no name is, as at links, the number counts.
    let name = |name: Option<&str>, number: u64| match (name.unwrap_or_default(), number) {
        ("", 0) => "root".to_owned(),
        ("", number) => number.to_string(),
        (name, _) => name.to_owned(),
    };
    let user = name(header.username()?, header.uid()?);
    let group = name(header.groupname()?, header.gid()?);
    let kind = match header.entry_type() {
        EntryType::Regular => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    let target = entry.link_name()?;
    Ok(Entry {
        kind,
        owner: format!("{user}:{group}"),
        mode: format!("{:04o}", header.mode()? & 0o7777),
        target: target
            .map(|it| it.display().to_string())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    #[test]
    fn what_two_archives_in_a_row_hold_is_read() {
        let archive = |path: &str, text: &str| {
            let mut header = Header::new_ustar();
            header.set_mode(0o640);
            header.set_size(text.len() as u64);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username("root").unwrap();
            header.set_groupname("clusterrebootd").unwrap();
            let mut builder = Builder::new(Vec::new());
            builder
                .append_data(&mut header, path, text.as_bytes())
                .unwrap();
            builder.into_inner().unwrap()
        };
        let row = [archive(ABOUT, "arch = x"), archive("etc/a", "text")].concat();
        let contents = Contents::read(&row).unwrap();
        assert_eq!(contents.about[ABOUT], "arch = x");
        assert_eq!(contents.files.paths(), ["/etc/a"]);
        let entry = contents.files.0["/etc/a"].to_string();
        assert_eq!(entry, "file, root:clusterrebootd 0640");
    }
}
