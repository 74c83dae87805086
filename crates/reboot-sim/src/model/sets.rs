//! The searches of a run: what is explored whole, and how far.

use super::bounds::{Bounds, Special};

/// Searches of a continuous-integration run: about a minute on two cores.
pub fn short() -> Vec<Bounds> {
    let mut all = vec![
        // Every kind of trouble in one history of one node.
        Bounds {
            nodes: 1,
            together: 5,
            ..Bounds::BASE
        },
        // Three nodes: each kind to the full of its own bound, then any two together.
        Bounds {
            together: 1,
            ..Bounds::BASE
        },
        Bounds {
            lost: 0,
            pauses: 0,
            breaks: 0,
            changes: 0,
            ..Bounds::BASE
        },
        Bounds {
            nodes: 2,
            together: 2,
            ..Bounds::BASE
        },
        // Four nodes and two slots.
        Bounds {
            nodes: 4,
            max: 2,
            together: 0,
            ..Bounds::BASE
        },
    ];
    all.extend(SPECIALS.map(Bounds::special));
    all
}

/// Deeper searches, for machines with time and memory to spare.
pub fn deep() -> Vec<Bounds> {
    let mut all = vec![
        Bounds {
            nodes: 1,
            ..Bounds::BASE
        },
        Bounds {
            nodes: 2,
            together: 4,
            ..Bounds::BASE
        },
        Bounds {
            together: 2,
            ..Bounds::BASE
        },
        Bounds {
            nodes: 4,
            max: 2,
            together: 1,
            ..Bounds::BASE
        },
    ];
    all.extend(SPECIALS.map(|special| Bounds {
        together: 4,
        ..Bounds::special(special)
    }));
    all
}

const SPECIALS: [Special; 5] = [
    Special::SoftReboot,
    Special::Clone,
    Special::TwoAgents,
    Special::Restore,
    Special::Stop,
];
