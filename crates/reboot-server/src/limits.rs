//! How many requests a second one address may make, and how many connections it may have.

use crate::kind::{Kind, Refused};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// So many addresses are known at once; when there are more, those that are quiet are forgotten.
const ADDRESSES_MAX: usize = 16 * 1024;
/// A burst of so many seconds' worth of requests is let through.
const BURST_SECS: f64 = 2.0;

/// What each address has left.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// How many connections each address has.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<HashMap<IpAddr, usize>>);

/// One connection among those of its address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    crowd: Arc<Crowd>,
    network: IpAddr,
}

// === impl Crowd ===

impl Crowd {
    /// Lets a connection in; none when its address has so many already, 0 is without limit.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Guest> {
        let network = network(address);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(network).or_default();
        if max > 0 && *count >= max {
            return None;
        }
        *count += 1;
        let crowd = self.clone();
        Some(Guest { crowd, network })
    }
}

// === impl Guest ===

impl Drop for Guest {
    fn drop(&mut self) {
        let all = &self.crowd.0;
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.network);
            }
        }
    }
}

// === impl Rates ===

impl Rates {
    /// Counts a request.
    ///
    /// # Errors
    /// `too_many_requests` when the address made too many; `per_second` 0 is without limit.
    pub(crate) fn count(&self, address: IpAddr, per_second: u32) -> Result<(), Refused> {
        self.count_at(Instant::now(), address, per_second)
    }

    fn count_at(&self, now: Instant, address: IpAddr, per_second: u32) -> Result<(), Refused> {
        if per_second == 0 {
            return Ok(());
        }
        let rate = f64::from(per_second);
        let full = rate * BURST_SECS;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES_MAX {
            all.retain(|_, bucket| bucket.refilled(now, rate) < full);
        }
        let fresh = Bucket {
            left: full,
            at: now,
        };
        let bucket = all.entry(network(address)).or_insert(fresh);
        let left = bucket.refilled(now, rate).min(full);
        *bucket = Bucket {
            left: (left - 1.0).max(0.0),
            at: now,
        };
        match left >= 1.0 {
            true => Ok(()),
            false => Err(Kind::TooManyRequests.because(format!(
                "this address makes more than {per_second} requests a second: ask again later"
            ))),
        }
    }
}

// === impl Bucket ===

impl Bucket {
    fn refilled(&self, now: Instant, rate: f64) -> f64 {
        self.left + now.duration_since(self.at).as_secs_f64() * rate
    }
}

/// One customer of IPv6 has 2^64 addresses: they count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_rate() {
        let (rates, now) = (Rates::default(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..4 {
            rates.count_at(now, one, 2).unwrap();
        }
        let refused = rates.count_at(now, one, 2).unwrap_err();
        assert_eq!(refused.kind, Kind::TooManyRequests);
        rates.count_at(now, other, 2).unwrap();
        rates
            .count_at(now + Duration::from_secs(1), one, 2)
            .unwrap();
        rates.count_at(now, one, 0).unwrap();
    }

    #[test]
    fn neighbours_in_ipv6_are_one() {
        let (rates, now) = (Rates::default(), Instant::now());
        rates.count_at(now, address("2001:db8::1"), 1).unwrap();
        rates.count_at(now, address("2001:db8::2"), 1).unwrap();
        rates.count_at(now, address("2001:db8::3"), 1).unwrap_err();
        rates.count_at(now, address("2001:db8:0:1::1"), 1).unwrap();
        rates.count_at(now, address("::ffff:192.0.2.1"), 1).unwrap();
        rates.count_at(now, address("192.0.2.1"), 1).unwrap();
        rates.count_at(now, address("192.0.2.1"), 1).unwrap_err();
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let crowd = Arc::new(Crowd::default());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = crowd.enter(one, 2).unwrap();
        let second = crowd.enter(one, 2).unwrap();
        assert!(crowd.enter(one, 2).is_none());
        let third = crowd.enter(other, 2).unwrap();
        let fourth = crowd.enter(one, 0).unwrap();
        drop((first, fourth));
        let first = crowd.enter(one, 2).unwrap();
        drop((first, second, third));
        assert!(
            crowd.0.lock().unwrap().is_empty(),
            "nobody is kept for ever"
        );
    }

    #[test]
    fn quiet_addresses_are_forgotten() {
        let (rates, now) = (Rates::default(), Instant::now());
        for number in 0..ADDRESSES_MAX as u32 {
            let one = IpAddr::from(number.to_be_bytes());
            rates.count_at(now, one, 1).unwrap();
        }
        let later = now + Duration::from_secs(10);
        rates.count_at(later, address("192.0.2.1"), 1).unwrap();
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
