//! What happened, one line each, in plain words.

use super::World;
use reboot_core::agent::News;
use reboot_core::group::HistoryEntry;
use reboot_core::write::Write;

// === impl World ===

impl World {
    /// Adds a line to the story, where somebody wants to read it.
    pub fn tell(&mut self, at: Option<usize>, text: impl FnOnce() -> String) {
        if self.story.is_none() {
            return;
        }
        let who = match at {
            Some(at) => self.called(at),
            None => "the fleet".to_owned(),
        };
        let line = format!("{} {who}: {}", clock(self.now_ms), text());
        self.story.get_or_insert_default().push(line);
    }

    /// What a machine is called in stories.
    pub fn called(&self, at: usize) -> String {
        let machine = &self.machines[at];
        let name = machine.name();
        match machine.lodges_with {
            Some(_) => format!("{name} (second agent)"),
            None if machine.is_clone => format!("{name} (clone)"),
            None => name.to_string(),
        }
    }

    /// An agent tells something.
    pub(super) fn hear(&mut self, at: usize, news: News) {
        match &news {
            News::Outcome {
                report,
                is_new: true,
            } => {
                let (outcome, message) = (report.outcome, report.message.clone());
                self.tell(Some(at), || format!("says {outcome}: {message}"));
            }
            News::Trouble { what, error } => {
                let (what, error) = (*what, error.clone());
                self.tell(Some(at), || format!("cannot {what}: {error}"));
            }
            _ => {}
        }
        if self.keeps_news {
            self.machines[at].news.push(news);
        }
    }

    /// Tells what the store has committed since.
    pub(super) fn tell_commits(&mut self) {
        if self.keeps_news && self.story.is_none() || self.store.log.history.is_empty() {
            return;
        }
        if self.story.is_some() {
            let from = self.told.min(self.store.log.history.len());
            let lines = self.store.log.history[from..].iter().map(committed);
            for line in Vec::from_iter(lines) {
                let text = format!("{} the store: {line}", clock(self.now_ms));
                self.story.get_or_insert_default().push(text);
            }
        }
        match self.keeps_news {
            true => self.told = self.store.log.history.len(),
            false => self.store.log.history.clear(),
        }
    }
}

fn committed(entry: &HistoryEntry) -> String {
    let node = entry.node.as_ref().map(|node| format!(" of {node}"));
    let number = entry.number.map(|number| format!(", hold {number}"));
    let detail = match entry.detail.as_str() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    let (node, number) = (node.unwrap_or_default(), number.unwrap_or_default());
    format!("{}{node}{number}{detail}", entry.event)
}

/// A write in a few words.
pub(super) fn told(write: &Write) -> String {
    match write {
        Write::Ask { request, .. } => request.action.verb().to_owned(),
        Write::OpenSession { .. } => "open a session".to_owned(),
        Write::KeepSession { .. } => "renew the session".to_owned(),
        Write::EndSession { .. } => "end the session".to_owned(),
        Write::EndInstance { .. } => "end the former run's sessions".to_owned(),
        Write::Publish { .. } => "publish the health record".to_owned(),
        Write::Forget { .. } => "forget a node".to_owned(),
        Write::Undone { .. } => "record what was undone".to_owned(),
        Write::Order { .. } => "order a reboot".to_owned(),
        Write::EndOrder { .. } => "end an order".to_owned(),
        Write::Join { .. } => "join the line".to_owned(),
        Write::Leave { .. } => "leave the line".to_owned(),
        Write::PauseFleet { .. } => "pause the fleet".to_owned(),
    }
}

/// A time as people read it.
fn clock(ms: u64) -> String {
    let (secs, left_ms) = (ms / 1000, ms % 1000);
    let (days, secs) = (secs / 86_400, secs % 86_400);
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!("day {days} {hours:02}:{minutes:02}:{secs:02}.{left_ms:03}")
}
