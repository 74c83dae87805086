//! A store that could not be opened, for passes that report it instead of ending without a word.

use async_trait::async_trait;
use reboot_core::fleet::Fleet;
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::{Interest, Store};

/// Answers everything with the reason why there is no store.
pub(crate) struct Unreachable(pub(crate) String);

// === impl Unreachable ===

impl Unreachable {
    fn trouble<T>(&self) -> Result<T, Trouble> {
        Err(Trouble::Unavailable(self.0.clone()))
    }
}

#[async_trait]
impl Store for Unreachable {
    fn describe(&self) -> String {
        "no store".to_owned()
    }

    async fn write(&self, _: Write) -> Result<Written, Trouble> {
        self.trouble()
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        self.trouble()
    }

    async fn changed(&self, _: &Interest, _: u64) -> Result<(), Trouble> {
        self.trouble()
    }

    async fn history(&self, _: &GroupName, _: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        self.trouble()
    }
}
