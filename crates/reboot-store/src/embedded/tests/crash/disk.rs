//! A disk that keeps only what was synced, and of the rest what the crash left.

use super::trace::Event;
use std::collections::BTreeMap;

const SECTOR: usize = 512;

/// What a crash leaves of all that was not synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crash {
    /// Nothing.
    Dropped,
    /// Everything.
    Kept,
    /// Everything, but of the last write only the first sectors.
    Torn { sectors: usize },
    /// Any sectors of any writes, and any of the directory's changes.
    Some { seed: u64 },
}

/// The files that a crash leaves.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

#[derive(Debug, Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<(usize, Change)>,
}

/// The disk under one directory.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    unsynced_names: Vec<(String, Option<usize>)>,
    steps: usize,
}

/// xorshift: the same seed draws the same crash.
struct Draw(u64);

// === impl Draw ===

impl Draw {
    fn heads(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.count_ones().is_multiple_of(2)
    }
}

// === impl Change ===

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Truncate { length } => content.resize(*length, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// The change in pieces that a disk writes or does not write.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else {
            return vec![self.clone()];
        };
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let end = (at + SECTOR - (offset + at) % SECTOR).min(bytes.len());
            let (offset, bytes) = (offset + at, bytes[at..end].to_vec());
            pieces.push(Self::Write { offset, bytes });
            at = end;
        }
        pieces
    }
}

// === impl File ===

impl File {
    fn sync(&mut self) {
        for (_, change) in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.synced);
        }
    }

    fn length(&self) -> usize {
        self.after(&mut |_, change| vec![change.clone()]).len()
    }

    fn after(&self, left: &mut dyn FnMut(usize, &Change) -> Vec<Change>) -> Vec<u8> {
        let mut content = self.synced.clone();
        for (step, change) in &self.unsynced {
            for piece in left(*step, change) {
                piece.apply(&mut content);
            }
        }
        content
    }
}

// === impl Disk ===

impl Disk {
    /// Takes one step of the process.
    pub(super) fn take(&mut self, event: &Event) {
        self.steps += 1;
        match event {
            Event::Create { name } => self.create(name),
            Event::Write {
                name,
                offset,
                bytes,
            } => {
                let file = self.file(name);
                let offset = offset.unwrap_or_else(|| file.length());
                let bytes = bytes.clone();
                self.change(name, Change::Write { offset, bytes });
            }
            Event::Truncate { name, length } => {
                let length = *length;
                self.change(name, Change::Truncate { length });
            }
            Event::Remove { name } => {
                self.names.remove(name);
                self.unsynced_names.push((name.clone(), None));
            }
            Event::Sync { name } => self.file(name).sync(),
            Event::SyncDirectory => {
                self.synced_names = self.names.clone();
                self.unsynced_names.clear();
            }
            Event::Acknowledged(_) => {}
        }
    }

    fn create(&mut self, name: &str) {
        if !self.names.contains_key(name) {
            let file = self.files.len();
            self.files.push(File::default());
            self.names.insert(name.to_owned(), file);
            self.unsynced_names.push((name.to_owned(), Some(file)));
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        let file = self.names[name];
        &mut self.files[file]
    }

    fn change(&mut self, name: &str, change: Change) {
        let step = self.steps;
        self.file(name).unsynced.push((step, change));
    }

    /// What a machine finds that comes up after this crash.
    pub(super) fn image(&self, crash: Crash) -> Image {
        let mut draw = match crash {
            Crash::Some { seed } => Draw(seed | 1),
            _ => Draw(1),
        };
        let mut names = self.synced_names.clone();
        for (name, file) in &self.unsynced_names {
            let is_kept = match crash {
                Crash::Dropped => false,
                Crash::Kept | Crash::Torn { .. } => true,
                Crash::Some { .. } => draw.heads(),
            };
            match (is_kept, file) {
                (false, _) => {}
                (true, Some(file)) => drop(names.insert(name.clone(), *file)),
                (true, None) => drop(names.remove(name)),
            }
        }
        let mut left = |step, change: &Change| self.left(crash, &mut draw, step, change);
        let content =
            |(name, file): (&String, &usize)| (name.clone(), self.files[*file].after(&mut left));
        names.iter().map(content).collect()
    }

    fn left(&self, crash: Crash, draw: &mut Draw, step: usize, change: &Change) -> Vec<Change> {
        let mut sectors = change.sectors();
        match crash {
            Crash::Dropped => sectors.clear(),
            Crash::Kept => {}
            Crash::Torn { sectors: count } if step == self.steps => sectors.truncate(count),
            Crash::Torn { .. } => {}
            Crash::Some { .. } => sectors.retain(|_| draw.heads()),
        }
        sectors
    }
}

#[test]
fn a_crash_leaves_what_was_synced_and_no_more_than_was_written() {
    let name = "a".to_owned();
    let write = |offset, byte| Event::Write {
        name: name.clone(),
        offset: Some(offset),
        bytes: vec![byte; SECTOR * 2],
    };
    let mut disk = Disk::default();
    disk.take(&Event::Create { name: name.clone() });
    disk.take(&write(0, 1));
    disk.take(&Event::Sync { name: name.clone() });
    assert!(disk.image(Crash::Dropped).is_empty(), "no entry was synced");
    disk.take(&Event::SyncDirectory);
    disk.take(&write(SECTOR, 2));
    let expected = |crash, sectors: &[u8]| {
        let image = disk.image(crash);
        let firsts: Vec<u8> = image["a"].iter().step_by(SECTOR).copied().collect();
        assert_eq!(firsts, sectors, "{crash:?}");
    };
    expected(Crash::Dropped, &[1, 1]);
    expected(Crash::Kept, &[1, 2, 2]);
    expected(Crash::Torn { sectors: 1 }, &[1, 2]);
}
