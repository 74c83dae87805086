//! Metrics for Prometheus: every name and label of the contract, and where they are served.

mod labels;
mod listener;
mod process;
mod registry;

pub use labels::{
    Activity, CheckResult, Claim, Finding, Health, HealthState, Phase, Publication, Reading,
    Switch, WindowState,
};
pub use listener::Listener;
pub(crate) use registry::process_figures;
pub use registry::{Exposition, Metrics};
