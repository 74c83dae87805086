//! The texts that are kept: what the edits start from, and every failure there ever was.

use std::path::{Path, PathBuf};

/// One kept text, with its file name for messages.
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
}

/// Where the corpora are, one directory an input.
pub(crate) fn directory(input: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(input)
}

/// Every text of an input, in the order of their names.
pub(crate) fn load(input: &str) -> Vec<Kept> {
    let directory = directory(input);
    let files = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}: add a corpus", directory.display()));
    let mut kept: Vec<Kept> = files
        .map(|file| read(&file.expect("a directory of the tree can be listed").path()))
        .collect();
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!kept.is_empty(), "{}: is empty", directory.display());
    kept
}

fn read(path: &Path) -> Kept {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.file_name().unwrap_or_default();
    Kept {
        name: name.to_string_lossy().into_owned(),
        text,
    }
}
