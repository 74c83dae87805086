//! The example health scripts of `packaging/health`, run with pretended tools, and the one for etcd
//! on a real cluster: each says yes only where it has seen that the reboot does no harm.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

mod ceph;
mod etcd;
mod galera;
mod guide;
mod kubernetes;
mod lab;
mod packages;
mod patroni;
mod rules;
mod stage;
mod systemd;
