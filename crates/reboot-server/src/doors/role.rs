//! What somebody may do.

use crate::kind::{Kind, Refused};
use reboot_core::group::{Action, Pause};
use reboot_core::id::{Instance, NodeName, SessionId};
use reboot_core::order::OrderEnd;
use reboot_core::write::Write;
use std::fmt;
use std::str::FromStr;

/// What somebody may do. Everybody who may do anything may look.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// Look, and no more.
    Read,
    /// Act for one node.
    Node(NodeName),
    /// Act for any node.
    AnyNode,
    /// Everything.
    Operator,
}

/// Why a text is no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no role: write read, node:NAME, node:* or operator")]
pub struct BadRole(String);

/// Who asks.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Who {
    /// The name, for people.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// How that is known.
    pub known_by: KnownBy,
}

/// How somebody is known.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KnownBy {
    /// Nobody is asked who they are.
    Nothing,
    /// A bearer token.
    Token,
    /// A name and a password.
    Password,
    /// A client certificate.
    Certificate,
}

/// For whom a write must be allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    /// This node.
    Node(NodeName),
    /// The node whose lease this is.
    OwnerOf(SessionId),
    /// The node whose run this is.
    OwnerOfRun(Instance),
    /// Operators.
    Operator,
}

// === impl Role ===

impl Role {
    fn may_act_for(&self, node: &NodeName) -> bool {
        match self {
            Self::Operator | Self::AnyNode => true,
            Self::Node(own) => own == node,
            Self::Read => false,
        }
    }
}

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        match (text, text.strip_prefix("node:")) {
            ("read", _) => Ok(Self::Read),
            ("operator", _) => Ok(Self::Operator),
            (_, Some("*")) => Ok(Self::AnyNode),
            (_, Some(node)) => {
                let node = NodeName::new(node).map_err(|_| BadRole(text.to_owned()))?;
                Ok(Self::Node(node))
            }
            _ => Err(BadRole(text.to_owned())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Node(node) => write!(f, "node:{node}"),
            Self::AnyNode => f.write_str("node:*"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

// === impl KnownBy ===

impl KnownBy {
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Token => "token",
            Self::Password => "password",
            Self::Certificate => "certificate",
        }
    }
}

// === impl Who ===

impl Who {
    /// Whoever comes, where nobody is asked.
    pub fn anybody() -> Self {
        Self {
            name: "anybody".to_owned(),
            role: Role::Operator,
            known_by: KnownBy::Nothing,
        }
    }

    /// Refuses who may not act for this node.
    ///
    /// # Errors
    /// `forbidden`, with what would be needed.
    pub fn for_node(&self, node: &NodeName) -> Result<(), Refused> {
        match self.role.may_act_for(node) {
            true => Ok(()),
            false => Err(self.may_not(&format!(
                "act for {node}: show a secret of role node:{node}"
            ))),
        }
    }

    /// Refuses who may only look.
    ///
    /// # Errors
    /// `forbidden`, with what would be needed.
    pub fn as_node(&self) -> Result<(), Refused> {
        match self.role {
            Role::Operator | Role::AnyNode | Role::Node(_) => Ok(()),
            Role::Read => Err(self.may_not("change anything: show a secret of another role")),
        }
    }

    /// Refuses who is no operator.
    ///
    /// # Errors
    /// `forbidden`, with what would be needed.
    pub fn as_operator(&self) -> Result<(), Refused> {
        match self.role {
            Role::Operator => Ok(()),
            Role::Read | Role::Node(_) | Role::AnyNode => Err(self.may_not(
                "do this: show a secret of role operator (clusterrebootd: with --config \
                     FILE, a file that names such a secret)",
            )),
        }
    }

    fn may_not(&self, what: &str) -> Refused {
        let Self { name, role, .. } = self;
        Kind::Forbidden.because(format!("{name} (role {role}) may not {what}"))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (role {})", self.name, self.role)
    }
}

// === impl Needs ===

impl Needs {
    /// For whom this write must be allowed.
    pub(crate) fn of(write: &Write) -> Self {
        match write {
            Write::OpenSession { identity, .. } => Self::node(&identity.node),
            Write::KeepSession { session } | Write::EndSession { session } => {
                Self::OwnerOf(session.clone())
            }
            Write::EndInstance { instance } => Self::OwnerOfRun(instance.clone()),
            Write::Publish { record, .. } => Self::node(&record.node),
            Write::Undone { node, .. } | Write::Leave { node, .. } => Self::node(node),
            Write::Join { ticket, .. } => Self::node(&ticket.node),
            Write::Ask { request, .. } => Self::of_action(&request.action),
            Write::EndOrder { node, end, .. } => match end {
                OrderEnd::Fulfilled { .. } => Self::node(node),
                OrderEnd::Cancelled { .. } => Self::Operator,
            },
            Write::Forget { .. } | Write::PauseFleet { .. } | Write::Order { .. } => Self::Operator,
        }
    }

    fn of_action(action: &Action) -> Self {
        match action {
            Action::Claim(claim) => Self::node(&claim.identity.node),
            Action::Admit(guest) if guest.id.is_none() => Self::node(&guest.node),
            Action::Steady { node, id: None } => Self::node(node),
            // Which client is which node, this server's own configuration says.
            Action::Admit(_) | Action::Steady { .. } => Self::Operator,
            Action::Drain { owner, .. }
            | Action::Fence { owner, .. }
            | Action::Return { owner, .. }
            | Action::Release { owner, .. } => Self::node(&owner.node),
            // A hold is not handed from one node to another.
            Action::Adopt {
                owner, identity, ..
            } if owner.node == identity.node => Self::node(&owner.node),
            Action::Adopt { .. }
            | Action::Break { .. }
            | Action::SetMax { .. }
            | Action::Pause(_)
            | Action::Resume { .. }
            | Action::HoldBack { .. }
            | Action::LetGo { .. } => Self::Operator,
        }
    }

    /// The leases of pauses bear a name that is no node's.
    pub(crate) fn node(node: &NodeName) -> Self {
        match *node == Pause::keeper() {
            true => Self::Operator,
            false => Self::Node(node.clone()),
        }
    }
}
