//! The way to a path: every directory that has a say in where it leads.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Symbolic links that are followed, as many as the kernel does: path_resolution(7).
const LINKS_MAX: usize = 40;

/// Calls `step` with each directory on the way and the name that is looked up in it, up to the
/// nearest that exists. A directory is passed before its entry is looked at. A link at the very
/// end is not followed.
pub(super) fn follow(path: &Path, mut step: impl FnMut(&Path, &OsStr)) {
    let mut here = PathBuf::from("/");
    let mut links = 0;
    let mut ahead = names(path);
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        step(&here, &name);
        let next = here.join(&name);
        let Ok(metadata) = next.symlink_metadata() else {
            return;
        };
        if metadata.is_dir() {
            here = next;
        } else if metadata.is_symlink() && !ahead.is_empty() && links < LINKS_MAX {
            let Ok(target) = next.read_link() else {
                return;
            };
            links += 1;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            names(&target)
                .into_iter()
                .rev()
                .for_each(|name| ahead.push_front(name));
        } else {
            return;
        }
    }
}

/// The names to look up, one after the other; `..` stays, as links decide what it means.
fn names(path: &Path) -> VecDeque<OsString> {
    let steps = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The steps below the temporary directory, as `directory:name`.
    fn steps(root: &Path, path: &str) -> Vec<String> {
        let mut steps = Vec::new();
        follow(&root.join(path), |directory, name| {
            if let Ok(below) = directory.strip_prefix(root) {
                steps.push(format!("{}:{}", below.display(), name.display()));
            }
        });
        steps
    }

    #[test]
    fn links_are_followed_through_both_their_parents_and_their_targets() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("run/deep")).unwrap();
        std::fs::create_dir(root.join("var")).unwrap();
        symlink(root.join("run"), root.join("var/run")).unwrap();
        symlink("../run/deep", root.join("var/relative")).unwrap();
        let absolute = steps(&root, "var/run/flag");
        assert_eq!(absolute, [":var", "var:run", ":run", "run:flag"]);
        assert_eq!(
            steps(&root, "var/relative/flag"),
            [":var", "var:relative", ":run", "run:deep", "run/deep:flag"]
        );
        assert_eq!(steps(&root, "var/run"), [":var", "var:run"]);
    }

    #[test]
    fn the_way_ends_at_the_nearest_directory_that_exists() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!(steps(&root, "not/yet/there"), [":not"]);
        std::fs::write(root.join("file"), "").unwrap();
        assert_eq!(steps(&root, "file/below"), [":file"]);
    }

    #[test]
    fn links_in_a_circle_end() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert_eq!(steps(&root, "a/flag").len(), LINKS_MAX + 1);
    }
}
