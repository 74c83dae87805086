//! The client on real etcd: what it does, and what it says when it cannot.

mod auth;
mod basics;
mod failover;
mod support;
mod tls;
mod watching;
mod weather;
