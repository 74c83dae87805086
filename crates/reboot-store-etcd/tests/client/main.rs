//! The client on real etcd: what it does, and what it says when it cannot.

mod basics;
mod failover;
mod support;
mod watching;
