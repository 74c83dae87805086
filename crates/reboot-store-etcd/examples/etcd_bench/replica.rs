//! A server of ours on etcd: a slot taken and given back, beside two bare transactions.

use crate::Outcome;
use crate::bare::Swap;
use crate::load::{self, Load};
use crate::served::Served;
use crate::{WARM_UP, nanos, node};
use reboot_lab::{Etcd, LabOptions};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

const CLIENTS: usize = 64;

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    clients: usize,
    /// One client alone.
    one: Load,
    many: Load,
    /// Two compare-and-swaps, one after the other, in nanoseconds.
    floor: Vec<u64>,
}

pub(crate) async fn measure(program: &Path, samples: usize) -> Outcome<Report> {
    let dir = TempDir::new()?;
    let etcd = Etcd::single(&LabOptions::default()).await?;
    let endpoints = etcd.endpoints().join(", ");
    let store = format!("{{etcd: {{endpoints: [{endpoints}]}}}}");
    let groups = format!("{{default: {{max: {CLIENTS}}}}}");
    let served = Served::start(program, dir.path(), &store, &groups).await?;
    load::pairs(&served.address, 1, WARM_UP).await?;
    let one = load::pairs(&served.address, 1, samples).await?;
    let floor = floor(&etcd, samples).await?;
    let many = load::pairs(&served.address, CLIENTS, samples.div_ceil(10)).await?;
    Ok(Report {
        clients: CLIENTS,
        one,
        many,
        floor,
    })
}

async fn floor(etcd: &Etcd, samples: usize) -> Outcome<Vec<u64>> {
    let mut swap = Swap::new(node::connect(etcd)?, "bare");
    let mut took = Vec::new();
    for sample in 0..WARM_UP + samples {
        let from = Instant::now();
        swap.swap().await?;
        swap.swap().await?;
        if sample >= WARM_UP {
            took.push(nanos(from));
        }
    }
    Ok(took)
}
