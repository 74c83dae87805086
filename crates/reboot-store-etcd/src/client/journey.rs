//! A call under way: within a deadline, to the next member where that is safe.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;

use super::Inner;
use super::connection::Connection;
use super::fault::Fault;
use super::judge::{self, Asked, Setback};
use super::login::{LoginFault, Token};
use super::obstacle::Obstacles;
use super::rpc::Extras;

/// What is to be done on whichever member can be reached.
pub(super) trait Errand: Sync {
    /// What comes of it.
    type Done: Send;

    /// Does it on one member.
    fn run(
        &self,
        connection: &Connection,
        extras: Extras,
    ) -> impl Future<Output = Result<Self::Done, Status>> + Send;
}

/// How long to wait after every member was asked in vain, at first. An election takes a second
/// or two.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long to wait between rounds at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A time limit beyond this is as good as none, and can still be added to the clock.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// A call under way: how long it may take, and what came in its way so far.
struct Journey {
    deadline: Instant,
    obstacles: Obstacles,
    /// Members asked since the last pause.
    asked: usize,
    pause: Duration,
    has_logged_in: bool,
}

// === impl Inner ===

impl Inner {
    /// Makes a call on one member after the other until one does it, or it may not go on.
    pub(super) async fn journey<E: Errand>(
        &self,
        asked: &Asked,
        errand: &E,
    ) -> Result<E::Done, Fault> {
        let mut journey = Journey::new(self.call_timeout);
        loop {
            let connected = self.pool.connection(journey.deadline).await;
            let connection = match connected {
                Ok(connection) => connection,
                Err(obstacles) => return Err(journey.end(obstacles)),
            };
            match self.attempt(&mut journey, asked, &connection, errand).await {
                Ok(done) => return Ok(done),
                Err(Setback::Final(fault)) => return Err(fault),
                Err(Setback::LogIn(_)) => journey.has_logged_in = true,
                Err(Setback::Elsewhere(obstacle)) => {
                    self.pool.give_up(&connection);
                    journey.obstacles.add(obstacle);
                    if !journey.goes_on(self.pool.len()).await {
                        return Err(journey.end(Obstacles::default()));
                    }
                }
            }
        }
    }

    /// One try on one member.
    async fn attempt<E: Errand>(
        &self,
        journey: &mut Journey,
        asked: &Asked,
        connection: &Arc<Connection>,
        errand: &E,
    ) -> Result<E::Done, Setback> {
        let token = self.token(journey, connection).await?;
        let limit = journey.limit(asked, self.pool.len());
        let extras = Extras {
            needs_leader: true,
            token: token.clone(),
        };
        let began = Instant::now();
        let endpoint = &connection.endpoint;
        let status = match timeout_at(limit, errand.run(connection, extras)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(status)) => status,
            Err(_) => {
                // It may be stopped, or cut off: the next call is better off elsewhere.
                self.pool.give_up(connection);
                let waited = began.elapsed().as_secs_f64();
                return Err(judge::timed_out(asked, endpoint, waited));
            }
        };
        let setback = judge::judge(&status, asked, endpoint, self.login.name());
        if let Setback::LogIn(fault) = &setback {
            self.login.forget(token.as_ref()).await;
            if journey.has_logged_in || !self.login.is_possible() {
                return Err(Setback::Final(fault.clone()));
            }
        }
        if connection.wire.is_closed() {
            self.pool.give_up(connection);
        }
        Err(setback)
    }

    /// The token for a call: what was asked for has not been sent yet.
    async fn token(
        &self,
        journey: &Journey,
        connection: &Connection,
    ) -> Result<Option<Token>, Setback> {
        let asked = Asked {
            what: "log in".to_owned(),
            repeatable: true,
        };
        let endpoint = &connection.endpoint;
        let limit = journey.limit(&asked, self.pool.len());
        let began = Instant::now();
        match timeout_at(limit, self.login.token(connection)).await {
            Ok(Ok(token)) => Ok(token),
            Ok(Err(LoginFault::Password(text))) => Err(Setback::Final(Fault::Denied(text))),
            Ok(Err(LoginFault::Status(status))) => {
                match judge::judge(&status, &asked, endpoint, self.login.name()) {
                    Setback::LogIn(fault) => Err(Setback::Final(fault)),
                    setback => Err(setback),
                }
            }
            Err(_) => {
                let waited = began.elapsed().as_secs_f64();
                Err(judge::timed_out(&asked, endpoint, waited))
            }
        }
    }
}

// === impl Journey ===

impl Journey {
    fn new(timeout: Duration) -> Self {
        Self {
            deadline: Instant::now() + timeout.min(LONGEST_CALL),
            obstacles: Obstacles::default(),
            asked: 0,
            pause: FIRST_PAUSE,
            has_logged_in: false,
        }
    }

    /// Until when one member may take. What may be asked twice leaves half of the time for the
    /// others; a write gets all of it, since nobody else may be asked afterwards.
    fn limit(&self, asked: &Asked, members: usize) -> Instant {
        if !asked.repeatable || members == 1 {
            return self.deadline;
        }
        let now = Instant::now();
        now + self.deadline.saturating_duration_since(now) / 2
    }

    /// After a member was asked in vain: whether to ask the next. A pause follows each round.
    async fn goes_on(&mut self, members: usize) -> bool {
        self.asked += 1;
        if self.asked >= members {
            self.asked = 0;
            let until = Instant::now() + self.pause;
            if until >= self.deadline {
                return false;
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        Instant::now() < self.deadline
    }

    fn end(mut self, last: Obstacles) -> Fault {
        self.obstacles.merge(last);
        self.obstacles.into_fault()
    }
}
