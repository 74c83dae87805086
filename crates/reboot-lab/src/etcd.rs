//! A cluster of real etcd members.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::LabError;
use crate::etcdctl::Etcdctl;
use crate::member::Member;
use crate::probe;
use crate::wires::Wires;

/// How long a cluster may take to come up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what is waited for is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often a fresh cluster is tried at other ports.
const TRIES: usize = 5;
/// Which binary to test against, instead of the one that the search path finds.
const PROGRAM_VARIABLE: &str = "CLUSTERREBOOTD_TEST_ETCD";

/// How members are to be run.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// How often a leader says that it lives, and how long followers wait for that. etcd's own
    /// 100 ms and 1 s, where not told otherwise; a single member, which cannot lose an election,
    /// is quicker.
    pub pace: Option<(Duration, Duration)>,
    /// Certificates of the client side; members speak to each other in the clear.
    pub tls: Option<ServerTls>,
    /// The loopback address.
    pub address: IpAddr,
    /// Members reach each other through a network that can be parted: see [`Etcd::part`].
    pub wires: bool,
    /// A second name of their host, by which members tell clients of them too.
    pub alias: Option<String>,
    /// More of etcd's flags.
    pub flags: Vec<String>,
    /// Which etcd: the one that CLUSTERREBOOTD_TEST_ETCD names or the search path finds, where
    /// not told otherwise.
    pub program: Option<String>,
}

/// The certificates of the client side.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// The server's certificate, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Whoever does not show a certificate of this authority is turned away.
    pub client_ca: Option<PathBuf>,
}

/// A cluster of real etcd members. They are killed, and their data deleted, when it is dropped.
pub struct Etcd {
    members: Vec<Member>,
    wires: Option<Wires>,
    options: LabOptions,
    pub(crate) etcdctl: Etcdctl,
    folder: TempDir,
}

// === impl LabOptions ===

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            pace: None,
            tls: None,
            address: Ipv4Addr::LOCALHOST.into(),
            wires: false,
            alias: None,
            flags: Vec::new(),
            program: None,
        }
    }
}

impl LabOptions {
    /// How long followers wait for their leader before they elect another.
    fn pace(&self, members: usize) -> (Duration, Duration) {
        let single = (Duration::from_millis(10), Duration::from_millis(100));
        let cluster = (Duration::from_millis(100), Duration::from_secs(1));
        self.pace
            .unwrap_or(if members == 1 { single } else { cluster })
    }
}

// === impl Etcd ===

impl Etcd {
    /// One member.
    ///
    /// # Errors
    /// When etcd is missing, or does not start.
    pub async fn single(options: &LabOptions) -> Result<Self, LabError> {
        Self::cluster(1, options).await
    }

    /// Several members, healthy when this returns.
    ///
    /// # Errors
    /// When etcd is missing, or does not start.
    pub async fn cluster(size: usize, options: &LabOptions) -> Result<Self, LabError> {
        let mut tries = 1;
        loop {
            let mut etcd = Self::prepare(size, options)?;
            etcd.start()?;
            match etcd.wait_healthy().await {
                Err(LabError::Ended { log, .. })
                    if log.contains("address already in use") && tries < TRIES =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    etcd.know_members().await?;
                    return Ok(etcd);
                }
            }
        }
    }

    fn prepare(size: usize, options: &LabOptions) -> Result<Self, LabError> {
        let folder = TempDir::with_prefix("etcd-")?;
        let program = options.program.clone().unwrap_or_else(program);
        let member = |index| Member::new(index, options.address, folder.path(), &program);
        let mut members = (0..size).map(member).collect::<Result<Vec<_>, _>>()?;
        let mut wires = options.wires.then(Wires::new);
        if let Some(wires) = &mut wires {
            for member in &mut members {
                member.front = wires.front(options.address, member.peer)?;
            }
        }
        let scheme = scheme(options);
        let endpoints = members.iter().map(|m| format!("{scheme}://{}", m.client));
        Ok(Self {
            etcdctl: Etcdctl::new(endpoints.collect(), options.tls.as_ref()),
            members,
            wires,
            options: options.clone(),
            folder,
        })
    }

    fn start(&mut self) -> Result<(), LabError> {
        let peers: Vec<_> = self.members.iter().map(peer).collect();
        let peers = peers.join(",");
        let size = self.members.len();
        for member in &mut self.members {
            let arguments = arguments(member, &self.options, size, &peers);
            member.start(arguments)?;
        }
        Ok(())
    }

    /// The wires tell members by their numbers, which etcd gives.
    async fn know_members(&self) -> Result<(), LabError> {
        let Some(wires) = &self.wires else {
            return Ok(());
        };
        let mut ids = Vec::new();
        for member in &self.members {
            ids.push(self.etcdctl.member_id(&member.name).await?);
        }
        wires.know(ids);
        Ok(())
    }

    /// What one member sends does not reach another, until [`Etcd::heal`]. Only with
    /// [`LabOptions::wires`].
    pub fn part(&self, from: usize, to: usize) {
        let wires = self.wires.iter();
        wires.for_each(|wires| wires.part(from, to));
    }

    /// All members reach each other again; what was held arrives.
    pub fn heal(&self) {
        self.wires.iter().for_each(Wires::heal);
    }

    /// How many members it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Where clients find each member, straight, as `http` or `https` addresses.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        let scheme = scheme(&self.options);
        let endpoint = |member: &Member| format!("{scheme}://{}", member.client);
        self.members.iter().map(endpoint).collect()
    }

    /// Where one member takes clients.
    #[must_use]
    pub fn client_address(&self, member: usize) -> SocketAddr {
        self.members[member].client
    }

    /// Where one member takes other members.
    #[must_use]
    pub fn peer_address(&self, member: usize) -> SocketAddr {
        self.members[member].peer
    }

    /// A folder that lives as long as the cluster, for a test's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a member keeps its data.
    #[must_use]
    pub fn data(&self, member: usize) -> &Path {
        &self.members[member].data
    }

    /// The process of a member that runs.
    #[must_use]
    pub fn pid(&self, member: usize) -> Option<u32> {
        self.members[member].pid()
    }

    /// Kills a member at once, as a power loss would. Its data stays.
    pub fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Ends a member in order, and waits until it is gone. Its data stays.
    ///
    /// # Errors
    /// When it does not run.
    pub fn terminate(&mut self, member: usize) -> Result<(), LabError> {
        Ok(self.members[member].terminate()?)
    }

    /// Stops a member where it stands: its connections stay open, and it says nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&self, member: usize) -> Result<(), LabError> {
        Ok(self.members[member].signal(Signal::SIGSTOP)?)
    }

    /// Lets a stopped member go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn cont(&self, member: usize) -> Result<(), LabError> {
        Ok(self.members[member].signal(Signal::SIGCONT)?)
    }

    /// Kills a member if it runs, and starts it with the data it has. It may take a while until
    /// it is healthy: see [`Etcd::wait_healthy`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self, member: usize) -> Result<(), LabError> {
        self.members[member].start_again()
    }

    /// Waits until every member that was started answers, and one of them leads.
    ///
    /// # Errors
    /// When a member ended by itself, or it takes longer than a minute.
    pub async fn wait_healthy(&mut self) -> Result<(), LabError> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_healthy().await {
            self.check_alive()?;
            self.pause(deadline, "a healthy cluster").await?;
        }
        Ok(())
    }

    /// The member that leads, as soon as one that answers does.
    ///
    /// # Errors
    /// When none does for a minute.
    pub async fn leader(&self) -> Result<usize, LabError> {
        self.leader_other_than(None).await
    }

    /// The member that leads, as soon as it is not `old`: after `old` was killed or stopped.
    ///
    /// # Errors
    /// When none does for a minute.
    pub async fn new_leader(&self, old: usize) -> Result<usize, LabError> {
        self.leader_other_than(Some(old)).await
    }

    /// Has another member lead, and tells which.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn move_leader(&self) -> Result<usize, LabError> {
        let old = self.leader().await?;
        let next = (old + 1) % self.size();
        let id = self.etcdctl.member_id(&self.members[next].name).await?;
        let endpoint = &self.endpoints()[old];
        self.etcdctl.run_at(endpoint, &["move-leader", &id]).await?;
        let deadline = Instant::now() + PATIENCE;
        while self.leader().await? != next {
            self.pause(deadline, "the leader that was asked for")
                .await?;
        }
        Ok(next)
    }

    /// Runs `etcdctl` on the whole cluster, as root where authentication is on, and returns what
    /// it prints.
    ///
    /// # Errors
    /// When it fails.
    pub async fn etcdctl(&self, arguments: &[&str]) -> Result<String, LabError> {
        self.etcdctl.run(arguments).await
    }

    /// What a member counts, as its metrics tell it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self, member: usize) -> Result<String, LabError> {
        Ok(probe::get(self.members[member].metrics, "/metrics").await?)
    }

    async fn leader_other_than(&self, old: Option<usize>) -> Result<usize, LabError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (index, member) in self.members.iter().enumerate() {
                if Some(index) != old && probe::health(member.metrics).await.leads {
                    return Ok(index);
                }
            }
            self.pause(deadline, "a leader").await?;
        }
    }

    async fn is_healthy(&self) -> bool {
        let mut leaders = 0;
        for member in self.members.iter().filter(|member| member.is_started()) {
            let health = probe::health(member.metrics).await;
            if !health.healthy {
                return false;
            }
            leaders += usize::from(health.leads);
        }
        leaders == 1
    }

    fn check_alive(&mut self) -> Result<(), LabError> {
        for (index, member) in self.members.iter_mut().enumerate() {
            if member.has_ended()? {
                return Err(self.explain_end(index));
            }
        }
        Ok(())
    }

    fn explain_end(&self, member: usize) -> LabError {
        let log = self.members[member].log();
        if log.contains("setpriv: failed to execute") {
            return LabError::Missing {
                program: self.members[member].program.clone(),
                package: "etcd-server",
                cause: std::io::ErrorKind::NotFound.into(),
            };
        }
        LabError::Ended { member, log }
    }

    /// Waits a moment before another look; the deadline is for what never comes.
    async fn pause(&self, deadline: Instant, what: &str) -> Result<(), LabError> {
        if Instant::now() < deadline {
            sleep(LOOK_INTERVAL).await;
            return Ok(());
        }
        let logs = self.members.iter().map(Member::log).collect::<Vec<_>>();
        Err(LabError::TooLate {
            what: what.to_owned(),
            secs: PATIENCE.as_secs(),
            logs: logs.join("\n---\n"),
        })
    }
}

/// Which etcd is tested against.
fn program() -> String {
    // The laboratory belongs to whoever runs the tests: nothing passes it a setting.
    #[allow(clippy::disallowed_methods)]
    let told = std::env::var(PROGRAM_VARIABLE);
    told.unwrap_or_else(|_| "etcd".to_owned())
}

fn scheme(options: &LabOptions) -> &'static str {
    match options.tls {
        Some(_) => "https",
        None => "http",
    }
}

fn peer(member: &Member) -> String {
    format!("{}=http://{}", member.name, member.front)
}

fn arguments(member: &Member, options: &LabOptions, size: usize, peers: &str) -> Vec<String> {
    let client = format!("{}://{}", scheme(options), member.client);
    let peer = format!("http://{}", member.peer);
    let front = format!("http://{}", member.front);
    let second = options.alias.iter();
    let second =
        second.map(|name| format!(",{}://{name}:{}", scheme(options), member.client.port()));
    let advertised = second.fold(client.clone(), |all, url| all + &url);
    let (heartbeat, election) = options.pace(size);
    let mut flags = vec![
        format!("--name={}", member.name),
        format!("--data-dir={}", member.data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={advertised}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={front}"),
        format!("--listen-metrics-urls=http://{}", member.metrics),
        format!("--initial-cluster={peers}"),
        "--initial-cluster-state=new".to_owned(),
        "--logger=zap".to_owned(),
        format!("--heartbeat-interval={}", heartbeat.as_millis()),
        format!("--election-timeout={}", election.as_millis()),
    ];
    if let Some(tls) = &options.tls {
        flags.push(format!("--cert-file={}", tls.cert.display()));
        flags.push(format!("--key-file={}", tls.key.display()));
        if let Some(ca) = &tls.client_ca {
            flags.push("--client-cert-auth".to_owned());
            flags.push(format!("--trusted-ca-file={}", ca.display()));
        }
    }
    flags.extend(options.flags.iter().cloned());
    flags
}
