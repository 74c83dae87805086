//! Transactions: what is compared, what is done, what comes back.

use super::pb;
use super::pb::compare::{CompareResult, CompareTarget, TargetUnion};
use super::pb::request_op::Request;
use super::pb::response_op::Response;

/// So many operations stand on one level of a transaction.
const OPS_MAX: usize = 60;

/// One transaction: if every comparison holds, `then` is done, else `otherwise`; all of it or
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold. Nothing to compare: `then` is done.
    pub compares: Vec<Compare>,
    /// Done if every comparison holds. A key may be put once in it.
    pub then: Vec<Op>,
    /// Done if one does not.
    pub otherwise: Vec<Op>,
}

/// A comparison of a number that etcd keeps of a key, or of each key of a range, with our own.
///
/// A key that is not there has 0 in each. Of a range, each key that is there must satisfy it: an
/// empty range satisfies everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The revision of the last change: 0 if the key is not there.
    ModRevision {
        /// The key, or the first of the range.
        key: Vec<u8>,
        /// Where the range ends, itself not in it.
        end: Option<Vec<u8>>,
        /// How they must compare.
        is: Is,
        /// With what.
        revision: i64,
    },
    /// The revision of the change that made the key: 0 if the key is not there.
    CreateRevision {
        /// The key, or the first of the range.
        key: Vec<u8>,
        /// Where the range ends, itself not in it.
        end: Option<Vec<u8>>,
        /// How they must compare.
        is: Is,
        /// With what.
        revision: i64,
    },
    /// How often the key was put since it was made: 0 if it is not there.
    Version {
        /// The key, or the first of the range.
        key: Vec<u8>,
        /// Where the range ends, itself not in it.
        end: Option<Vec<u8>>,
        /// How they must compare.
        is: Is,
        /// With what.
        version: i64,
    },
    /// The lease that the key hangs on: 0 for none.
    Lease {
        /// The key, or the first of the range.
        key: Vec<u8>,
        /// Where the range ends, itself not in it.
        end: Option<Vec<u8>>,
        /// How they must compare.
        is: Is,
        /// With what.
        lease: i64,
    },
}

/// How what etcd has must compare with what is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// The same.
    Equal,
    /// What etcd has is less.
    Less,
    /// What etcd has is greater.
    Greater,
}

/// One thing to do in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read a key, or a range of them in the order of their names.
    Range {
        /// The key, or the first of the range.
        key: Vec<u8>,
        /// Where the range ends, itself not in it. See [`prefix_end`].
        end: Option<Vec<u8>>,
        /// Leave the values out.
        keys_only: bool,
        /// Only count.
        count_only: bool,
        /// At most so many; 0 for all.
        limit: i64,
        /// Only keys changed at this revision or later; 0 for all. They are counted all the same.
        min_mod_revision: i64,
        /// As it stood at this revision of the store; 0 for now.
        at_revision: i64,
    },
    /// Write a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// The lease with whose end it goes; 0 for none.
        lease: i64,
    },
    /// Delete a key, or a range of them.
    Delete {
        /// The key, or the first of the range.
        key: Vec<u8>,
        /// Where the range ends, itself not in it.
        end: Option<Vec<u8>>,
    },
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnAnswer {
    /// Whether every comparison held.
    pub succeeded: bool,
    /// The revision of the whole store after it.
    pub revision: i64,
    /// One for each thing that was done, in its order.
    pub results: Vec<OpResult>,
}

/// What one thing in a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// What a range holds.
    Range {
        /// The keys, in the order of their names.
        kvs: Vec<KeyValue>,
        /// How many keys there are, limit or not.
        count: i64,
    },
    /// A key was written.
    Put,
    /// Keys were deleted.
    Delete {
        /// How many.
        deleted: i64,
    },
}

/// A key, its value, and what etcd keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Vec<u8>,
    /// Its value; empty where only keys were asked for, and in the event of a deletion.
    pub value: Vec<u8>,
    /// The revision that made it; 0 in the event of a deletion.
    pub create_revision: i64,
    /// The revision that changed it last.
    pub mod_revision: i64,
    /// How often it was put since it was made; 0 in the event of a deletion.
    pub version: i64,
    /// The lease that it hangs on; 0 for none.
    pub lease: i64,
}

/// Where the range of all keys that begin with `prefix` ends.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // Nothing but 0xff, or nothing at all: etcd takes a zero byte for "to the last key".
    vec![0]
}

// === impl Txn ===

impl Txn {
    /// Whether it may change anything. What does not may be asked again at will.
    #[must_use]
    pub fn writes(&self) -> bool {
        let mut ops = self.then.iter().chain(&self.otherwise);
        ops.any(|op| !matches!(op, Op::Range { .. }))
    }

    /// Its ranges, if reading them is all that it ever does; else nothing.
    pub(super) fn lone_ranges(&self) -> Vec<pb::RangeRequest> {
        if !self.compares.is_empty() || self.writes() {
            return Vec::new();
        }
        let range = |op: &Op| match op.clone().encode().request {
            Some(Request::Range(range)) => Some(range),
            _ => None,
        };
        self.then
            .iter()
            .map(range)
            .collect::<Option<_>>()
            .unwrap_or_default()
    }

    pub(super) fn encode(self) -> pb::TxnRequest {
        pb::TxnRequest {
            compare: self.compares.into_iter().map(Compare::encode).collect(),
            success: encode_all(self.then),
            failure: encode_all(self.otherwise),
        }
    }
}

/// etcd takes at most 128 operations a level: what is more goes one level down, in transactions
/// without a condition.
fn encode_all(ops: Vec<Op>) -> Vec<pb::RequestOp> {
    let mut ops = ops.into_iter().map(Op::encode).collect::<Vec<_>>();
    if ops.len() <= OPS_MAX {
        return ops;
    }
    let mut parts = Vec::new();
    while !ops.is_empty() {
        let rest = ops.split_off(ops.len().min(OPS_MAX));
        let part = pb::TxnRequest {
            compare: Vec::new(),
            success: std::mem::replace(&mut ops, rest),
            failure: Vec::new(),
        };
        parts.push(pb::RequestOp {
            request: Some(Request::Txn(part)),
        });
    }
    parts
}

// === impl Compare ===

impl Compare {
    fn encode(self) -> pb::Compare {
        let (target, union, key, end, is) = match self {
            Self::ModRevision {
                key,
                end,
                is,
                revision,
            } => (
                CompareTarget::Mod,
                TargetUnion::ModRevision(revision),
                key,
                end,
                is,
            ),
            Self::CreateRevision {
                key,
                end,
                is,
                revision,
            } => (
                CompareTarget::Create,
                TargetUnion::CreateRevision(revision),
                key,
                end,
                is,
            ),
            Self::Version {
                key,
                end,
                is,
                version,
            } => (
                CompareTarget::Version,
                TargetUnion::Version(version),
                key,
                end,
                is,
            ),
            Self::Lease {
                key,
                end,
                is,
                lease,
            } => (
                CompareTarget::Lease,
                TargetUnion::Lease(lease),
                key,
                end,
                is,
            ),
        };
        pb::Compare {
            result: is.encode().into(),
            target: target.into(),
            key,
            range_end: end.unwrap_or_default(),
            target_union: Some(union),
        }
    }
}

// === impl Is ===

impl Is {
    fn encode(self) -> CompareResult {
        match self {
            Self::Equal => CompareResult::Equal,
            Self::Less => CompareResult::Less,
            Self::Greater => CompareResult::Greater,
        }
    }
}

// === impl Op ===

impl Op {
    fn encode(self) -> pb::RequestOp {
        let request = match self {
            Self::Range {
                key,
                end,
                keys_only,
                count_only,
                limit,
                min_mod_revision,
                at_revision,
            } => Request::Range(pb::RangeRequest {
                key,
                range_end: end.unwrap_or_default(),
                limit,
                revision: at_revision,
                keys_only,
                count_only,
                min_mod_revision,
            }),
            Self::Put { key, value, lease } => Request::Put(pb::PutRequest { key, value, lease }),
            Self::Delete { key, end } => Request::DeleteRange(pb::DeleteRangeRequest {
                key,
                range_end: end.unwrap_or_default(),
            }),
        };
        pb::RequestOp {
            request: Some(request),
        }
    }
}

// === impl TxnAnswer ===

impl TxnAnswer {
    /// Nothing if the answer does not hang together: it is not etcd's, then.
    pub(super) fn decode(answer: pb::TxnResponse) -> Option<Self> {
        let mut results = Vec::new();
        for response in answer.responses {
            OpResult::decode_into(&mut results, response)?;
        }
        Some(Self {
            succeeded: answer.succeeded,
            revision: answer.header?.revision,
            results,
        })
    }
}

// === impl OpResult ===

impl OpResult {
    pub(super) fn range(range: pb::RangeResponse) -> Self {
        Self::Range {
            kvs: range.kvs.into_iter().map(KeyValue::decode).collect(),
            count: range.count,
        }
    }

    /// What lies one level down counts as if it stood here.
    fn decode_into(results: &mut Vec<Self>, op: pb::ResponseOp) -> Option<()> {
        results.push(match op.response? {
            Response::Range(range) => Self::range(range),
            Response::Put(_) => Self::Put,
            Response::DeleteRange(delete) => Self::Delete {
                deleted: delete.deleted,
            },
            Response::Txn(txn) => {
                let mut parts = txn.responses.into_iter();
                return parts.try_for_each(|part| Self::decode_into(results, part));
            }
        });
        Some(())
    }
}

// === impl KeyValue ===

impl KeyValue {
    pub(super) fn decode(kv: pb::KeyValue) -> Self {
        Self {
            key: kv.key,
            value: kv.value,
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            lease: kv.lease,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_no_key_begins_with_it_any_more() {
        assert_eq!(prefix_end(b"/a/"), b"/a0");
        assert_eq!(prefix_end(b"a\xff\xff"), b"b");
        assert_eq!(prefix_end(b"\xff"), b"\0");
        assert_eq!(prefix_end(b""), b"\0");
    }

    #[test]
    fn only_what_changes_nothing_is_a_read() {
        let range = Op::Range {
            key: b"a".to_vec(),
            end: None,
            keys_only: false,
            count_only: false,
            limit: 0,
            min_mod_revision: 0,
            at_revision: 0,
        };
        let delete = Op::Delete {
            key: b"a".to_vec(),
            end: None,
        };
        let mut txn = Txn {
            then: vec![range.clone()],
            otherwise: vec![range],
            ..Txn::default()
        };
        assert!(!txn.writes());
        txn.otherwise.push(delete);
        assert!(txn.writes());
    }
}
