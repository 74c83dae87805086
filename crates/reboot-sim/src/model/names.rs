//! Names of the model's nodes, and labels for what is made anew again and again: runs, boots,
//! numbers. A label that nobody remembers is given again, so that the model stays finite.

use reboot_core::boot::BootIdentity;
use reboot_core::group::Identity;
use reboot_core::id::{GroupName, Instance, MachineId, NodeName};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// The most nodes a model has.
pub(super) const NODES_MAX: usize = 4;
/// How many labels of a kind an entity has for itself.
const LABELS: u32 = 8;
/// All names are of this length, so that a hasher can leave them out.
const NAMES: [&str; NODES_MAX] = ["node-a", "node-b", "node-c", "node-d"];
/// Numbers are given in blocks: one for each answer that an agent gets.
const BLOCK: u64 = 8;

/// The labels that something remembers, by node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Labels {
    marks: [Marks; NODES_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    runs: u32,
    boots: u32,
    blocks: u64,
}

/// Something without the names of nodes, and without labels: those are beside it, in the order
/// in which they occur.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Shape {
    pub(super) hash: u128,
    pub(super) labels: Vec<Label>,
}

/// A label, as it occurs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Label {
    Run(u32),
    Boot(u32),
    /// A number of a run.
    Number(u32, u32),
}

/// Labels by the order in which they were met.
#[derive(Default)]
pub(super) struct Order(Vec<Label>);

/// Hashes what it is given, and sets names and labels aside.
struct Nameless {
    hashers: (DefaultHasher, DefaultHasher),
    labels: Vec<Label>,
}

pub(super) fn node(name: usize) -> &'static NodeName {
    static NODES: LazyLock<[NodeName; NODES_MAX]> =
        LazyLock::new(|| NAMES.map(|name| NodeName::new(name).expect("a valid name")));
    &NODES[name]
}

/// The one group of the model.
pub(super) fn group() -> &'static GroupName {
    static GROUP: LazyLock<GroupName> = LazyLock::new(GroupName::default);
    &GROUP
}

/// Who an entity is in this run and boot.
pub(super) fn identity(name: usize, run: u32, boot: u32, soft: Option<u64>) -> Identity {
    let text = NAMES[name];
    Identity {
        node: node(name).clone(),
        machine_id: MachineId::new(format!("{text}-machine")).expect("a valid id"),
        boot: BootIdentity {
            boot_id: format!("{text}-b{boot}"),
            soft_reboots: soft,
        },
        instance: Instance::new(format!("{text}-r{run}")).expect("a valid instance"),
    }
}

/// What is left of a thing without names and labels.
pub(super) fn shape<T: Hash>(value: &T) -> Shape {
    let mut hasher = Nameless {
        hashers: (DefaultHasher::new(), DefaultHasher::new()),
        labels: Vec::new(),
    };
    hasher.hashers.1.write_u8(1);
    value.hash(&mut hasher);
    let (first, second) = hasher.hashers;
    Shape {
        hash: u128::from(first.finish()) << 64 | u128::from(second.finish()),
        labels: hasher.labels,
    }
}

// === impl Order ===

impl Order {
    /// The place of a label, when it was met.
    pub(super) fn find(&self, label: Label) -> Option<usize> {
        self.0.iter().position(|it| *it == label)
    }

    /// The place of a label, which has been met now.
    pub(super) fn place(&mut self, label: Label) -> usize {
        self.find(label).unwrap_or_else(|| {
            self.0.push(label);
            self.0.len() - 1
        })
    }
}

// === impl Labels ===

impl Labels {
    /// All labels that a thing shows.
    pub(super) fn of<T: Debug>(thing: &T) -> Self {
        let text = format!("{thing:?}");
        let mut labels = Self::default();
        for (name, prefix) in NAMES.iter().enumerate() {
            for (at, _) in text.match_indices(prefix) {
                labels.marks[name].read(&text[at + prefix.len()..]);
            }
        }
        labels
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.marks.iter_mut().zip(&other.marks) {
            mine.runs |= theirs.runs;
            mine.boots |= theirs.boots;
            mine.blocks |= theirs.blocks;
        }
    }

    /// A run that nobody remembers.
    pub(super) fn free_run(&self, name: usize, entity: usize) -> u32 {
        free(self.marks[name].runs, entity)
    }

    /// A boot that nobody remembers.
    pub(super) fn free_boot(&self, name: usize, entity: usize) -> u32 {
        free(self.marks[name].boots, entity)
    }

    /// The first of a block of numbers that nobody remembers.
    pub(super) fn free_number(&self, name: usize) -> u64 {
        u64::from(self.marks[name].blocks.trailing_ones()) * BLOCK
    }
}

fn free(used: u32, entity: usize) -> u32 {
    let first = entity as u32 * LABELS;
    first + (used >> first).trailing_ones()
}

// === impl Marks ===

impl Marks {
    /// Reads a text like `-r3.17` or `-b1` behind a name.
    fn read(&mut self, text: &str) {
        let mut chars = text.chars();
        let kind = (chars.next(), chars.next());
        let digits = |text: &str| -> (u64, usize) {
            let end = text.find(|it: char| !it.is_ascii_digit());
            let end = end.unwrap_or(text.len());
            (text[..end].parse().unwrap_or(0), end)
        };
        match kind {
            (Some('-'), Some('b')) => self.boots |= 1 << digits(&text[2..]).0,
            (Some('-'), Some('r')) => {
                let (run, end) = digits(&text[2..]);
                self.runs |= 1 << run;
                if let Some(number) = text[2 + end..].strip_prefix('.') {
                    self.add_number(digits(number).0);
                }
            }
            _ => {}
        }
    }

    fn add_number(&mut self, number: u64) {
        // Numbers are counted up before they are used: the last of a block is of that block.
        self.blocks |= 1 << (number.saturating_sub(1) / BLOCK);
    }
}

// === impl Nameless ===

impl Nameless {
    /// Sets labels aside; answers what is left.
    fn strip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(rest) = bytes.strip_prefix(b"node-").and_then(|it| it.get(1..)) else {
            return bytes;
        };
        let text = std::str::from_utf8(rest).unwrap_or_default();
        if let Some(boot) = text.strip_prefix("-b") {
            self.labels.push(Label::Boot(boot.parse().unwrap_or(0)));
            return b"-b";
        }
        let Some(text) = text.strip_prefix("-r") else {
            return rest;
        };
        let (run, number) = text.split_once('.').unwrap_or((text, ""));
        let run = run.parse().unwrap_or(0);
        self.labels.push(match number.parse() {
            Ok(number) => Label::Number(run, number),
            Err(_) => Label::Run(run),
        });
        b"-r"
    }
}

impl Hasher for Nameless {
    fn write(&mut self, bytes: &[u8]) {
        let left = self.strip(bytes);
        self.hashers.0.write(left);
        self.hashers.1.write(left);
    }

    fn finish(&self) -> u64 {
        self.hashers.0.finish()
    }
}
