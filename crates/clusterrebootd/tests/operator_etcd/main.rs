//! The operator commands on a real etcd: what they do on the embedded store they do there, test by
//! test.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

#[allow(dead_code)] // shared with the tests on the embedded store, which use all of it
#[path = "../commands/asking.rs"]
mod asking;
#[path = "../commands/fleet.rs"]
mod fleet;
#[path = "../commands/history.rs"]
mod history;
#[path = "../commands/lock.rs"]
mod lock;
mod place;
#[path = "../commands/planned.rs"]
mod planned;
#[path = "../commands/rebootlockctl.rs"]
mod rebootlockctl;
#[allow(dead_code)] // as above
#[path = "../commands/site.rs"]
mod site;
#[path = "../commands/watch.rs"]
mod watch;
