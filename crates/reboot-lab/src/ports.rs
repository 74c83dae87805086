//! Loopback ports that nobody uses.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Below what the kernel gives to outgoing connections: none of those can take the port of a
/// member that is down for a while.
const LOWEST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port that is free now, and is not given out again by this process.
pub(crate) fn free(address: IpAddr) -> io::Result<u16> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    for _ in 0..COUNT {
        let port = LOWEST + drawn();
        if !given.contains(&port) && TcpListener::bind((address, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    let text = format!("no free port from {LOWEST} on: end what listens there");
    Err(io::Error::new(io::ErrorKind::AddrInUse, text))
}

fn drawn() -> u16 {
    let drawn = RandomState::new().hash_one(0) % u64::from(COUNT);
    u16::try_from(drawn).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_given_once() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let ports: Vec<_> = (0..50).map(|_| free(address).unwrap()).collect();
        let distinct: HashSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len());
        for port in ports {
            assert!((LOWEST..LOWEST + COUNT).contains(&port));
            TcpListener::bind((address, port)).unwrap();
        }
    }
}
