//! The floor: the same server on a store that keeps its record in memory and writes as many bytes
//! as a commit of ours to a file, with a bare sync for each.

use crate::Outcome;
use async_trait::async_trait;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Facts, Group, HistoryEntry, apply};
use reboot_core::id::GroupName;
use reboot_core::line::Line;
use reboot_core::write::{Trouble, Write, Written};
use reboot_server::Server;
use reboot_server::desk::Desk;
use reboot_server::news::Silence;
use reboot_server::settings::{GroupRules, ServerSettings};
use reboot_server::view::View;
use reboot_store::{Interest, Store};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// About what a claim or a release writes.
const COMMIT_BYTES: usize = 12 * 1024;

/// The store.
struct Bare {
    shared: Arc<Shared>,
    revision: watch::Sender<u64>,
}

struct Shared {
    fleet: Mutex<Fleet>,
    file: File,
}

/// A server on it; answers where.
pub(crate) async fn serve(dir: &Path, max: u32) -> Outcome<String> {
    let shared = Shared {
        fleet: Mutex::default(),
        file: File::create(dir.join("floor"))?,
    };
    let store = Bare {
        shared: Arc::new(shared),
        revision: watch::Sender::new(0),
    };
    let view = Arc::new(View::open(Arc::new(store)).await);
    let rules = GroupRules {
        max_reboots_per_day: u32::MAX,
        ..GroupRules::of_max(max)
    };
    let mut settings = ServerSettings::of_group(GroupName::default(), rules);
    settings.limits.requests_per_second = 0;
    let desk = Desk::new(view, settings, Arc::new(Silence));
    let server = Server::bind("127.0.0.1:0").await?;
    let address = server.address().to_string();
    tokio::spawn(server.serve(Arc::new(desk), std::future::pending()));
    Ok(address)
}

// === impl Shared ===

impl Shared {
    /// One change after the other, as it must be for a record that all share.
    fn write(&self, write: Write) -> Result<(Written, u64), Trouble> {
        let Write::Ask {
            group: name,
            create_with_max,
            request,
        } = write
        else {
            return Err(Trouble::Broken("the floor takes nothing else".to_owned()));
        };
        let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let known = fleet.groups.get(&name).map(|entry| entry.group.clone());
        let max = create_with_max.unwrap_or(1);
        let group = match known {
            Some(group) => group,
            None => Group::create(max, 1, &[]).map_err(Trouble::Refused)?,
        };
        let applied = apply(&group, &request, &Facts::default()).map_err(Trouble::Refused)?;
        let bytes = [1; COMMIT_BYTES];
        let written = self.file.write_all_at(&bytes, 0);
        let synced = written.and_then(|()| self.file.sync_all());
        synced.map_err(|error| Trouble::Unavailable(error.to_string()))?;
        fleet.revision += 1;
        fleet.groups.insert(name, entry(applied.group));
        Ok((Written::Granted(applied.reply), fleet.revision))
    }
}

fn entry(group: Group) -> GroupEntry {
    GroupEntry {
        within_deadline: group.holds.iter().map(|hold| hold.number).collect(),
        group,
        line: Line::default(),
        cooldown: None,
        foreign: Vec::new(),
    }
}

#[async_trait]
impl Store for Bare {
    fn describe(&self) -> String {
        "the floor".to_owned()
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        let shared = self.shared.clone();
        let written = tokio::task::spawn_blocking(move || shared.write(write)).await;
        let (written, revision) = written.map_err(|it| Trouble::Broken(it.to_string()))??;
        self.revision.send_modify(|it| *it = revision.max(*it));
        Ok(written)
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        let fleet = self.shared.fleet.lock();
        Ok(fleet.unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn changed(&self, _: &Interest, seen: u64) -> Result<(), Trouble> {
        let mut revision = self.revision.subscribe();
        // The sender lives as long as the store.
        let _ = revision.wait_for(|now| *now > seen).await;
        Ok(())
    }

    async fn history(&self, _: &GroupName, _: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        Ok(Vec::new())
    }
}
