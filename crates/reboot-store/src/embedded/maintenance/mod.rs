//! What an operator does with a store by hand: look inside, check, back up, restore.

mod backup;
mod check;
mod dump;
mod restore;

pub use backup::backup;
pub use check::{Report, check};
pub use dump::dump;
pub use restore::{Restored, Why, restore};
