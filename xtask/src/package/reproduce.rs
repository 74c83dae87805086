//! The same packages from another folder, compared byte for byte.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::target::Archs;
use super::{Place, Workshop, make, sums, tools};

/// Builds a copy of the checkout in a folder of another name and length, and compares.
///
/// # Errors
/// Names every file that is not the same.
pub(super) fn check(workshop: &Workshop, archs: Archs, packages: &Path) -> anyhow::Result<()> {
    let place = &workshop.place;
    let folder = place.target.join("reproduce");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).context("cannot clear the former copy")?;
    }
    let copy = Workshop {
        place: Place {
            root: folder.join("a copy in a folder of another name"),
            target: folder.join("target of the copy"),
        },
        ..workshop.clone()
    };
    copy_tree(&place.root, &copy.place.root)?;
    println!("=== once more, in {} ===", copy.place.root.display());
    let again = make(&copy, archs, &folder.join("dist"))?;
    let differing = differing(packages, &again)?;
    ensure!(
        differing.is_empty(),
        "not the same in {}: {}; diffoscope(1) shows why",
        again.display(),
        differing.join(", ")
    );
    println!("=== every file is the same, byte for byte ===");
    fs::remove_dir_all(&folder).context("cannot clear the copy")
}

/// Every file that belongs to the tree, as it is now.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others"])
        .args(["--exclude-standard", "--deduplicate"])
        .current_dir(from);
    let names = String::from_utf8(tools::output(&mut list)?)?;
    for name in names.split_terminator('\0') {
        let (source, target) = (from.join(name), to.join(name));
        if !source.is_file() {
            continue; // deleted, and not yet committed
        }
        fs::create_dir_all(target.parent().context("a file without a folder")?)?;
        fs::copy(&source, &target).with_context(|| source.display().to_string())?;
    }
    Ok(())
}

/// The names of files that are in one folder only, or not the same in both.
fn differing(one: &Path, other: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = sums::names(one)?;
    names.extend(sums::names(other)?);
    names.sort();
    names.dedup();
    let is_same = |name: &String| match (fs::read(one.join(name)), fs::read(other.join(name))) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    names.retain(|name| !is_same(name));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_or_one_file_more_is_seen() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &other] {
            fs::write(folder.path().join("same"), "text").unwrap();
        }
        assert!(differing(one.path(), other.path()).unwrap().is_empty());
        fs::write(one.path().join("a byte"), "text").unwrap();
        fs::write(other.path().join("a byte"), "test").unwrap();
        fs::write(other.path().join("one more"), "").unwrap();
        let names = differing(one.path(), other.path()).unwrap();
        assert_eq!(names, ["a byte", "one more"]);
    }

    #[test]
    fn the_copy_has_what_is_new_and_lacks_what_is_ignored() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let git = Command::new("git")
            .args(["init", "--quiet"])
            .current_dir(from.path())
            .status();
        assert!(git.unwrap().success());
        fs::create_dir(from.path().join("a")).unwrap();
        for name in ["a/new", "ignored"] {
            fs::write(from.path().join(name), "text").unwrap();
        }
        fs::write(from.path().join(".gitignore"), "/ignored\n").unwrap();
        copy_tree(from.path(), to.path()).unwrap();
        assert!(to.path().join("a/new").is_file());
        assert!(!to.path().join("ignored").exists());
    }
}
