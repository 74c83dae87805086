//! Which member is asked: one at a time, the last good one first, the next when it fails.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::obstacle::{Obstacle, Obstacles};
use reboot_store::files::{FromFiles, LOOK_INTERVAL};
use reboot_store::tls::Tls;

/// The endpoints, and the connection in use.
pub(super) struct Pool {
    endpoints: Vec<Arc<Endpoint>>,
    certificates: Option<FromFiles<rustls::ClientConfig>>,
    connect_timeout: Duration,
    state: Mutex<State>,
    /// Held by whoever connects; it guards when the last round failed, and how.
    connecting: tokio::sync::Mutex<Option<(Instant, Obstacles)>>,
}

struct State {
    current: Option<Arc<Connection>>,
    /// The endpoint to try first.
    first: usize,
    /// Until when the connection in use will do, though its certificates are of yesterday: a
    /// better one could not be had.
    will_do_until: Option<Instant>,
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(endpoints: Vec<Endpoint>, tls: Option<Tls>, limit: Duration) -> Self {
        let any_tls = endpoints.iter().any(|endpoint| endpoint.tls);
        Self {
            certificates: any_tls.then(|| tls.unwrap_or_default().client(b"h2")),
            connect_timeout: limit,
            state: Mutex::new(State {
                current: None,
                first: anywhere(endpoints.len()),
                will_do_until: None,
            }),
            connecting: tokio::sync::Mutex::new(None),
            endpoints: endpoints.into_iter().map(Arc::new).collect(),
        }
    }

    /// How many endpoints there are.
    pub(super) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Where the connection in use leads.
    pub(super) fn endpoint(&self) -> Option<String> {
        let state = self.state();
        let connection = state.current.as_ref()?;
        Some(connection.endpoint.to_string())
    }

    /// The connection in use, or a new one to the first endpoint that can be used; each is tried
    /// once.
    pub(super) async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, Obstacles> {
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        let began = Instant::now();
        let Ok(mut last) = timeout_at(deadline, self.connecting.lock()).await else {
            return Err(self.still_connecting());
        };
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        match &*last {
            // While we waited, another tried them all.
            Some((when, obstacles)) if *when > began => return Err(obstacles.clone()),
            _ => {}
        }
        let connected = self.connect(deadline).await;
        *last = match &connected {
            Ok(_) => None,
            Err(obstacles) => Some((Instant::now(), obstacles.clone())),
        };
        connected
    }

    /// Has the next call go to the next endpoint. What still runs on this connection may finish.
    pub(super) fn give_up(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        let is_current = |current: &Arc<Connection>| Arc::ptr_eq(current, connection);
        if state.current.as_ref().is_some_and(is_current) {
            state.current = None;
            state.first = (connection.index + 1) % self.endpoints.len();
        }
    }

    /// The connection in use, while it is open and was made with the certificates of today.
    fn usable(&self) -> Option<Arc<Connection>> {
        let (connection, will_do_until) = {
            let state = self.state();
            (state.current.clone()?, state.will_do_until)
        };
        if connection.wire.is_closed() {
            return None;
        }
        let Some(used) = &connection.tls else {
            return Some(connection);
        };
        if will_do_until.is_some_and(|until| Instant::now() < until) {
            return Some(connection);
        }
        let current = self.certificates.as_ref()?.current().ok()?;
        Arc::ptr_eq(used, &current).then_some(connection)
    }

    async fn connect(&self, deadline: Instant) -> Result<Arc<Connection>, Obstacles> {
        let first = self.state().first;
        let mut obstacles = Obstacles::default();
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            match self.connect_to(index, deadline).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    let mut state = self.state();
                    state.current = Some(connection.clone());
                    state.first = index;
                    state.will_do_until = None;
                    return Ok(connection);
                }
                Err(obstacle) => obstacles.add(obstacle),
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        self.keep_old(obstacles)
    }

    /// Another call is at it, and no endpoint has answered yet.
    fn still_connecting(&self) -> Obstacles {
        let mut obstacles = Obstacles::default();
        for endpoint in &self.endpoints {
            let check = "check that etcd runs there, and that no firewall is between";
            obstacles.add(Obstacle::new(endpoint, "not connected in time", check));
        }
        obstacles
    }

    /// A connection made with yesterday's certificates is better than none.
    fn keep_old(&self, obstacles: Obstacles) -> Result<Arc<Connection>, Obstacles> {
        let mut state = self.state();
        if let Some(old) = state.current.clone()
            && !old.wire.is_closed()
        {
            state.will_do_until = Some(Instant::now() + LOOK_INTERVAL);
            return Ok(old);
        }
        state.current = None;
        Err(obstacles)
    }

    async fn connect_to(&self, index: usize, deadline: Instant) -> Result<Connection, Obstacle> {
        let endpoint = &self.endpoints[index];
        let tls = match &self.certificates {
            Some(certificates) if endpoint.tls => {
                let read = certificates.look_again();
                let unusable =
                    |error| Obstacle::new(endpoint, error, "check the file and who may read it");
                Some(read.map_err(unusable)?)
            }
            _ => None,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        Connection::open(endpoint, index, tls, left.min(self.connect_timeout)).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any of `count` places: a fleet with one configuration must not all go to the same member.
fn anywhere(count: usize) -> usize {
    let drawn = RandomState::new().hash_one(count);
    usize::try_from(drawn % count.max(1) as u64).unwrap_or_default()
}
