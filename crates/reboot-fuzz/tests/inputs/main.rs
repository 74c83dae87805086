//! Every text that somebody else may have written, given to the code that reads it.

mod configuration;
mod fleetlock;
mod hostile;
mod machine;
mod output;
mod records;
mod store;
mod windows;
mod words;
