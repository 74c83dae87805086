//! Whether the roll was safe, judged by the machines' power alone: the judge never asks the
//! store whose work it judges.

/// What the judge saw.
pub(super) struct Judge {
    slots: usize,
    most_down: usize,
    reboots: usize,
    faults: Vec<String>,
}

// === impl Judge ===

impl Judge {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            most_down: 0,
            reboots: 0,
            faults: Vec::new(),
        }
    }

    /// Sees which machines are down, those apart that an operator took out of the count.
    pub(super) fn see(&mut self, down: Vec<String>) {
        if down.len() > self.slots && down.len() > self.most_down {
            let names = down.join(", ");
            self.blame(&format!("{names} were down at once, {} may be", self.slots));
        }
        self.most_down = self.most_down.max(down.len());
    }

    /// Counts the reboots of a machine: each reboots exactly once.
    pub(super) fn count(&mut self, name: &str, reboots: u32, is_dead: bool) {
        if reboots != 1 {
            self.blame(&format!("{name} rebooted {reboots} times instead of once"));
        }
        self.reboots += usize::from(reboots > 0 && !is_dead);
    }

    /// Notes a fault.
    pub(super) fn blame(&mut self, fault: &str) {
        self.faults.push(fault.to_owned());
    }

    pub(super) fn is_content(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    pub(super) fn most_down(&self) -> usize {
        self.most_down
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Machines that rebooted and came back.
    pub(super) fn rebooted(&self) -> usize {
        self.reboots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn too_many_down_at_once_is_a_fault() {
        let mut judge = Judge::new(1);
        judge.see(names(&["node-1"]));
        assert!(judge.is_content());
        judge.see(names(&["node-1", "node-2"]));
        judge.see(names(&["node-1", "node-2"]));
        assert_eq!(
            judge.faults(),
            ["node-1, node-2 were down at once, 1 may be"]
        );
        assert_eq!(judge.most_down(), 2);
    }

    #[test]
    fn a_machine_that_rebooted_twice_or_never_is_a_fault() {
        let mut judge = Judge::new(1);
        judge.count("node-1", 1, false);
        assert!(judge.is_content() && judge.rebooted() == 1);
        judge.count("node-2", 2, false);
        judge.count("node-3", 0, false);
        assert_eq!(judge.faults().len(), 2);
    }
}
