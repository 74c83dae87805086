//! What etcd may tell of the past by a fault of its own, and no more than that.
//!
//! Members before 3.4.42, 3.5.28 and 3.6.9 ask for the index of a read again under the same name.
//! What the others say to that, held up while the leader was stopped, can confirm a later read of
//! one who leads no more (etcd's issue 20418). So a read right after a stopped leader goes on may
//! tell what stood when it was stopped. Nobody commits by that, and nobody is told less than it
//! knew: of both there is no excuse here.

use super::Case;
use crate::journal::{Moment, Nap};
use reboot_core::id::{GroupName, NodeName};

/// Releases that mend it, of each line.
const MENDED: &[[u64; 3]] = &[[3, 4, 42], [3, 5, 28], [3, 6, 9]];

/// How long after it goes on a leader may tell of the past: it hears of its successor at its next
/// beat, of a tenth of a second, and a call may wait as long as any.
const AFTERWARDS_MS: u64 = 1500;

/// Whether members of a version answer reads out of the past.
pub(super) fn is_forgetful(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let version: [u64; 3] = [next(), next(), next()];
    let same_line = MENDED.iter().find(|mended| mended[..2] == version[..2]);
    same_line.map_or(version < MENDED[0], |mended| version < *mended)
}

// === impl Case ===

impl Case<'_> {
    /// When the leader was stopped whose word may have been the answer.
    pub(super) fn nap_before(&self, asked: Moment, answered: Moment) -> Option<Moment> {
        let mut naps = self.evidence.notes.naps.iter().rev();
        // The last that ended before the answer: who slept earlier has long been told.
        let may_be = |nap: &&Nap| answered > nap.until && asked.ms <= nap.until.ms + AFTERWARDS_MS;
        let last = naps.find(may_be)?;
        is_forgetful(&self.evidence.etcd_version).then_some(last.from)
    }

    /// The newest revision that a node had been told of itself, before a moment.
    pub(super) fn own_news(&self, node: &NodeName, before: Moment) -> i64 {
        let told = self.told.get(node).map_or(&[][..], Vec::as_slice);
        let end = told.partition_point(|(answered, _)| *answered < before);
        end.checked_sub(1).map_or(0, |at| told[at].1)
    }

    /// Writes down what each node was told by looks and grants, and the newest of it by then.
    pub(super) fn index_news(&mut self) {
        for look in &self.evidence.notes.looks {
            let of_node = self.told.entry(look.node.clone()).or_default();
            of_node.push((look.answered, look.revision));
        }
        let mut granted = Vec::new();
        for (name, commit) in self.every_commit() {
            let asked = self.request_of(commit);
            let node = asked.and_then(|it| it.request.action.node());
            if let (Some(node), Some(at)) = (node, self.granted_by(name, commit)) {
                granted.push((node.clone(), (at, commit.after.revision)));
            }
        }
        for (node, news) in granted {
            self.told.entry(node).or_default().push(news);
        }
        for news in self.told.values_mut() {
            super::keep_newest(news);
        }
    }

    /// The newest revision that had surely happened at a moment, by recorder and answers.
    pub(super) fn surely(&self, name: &GroupName, moment: Moment) -> i64 {
        self.at_least(name, moment).max(self.past.surely_by(moment))
    }
}
