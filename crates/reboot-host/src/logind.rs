//! logind and the service manager, over the system bus: org.freedesktop.login1(5),
//! org.freedesktop.systemd1(5).
//!
//! Each call opens a connection of its own and closes it again: calls are rare and an idle
//! connection takes memory.

use crate::error::HostError;
use std::future::Future;
use std::time::Duration;
use zbus::connection::Builder;
use zbus::{Connection, Message, OwnedVariant, fdo};

/// How long a call may take, connecting included.
const DEADLINE: Duration = Duration::from_secs(5);

/// logind's flag for a restart of user space alone; before systemd 254 it refuses it.
const SOFT_REBOOT: u64 = 1 << 2;

/// Where a service is found on the bus.
struct Service {
    name: &'static str,
    path: &'static str,
    interface: &'static str,
}

const LOGIND: Service = Service {
    name: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};

const SYSTEMD: Service = Service {
    name: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

/// The system bus, as far as it can reboot the machine or forbid it.
#[derive(Clone, Debug)]
pub struct Logind {
    address: Option<String>,
    deadline: Duration,
}

/// Somebody who does not want the machine to go down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inhibitor {
    /// What is held up, separated by colons: `shutdown:sleep`.
    pub what: String,
    /// Who does it.
    pub who: String,
    /// Why.
    pub why: String,
    /// `block`, `block-weak` or `delay`.
    pub mode: String,
}

// === impl Logind ===

impl Logind {
    /// The system bus at this address, or where the system has it. Nothing is opened yet.
    pub fn new(address: Option<String>) -> Self {
        Self {
            address,
            deadline: DEADLINE,
        }
    }

    /// Gives calls this long, connecting included, instead of 5 s.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Asks logind for a reboot.
    ///
    /// # Errors
    /// [`HostError::Bus`]: certainly not done. [`HostError::BusUnknown`]: it may be under way.
    pub async fn reboot(&self) -> Result<(), HostError> {
        let may_ask_a_user = (false,);
        let reply = self.call(&LOGIND, LOGIND.interface, "Reboot", &may_ask_a_user);
        reply.await.map(drop)
    }

    /// Asks logind to restart user space without the kernel (systemd 254 and later). systemd's own
    /// `SoftReboot` would stop no service: it kills whatever runs.
    ///
    /// # Errors
    /// As for [`Logind::reboot`].
    pub async fn soft_reboot(&self) -> Result<(), HostError> {
        let flags = (SOFT_REBOOT,);
        let reply = self.call(&LOGIND, LOGIND.interface, "RebootWithFlags", &flags);
        reply.await.map(drop)
    }

    /// Those who block the machine's going down; the ones who only delay it are left out.
    ///
    /// # Errors
    /// When logind does not answer, or with something else.
    pub async fn inhibitors(&self) -> Result<Vec<Inhibitor>, HostError> {
        type Row = (String, String, String, String, u32, u32);
        let reply = self.call(&LOGIND, LOGIND.interface, "ListInhibitors", &());
        let reply = reply.await?;
        let rows: Vec<Row> = read(&reply, &LOGIND, "ListInhibitors")?;
        let inhibitors = rows
            .into_iter()
            .map(|(what, who, why, mode, ..)| Inhibitor {
                what,
                who,
                why,
                mode,
            });
        Ok(inhibitors.filter(Inhibitor::blocks_shutdown).collect())
    }

    /// How often systemd has restarted user space without the kernel since the boot; `None`
    /// where it does not count (before systemd 254).
    ///
    /// # Errors
    /// When systemd does not answer, or with something else.
    pub async fn soft_reboots(&self) -> Result<Option<u64>, HostError> {
        let properties = "org.freedesktop.DBus.Properties";
        let wanted = (SYSTEMD.interface, "SoftRebootsCount");
        let reply = match self.call(&SYSTEMD, properties, "Get", &wanted).await {
            Err(HostError::Bus { cause, .. }) if is_unknown_property(&cause) => return Ok(None),
            reply => reply?,
        };
        let value: OwnedVariant = read(&reply, &SYSTEMD, "Get")?;
        let count = u32::try_from(&value).map_err(|error| bus(&SYSTEMD, "Get", &error))?;
        Ok(Some(u64::from(count)))
    }

    async fn call(
        &self,
        service: &'static Service,
        interface: &'static str,
        method: &'static str,
        body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) -> Result<Message, HostError> {
        let connection = self.in_time(self.connect()).await.unwrap_or_else(Err);
        let connection = connection.map_err(|error| bus(service, method, &error))?;
        let call = connection.call_method(
            Some(service.name),
            service.path,
            Some(interface),
            method,
            body,
        );
        match self.in_time(call).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) if is_refusal(&error) => Err(bus(service, method, &error)),
            Ok(Err(error)) | Err(error) => Err(HostError::BusUnknown {
                call: method,
                service: service.name,
                cause: error.to_string(),
            }),
        }
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        let builder = match &self.address {
            Some(address) => Builder::address(address.as_str()),
            None => Builder::system(),
        };
        builder.build().await
    }

    /// The outer error means that time ran out.
    async fn in_time<T>(&self, future: impl Future<Output = T>) -> Result<T, zbus::Error> {
        let late = |_| zbus::Error::Failure(format!("no answer within {:?}", self.deadline));
        tokio::time::timeout(self.deadline, future)
            .await
            .map_err(late)
    }
}

// === impl Inhibitor ===

impl Inhibitor {
    fn blocks_shutdown(&self) -> bool {
        self.mode.starts_with("block") && self.what.split(':').any(|what| what == "shutdown")
    }
}

fn read<T>(reply: &Message, service: &'static Service, call: &'static str) -> Result<T, HostError>
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    let body = reply.body();
    body.deserialize()
        .map_err(|error| bus(service, call, &error))
}

fn bus(service: &'static Service, call: &'static str, error: &dyn std::error::Error) -> HostError {
    HostError::Bus {
        call,
        service: service.name,
        cause: error.to_string(),
    }
}

/// Whether the service, or the bus in its place, has said no: then nothing was done.
fn is_refusal(error: &zbus::Error) -> bool {
    use fdo::Error as Fdo;
    match error {
        zbus::Error::MethodError(..) => true,
        zbus::Error::FDO(error) => !matches!(
            **error,
            Fdo::NoReply(_) | Fdo::Timeout(_) | Fdo::TimedOut(_) | Fdo::Disconnected(_)
        ),
        _ => false,
    }
}

fn is_unknown_property(cause: &str) -> bool {
    cause.contains("UnknownProperty") || cause.contains("Unknown property")
}
