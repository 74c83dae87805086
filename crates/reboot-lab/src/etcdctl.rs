//! What operators do to a cluster, by their own tool.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tokio::process::Command;

use crate::etcd::{Etcd, ServerTls};
use crate::{Authority, Identity, LabError};

/// A user of etcd's own, with a role that has the user's name.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// The name of the user and of the role.
    pub name: &'a str,
    /// The password; empty for a user that only a certificate stands for.
    pub password: &'a str,
    /// What the role may do.
    pub grants: &'a [Grant<'a>],
}

/// What a role may do.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// What.
    pub access: Access,
    /// The key.
    pub key: &'a str,
    /// Whether it is for every key that begins so.
    pub prefix: bool,
}

/// What a role may do with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and watch.
    Read,
    /// Put and delete.
    Write,
    /// Both.
    ReadWrite,
}

/// How etcdctl is to be called.
pub(crate) struct Etcdctl {
    endpoints: Vec<String>,
    tls: Mutex<Vec<String>>,
    root_password: Mutex<Option<String>>,
}

// === impl Etcd ===

impl Etcd {
    /// Shows etcdctl a certificate, where the members want one.
    pub fn identify(&self, authority: &Authority, identity: &Identity) {
        let flag = |name: &str, path: &PathBuf| format!("--{name}={}", path.display());
        let flags = vec![
            flag("cacert", &authority.ca_file),
            flag("cert", &identity.cert),
            flag("key", &identity.key),
        ];
        *lock(&self.etcdctl.tls) = flags;
    }

    /// Turns authentication on, with a user root of this password and the users given.
    ///
    /// # Errors
    /// When etcdctl fails.
    pub async fn enable_auth(&self, password: &str, users: &[User<'_>]) -> Result<(), LabError> {
        let root = format!("root:{password}");
        self.etcdctl(&["user", "add", &root]).await?;
        self.etcdctl(&["user", "grant-role", "root", "root"])
            .await?;
        for user in users {
            self.add_user(user).await?;
        }
        self.etcdctl(&["auth", "enable"]).await?;
        *lock(&self.etcdctl.root_password) = Some(password.to_owned());
        Ok(())
    }

    /// How many leases run.
    ///
    /// # Errors
    /// When etcdctl fails.
    pub async fn count_leases(&self) -> Result<usize, LabError> {
        let list = self.etcdctl(&["lease", "list"]).await?;
        let is_lease = |line: &&str| !line.is_empty() && !line.starts_with("found");
        Ok(list.lines().filter(is_lease).count())
    }

    /// Adds a user, its role and its grants.
    ///
    /// # Errors
    /// When etcdctl fails.
    pub async fn add_user(&self, user: &User<'_>) -> Result<(), LabError> {
        let name = user.name;
        if user.password.is_empty() {
            self.etcdctl(&["user", "add", name, "--no-password"])
                .await?;
        } else {
            let login = format!("{name}:{}", user.password);
            self.etcdctl(&["user", "add", &login]).await?;
        }
        self.etcdctl(&["role", "add", name]).await?;
        for grant in user.grants {
            let access = grant.access.name();
            let mut arguments = vec!["role", "grant-permission", name, access, grant.key];
            arguments.extend(grant.prefix.then_some("--prefix=true"));
            self.etcdctl(&arguments).await?;
        }
        self.etcdctl(&["user", "grant-role", name, name]).await?;
        Ok(())
    }
}

// === impl Access ===

impl Access {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "readwrite",
        }
    }
}

// === impl Etcdctl ===

impl Etcdctl {
    pub(crate) fn new(endpoints: Vec<String>, tls: Option<&ServerTls>) -> Self {
        let trusting = tls.map(|_| "--insecure-skip-tls-verify".to_owned());
        Self {
            endpoints,
            tls: Mutex::new(trusting.into_iter().collect()),
            root_password: Mutex::new(None),
        }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String, LabError> {
        self.run_at(&self.endpoints.join(","), arguments).await
    }

    pub(crate) async fn run_at(
        &self,
        endpoint: &str,
        arguments: &[&str],
    ) -> Result<String, LabError> {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").kill_on_drop(true);
        command.args(["--endpoints", endpoint]).args(arguments);
        command.args(lock(&self.tls).as_slice());
        if let Some(password) = &*lock(&self.root_password) {
            command.arg(format!("--user=root:{password}"));
        }
        let output = command.output().await.map_err(|cause| LabError::Missing {
            program: "etcdctl".to_owned(),
            package: "etcd-client",
            cause,
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(LabError::Etcdctl {
            arguments: arguments.join(" "),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The number of a member, as etcdctl writes it.
    pub(crate) async fn member_id(&self, name: &str) -> Result<String, LabError> {
        let list = self.run(&["member", "list"]).await?;
        let mut members = list.lines().map(|line| line.split(", "));
        let found = members.find_map(|mut fields| {
            let id = fields.next()?;
            (fields.nth(1)? == name).then(|| id.to_owned())
        });
        found.ok_or_else(|| LabError::Etcdctl {
            arguments: "member list".to_owned(),
            output: format!("{name} is not in it:\n{list}"),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
