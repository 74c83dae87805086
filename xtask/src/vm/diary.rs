//! What happened to which machine and when, by the host's clock: what the fleet is judged by.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;

/// The kernel's boot id and systemd's count of soft reboots, as `ID+COUNT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Boot(pub(super) String);

/// What happens to a machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// The emulator was started.
    PowerOn,
    /// The emulator was killed.
    PowerOff,
    /// An operator said that it is off for good: it counts as down no longer.
    GivenUp,
    /// The machine's kernel reset it.
    Reset,
    /// User space is up.
    Up(Boot),
    /// User space goes down.
    Down(Boot),
}

/// An event of a machine.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) machine: String,
    at: Instant,
    pub(super) event: Event,
}

/// Written by many, in the order of what happened.
#[derive(Clone)]
pub(super) struct Diary {
    began: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
}

// === impl Boot ===

impl Boot {
    /// The kernel's part.
    pub(super) fn kernel(&self) -> &str {
        self.0.split_once('+').map_or(&self.0, |(kernel, _)| kernel)
    }
}

// === impl Diary ===

impl Diary {
    pub(super) fn new() -> Self {
        let (began, entries) = (Instant::now(), Arc::default());
        Self { began, entries }
    }

    /// Writes it down, and shows it as it happens. A kernel that resets its machine asks again
    /// until it is gone: that is one reset.
    pub(super) fn note(&self, machine: &str, event: Event) {
        let mut entries = self.locked();
        let last = entries.iter().rev().find(|it| it.machine == machine);
        if event == Event::Reset && last.is_some_and(|it| it.event == Event::Reset) {
            return;
        }
        let (machine, at) = (machine.to_owned(), Instant::now());
        let entry = Entry { machine, at, event };
        println!("{}", self.line(&entry));
        entries.push(entry);
    }

    /// Everything so far.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.locked().clone()
    }

    /// How much stands in it: to look at what follows only.
    pub(super) fn len(&self) -> usize {
        self.locked().len()
    }

    /// The boots in which the machine came up, after so many entries.
    pub(super) fn boots(&self, machine: &str, since: usize) -> Vec<Boot> {
        let entries = self.entries();
        let of_machine = entries
            .iter()
            .skip(since)
            .filter(|it| it.machine == machine);
        let boot = |it: &Entry| match &it.event {
            Event::Up(boot) => Some(boot.clone()),
            _ => None,
        };
        of_machine.filter_map(boot).collect()
    }

    /// How often the machine's kernel reset it, after so many entries.
    pub(super) fn resets(&self, machine: &str, since: usize) -> usize {
        let entries = self.entries();
        let of_machine = entries
            .iter()
            .skip(since)
            .filter(|it| it.machine == machine);
        of_machine.filter(|it| it.event == Event::Reset).count()
    }

    /// Whether the machine is up.
    pub(super) fn is_up(&self, machine: &str) -> bool {
        let entries = self.entries();
        let last = entries.iter().rev().find(|it| it.machine == machine);
        last.is_some_and(|it| matches!(it.event, Event::Up(_)))
    }

    /// Judges all that follows after so many entries, in which every machine was up.
    ///
    /// # Errors
    /// Tells which two were down at a time.
    pub(super) fn never_two_down(&self, since: usize) -> anyhow::Result<()> {
        let mut down: Option<(String, String)> = None;
        for entry in self.entries().iter().skip(since) {
            let line = self.line(entry);
            match (&entry.event, &down) {
                (Event::Up(_) | Event::GivenUp, Some((machine, _)))
                    if *machine == entry.machine =>
                {
                    down = None;
                }
                (Event::Up(_) | Event::GivenUp, _) => bail!("it was not known to be down: {line}"),
                (_, Some((machine, first))) if *machine != entry.machine => {
                    bail!("two are down at a time: {first}; {line}")
                }
                _ => down = Some((entry.machine.clone(), line)),
            }
        }
        Ok(())
    }

    /// Everything, a line each.
    pub(super) fn text(&self) -> String {
        let entries = self.entries();
        let lines: Vec<String> = entries.iter().map(|it| self.line(it)).collect();
        lines.join("\n")
    }

    fn line(&self, entry: &Entry) -> String {
        let at = entry.at.duration_since(self.began);
        format!("  {} {} {}", clock(at), entry.machine, entry.event)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clock(span: Duration) -> String {
    let tenths = span.as_millis() / 100;
    format!("{:>4}.{} s", tenths / 10, tenths % 10)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOn => write!(f, "gets power"),
            Self::PowerOff => write!(f, "loses power"),
            Self::GivenUp => write!(f, "is off for good, an operator says"),
            Self::Reset => write!(f, "is reset by its kernel"),
            Self::Up(boot) => write!(f, "is up in {}", boot.0),
            Self::Down(boot) => write!(f, "goes down in {}", boot.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(name: &str) -> Boot {
        Boot(name.to_owned())
    }

    fn diary(events: &[(&str, Event)]) -> Diary {
        let diary = Diary::new();
        events
            .iter()
            .for_each(|(machine, event)| diary.note(machine, event.clone()));
        diary
    }

    #[test]
    fn one_after_the_other_is_well() {
        let diary = diary(&[
            ("a", Event::Down(boot("1+0"))),
            ("a", Event::Reset),
            ("a", Event::Reset),
            ("a", Event::Up(boot("2+0"))),
            ("b", Event::PowerOff),
            ("b", Event::GivenUp),
            ("b", Event::PowerOn),
            ("b", Event::Up(boot("3+0"))),
        ]);
        diary.never_two_down(0).unwrap();
        assert_eq!(diary.boots("a", 0), [boot("2+0")]);
        assert_eq!((diary.resets("a", 0), diary.resets("b", 0)), (1, 0));
        assert!(diary.is_up("a") && diary.is_up("b"));
    }

    #[test]
    fn two_at_a_time_are_found() {
        let (down, off) = (Event::Down(boot("1+0")), Event::PowerOff);
        for other in [down.clone(), off, Event::Reset] {
            let diary = diary(&[("a", down.clone()), ("b", other)]);
            let error = diary.never_two_down(0).unwrap_err().to_string();
            assert!(error.contains("two are down at a time"), "{error}");
            diary.never_two_down(1).unwrap();
        }
    }

    #[test]
    fn a_machine_that_came_up_out_of_nothing_is_found() {
        let diary = diary(&[("a", Event::Up(boot("1+0")))]);
        diary.never_two_down(0).unwrap_err();
    }
}
