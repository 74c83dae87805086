//! The least that a durable commit can cost: as many bytes, written and synced.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Large beside a commit; written in full once, so that a sync later moves nothing but data.
const SIZE: u64 = 16 * 1024 * 1024;

/// A file that stands ready for bytes.
pub(crate) struct Floor {
    file: File,
    at: u64,
    zeros: Vec<u8>,
}

// === impl Floor ===

impl Floor {
    /// Makes the file, with every byte on the disk.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        let piece = vec![1; 1024 * 1024];
        for _ in 0..SIZE / 1024 / 1024 {
            file.write_all(&piece)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            at: 0,
            zeros: Vec::new(),
        })
    }

    /// Writes these many bytes after the former ones, and from the start again at the end.
    pub(crate) fn append(&mut self, bytes: u64) -> io::Result<&File> {
        self.zeros.resize(bytes.try_into().unwrap_or(0), 0);
        if self.at + bytes > SIZE {
            self.at = 0;
        }
        self.file.write_all_at(&self.zeros, self.at)?;
        self.at += bytes;
        Ok(&self.file)
    }
}

/// The bytes that this process has passed to write calls so far, proc(5).
pub(crate) fn written_bytes() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::other("/proc/self/io has no wchar: it needs a newer kernel"))
}
