//! Cluster policies: whether the rest of the fleet is well enough for this node to go down.

use crate::id::NodeName;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

/// How many peers a message names before it only counts them.
const NAMED_PEERS_MAX: usize = 5;

/// How much of a peer's own words a message repeats, in characters.
const REASON_CHARS_MAX: usize = 120;

/// A peer: another node of the fleet.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Peer {
    /// Its name.
    pub node: NodeName,
    /// How it counts.
    pub standing: Standing,
}

/// How a peer counts.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// It says it is healthy, and said so lately.
    Healthy,
    /// It says it is not.
    Unhealthy {
        /// Which run of its health script said so (`RC_PHASE`).
        stage: String,
        /// Why.
        reason: String,
    },
    /// It has not said anything lately, and is not known to be rebooting.
    Stale,
    /// It holds durably, within its deadline: rebooting as agreed. It counts as not healthy in the
    /// thresholds and is no obstacle in itself.
    Down,
    /// It holds durably, past its deadline.
    Overdue,
}

/// A share of the known nodes, above 0 and up to 1.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Fraction {
    /// The bits of the number, which is never NaN or negative, so equal bits are equal numbers.
    bits: u64,
}

/// Why a number is not a [`Fraction`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a fraction of nodes: write a number above 0, up to 1, such as 0.75")]
pub struct BadFraction(pub f64);

/// What the operator demands of the fleet before a node may go down.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Policies {
    /// The least share of the known nodes that must be healthy, this node counted as healthy.
    pub min_healthy_fraction: Option<Fraction>,
    /// The least number of nodes that must be healthy, this node counted as healthy.
    pub min_healthy_absolute: Option<u32>,
    /// Whether a healthy node outside `fallback_nodes` must be left while this node is down.
    pub forbid_if_only_fallback_left: bool,
    /// The nodes that cannot carry the load alone.
    pub fallback_nodes: BTreeSet<NodeName>,
}

/// A reason that keeps this node from going down.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PolicyBlock {
    /// Other nodes are unhealthy, stale or overdue.
    Peers {
        /// All of them, by name. The message names five.
        peers: Vec<Peer>,
    },
    /// Fewer healthy nodes than `min_healthy_fraction` demands.
    MinHealthyFraction {
        /// Healthy nodes, this one counted.
        healthy: u64,
        /// Known nodes, this one counted.
        known: u64,
        /// How many must be healthy.
        required: u64,
        /// The setting.
        fraction: Fraction,
    },
    /// Fewer healthy nodes than `min_healthy_absolute` demands.
    MinHealthyAbsolute {
        /// Healthy nodes, this one counted.
        healthy: u64,
        /// Known nodes, this one counted.
        known: u64,
        /// How many must be healthy.
        required: u64,
    },
    /// While this node is down no healthy node outside the fallback nodes would be left.
    OnlyFallbackLeft {
        /// The healthy fallback nodes that would be left, by name.
        left: Vec<NodeName>,
    },
}

/// Every reason that keeps `me` from going down: first the peers that block by themselves, then
/// the share, the number, and the fallback nodes. None means it may go.
///
/// A peer named `me` is this node's own record and is passed over; of several records of one peer
/// the worst counts.
pub fn blocks(policies: &Policies, me: &NodeName, peers: &[Peer]) -> Vec<PolicyBlock> {
    let peers = others(me, peers);
    let healthy_peers = peers
        .iter()
        .filter(|peer| peer.standing == Standing::Healthy)
        .count();
    let healthy = 1 + healthy_peers as u64;
    let known = 1 + peers.len() as u64;
    let found = [
        blocking_peers(&peers),
        too_small_a_share(policies, healthy, known),
        too_few(policies, healthy, known),
        only_fallback_left(policies, &peers),
    ];
    found.into_iter().flatten().collect()
}

/// The peers without this node, each once, by name.
fn others<'a>(me: &NodeName, peers: &'a [Peer]) -> Vec<&'a Peer> {
    let mut others: Vec<&Peer> = peers.iter().filter(|peer| peer.node != *me).collect();
    others.sort_by_key(|peer| (&peer.node, Reverse(peer.standing.badness())));
    others.dedup_by_key(|peer| &peer.node);
    others
}

fn blocking_peers(peers: &[&Peer]) -> Option<PolicyBlock> {
    let blocking = peers.iter().filter(|peer| peer.standing.blocks());
    let peers: Vec<Peer> = blocking.map(|peer| (*peer).clone()).collect();
    (!peers.is_empty()).then_some(PolicyBlock::Peers { peers })
}

fn too_small_a_share(policies: &Policies, healthy: u64, known: u64) -> Option<PolicyBlock> {
    let fraction = policies.min_healthy_fraction?;
    let required = fraction.required(known);
    (healthy < required).then_some(PolicyBlock::MinHealthyFraction {
        healthy,
        known,
        required,
        fraction,
    })
}

fn too_few(policies: &Policies, healthy: u64, known: u64) -> Option<PolicyBlock> {
    let required = u64::from(policies.min_healthy_absolute?);
    (healthy < required).then_some(PolicyBlock::MinHealthyAbsolute {
        healthy,
        known,
        required,
    })
}

fn only_fallback_left(policies: &Policies, peers: &[&Peer]) -> Option<PolicyBlock> {
    let left = peers
        .iter()
        .filter(|peer| peer.standing == Standing::Healthy);
    let left: Vec<NodeName> = left.map(|peer| peer.node.clone()).collect();
    let is_only_fallback = left
        .iter()
        .all(|node| policies.fallback_nodes.contains(node));
    (policies.forbid_if_only_fallback_left && is_only_fallback)
        .then_some(PolicyBlock::OnlyFallbackLeft { left })
}

// === impl Standing ===

impl Standing {
    /// Whether a peer of this standing keeps every other node from going down.
    pub fn blocks(&self) -> bool {
        match self {
            Self::Healthy | Self::Down => false,
            Self::Unhealthy { .. } | Self::Stale | Self::Overdue => true,
        }
    }

    fn badness(&self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Down => 1,
            Self::Stale => 2,
            Self::Unhealthy { .. } => 3,
            Self::Overdue => 4,
        }
    }
}

// === impl Peer ===

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        match &self.standing {
            Standing::Healthy => write!(f, "{node} is healthy"),
            Standing::Unhealthy { stage, reason } => {
                let words = [stage, reason].map(|text| one_line(text)).join(": ");
                write!(f, "{node} is unhealthy ({words})")
            }
            Standing::Stale => {
                write!(
                    f,
                    "{node} has not reported lately (bring it back, or forget it)"
                )
            }
            Standing::Down => write!(f, "{node} is rebooting"),
            Standing::Overdue => {
                write!(
                    f,
                    "{node} is overdue from its reboot (bring it back, or break its hold)"
                )
            }
        }
    }
}

/// A script's words, safe to put into a message: one line, of bounded length.
fn one_line(text: &str) -> String {
    let text = text.trim();
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(REASON_CHARS_MAX).map(plain).collect();
    if text.chars().nth(REASON_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

// === impl Fraction ===

impl Fraction {
    /// Checks the number.
    ///
    /// # Errors
    /// [`BadFraction`] when it is not above 0 and up to 1.
    pub fn new(number: f64) -> Result<Self, BadFraction> {
        if number > 0.0 && number <= 1.0 {
            Ok(Self {
                bits: number.to_bits(),
            })
        } else {
            Err(BadFraction(number))
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.bits)
    }

    /// How many of so many known nodes it demands: the share rounded up, reckoned exactly on the
    /// number as it is written, since 0.07 × 100 is 7 and in floating point a little more.
    pub fn required(self, known: u64) -> u64 {
        // The shortest text of a float is what an operator wrote: digits of a whole number below
        // 10^17, and the power of ten that it is divided by.
        let written = self.to_string();
        let decimals = written.split_once('.').map_or("", |(_, decimals)| decimals);
        let digits = written.bytes().filter(u8::is_ascii_digit);
        let numerator = digits.fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let power = u32::try_from(decimals.len())
            .ok()
            .and_then(|len| 10_u128.checked_pow(len));
        // Past that power of ten the share of any number of nodes is less than one node.
        let required = power.map_or(1, |power| (numerator * u128::from(known)).div_ceil(power));
        // Never more than there are, as the fraction is at most 1.
        u64::try_from(required).map_or(known, |required| required.min(known))
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl fmt::Debug for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fraction({self})")
    }
}

// === impl PolicyBlock ===

impl PolicyBlock {
    /// The reason as a word for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Peers { .. } => "peers",
            Self::MinHealthyFraction { .. } => "min_healthy_fraction",
            Self::MinHealthyAbsolute { .. } => "min_healthy_absolute",
            Self::OnlyFallbackLeft { .. } => "only_fallback_left",
        }
    }
}

impl fmt::Display for PolicyBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peers { peers } => f.write_str(&listed(peers)),
            Self::MinHealthyFraction {
                healthy,
                known,
                required,
                fraction,
            } => {
                write!(
                    f,
                    "{} (min_healthy_fraction {fraction})",
                    short(*healthy, *known, *required)
                )
            }
            Self::MinHealthyAbsolute {
                healthy,
                known,
                required,
            } => {
                write!(
                    f,
                    "{} (min_healthy_absolute {required})",
                    short(*healthy, *known, *required)
                )
            }
            Self::OnlyFallbackLeft { left } if left.is_empty() => f.write_str(
                "no healthy node would be left while this one is down \
                 (forbid_if_only_fallback_left)",
            ),
            Self::OnlyFallbackLeft { left } => write!(
                f,
                "only fallback nodes would be left while this one is down: {} \
                 (forbid_if_only_fallback_left)",
                listed(left)
            ),
        }
    }
}

fn short(healthy: u64, known: u64, required: u64) -> String {
    let nodes = if known == 1 { "node" } else { "nodes" };
    let are = |count: u64| if count == 1 { "is" } else { "are" };
    let (are_healthy, are_required) = (are(healthy), are(required));
    format!(
        "{healthy} of {known} known {nodes} {are_healthy} healthy, {required} {are_required} \
         required"
    )
}

/// The first few, and how many more there are.
fn listed(items: &[impl fmt::Display]) -> String {
    let named: Vec<String> = items
        .iter()
        .take(NAMED_PEERS_MAX)
        .map(|item| item.to_string())
        .collect();
    let named = named.join(", ");
    match items.len().saturating_sub(NAMED_PEERS_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
