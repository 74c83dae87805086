//! Who asks the desk for a slot or gives one back: from where, in which role; and what is written
//! down of what it changes.

use crate::audit::{Audit, Deed};
use crate::doors::Who;
use crate::kind::{Kind, Refused};
use crate::peer::Peer;
use axum::extract::FromRequestParts;
use http::request::Parts;
use reboot_core::group::Reply;
use reboot_core::id::NodeName;
use reboot_core::write::{Trouble, Write, Written};
use std::fmt;
use std::sync::Arc;

/// One client, for the time of a request.
#[derive(Clone)]
pub struct Client {
    /// Who it says it is, and what it may do.
    pub who: Who,
    /// Where it is.
    pub peer: Peer,
    audit: Arc<dyn Audit>,
}

// === impl Client ===

impl Client {
    /// Refuses who may act neither for the node nor for the name that it gives itself.
    pub(crate) fn as_one_of(&self, node: &NodeName, id: &NodeName) -> Result<(), Refused> {
        let refused = |refused| self.who.for_node(id).map_err(|_| refused);
        self.who.for_node(node).or_else(refused)
    }

    /// Writes down what was asked of the store for it, unless there was nothing to do.
    pub(crate) fn record(&self, write: &Write, answer: &Result<Written, Trouble>) {
        if matches!(answer, Ok(Written::Granted(Reply::Done))) {
            return;
        }
        if let Some(deed) = Deed::of(&self.who, Some(self.peer.address), write, answer) {
            self.audit.done(&deed);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.who, self.peer.address)
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Refused;

    /// A route that stands behind no doors serves nobody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let all = &parts.extensions;
        let (who, peer) = (all.get::<Who>(), all.get::<Peer>());
        let (Some(who), Some(peer), Some(audit)) = (who, peer, all.get::<Arc<dyn Audit>>()) else {
            let text = "this route has no doors, or no record of changes: report this";
            return Err(Kind::InternalError.because(text));
        };
        Ok(Self {
            who: who.clone(),
            peer: peer.clone(),
            audit: audit.clone(),
        })
    }
}
