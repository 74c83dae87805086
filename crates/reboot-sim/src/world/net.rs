//! The way between one machine and the store.

use super::World;
use reboot_core::write::Trouble;

/// What of a network does not get through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// Nothing, in neither direction.
    Both,
    /// What the machine asks.
    Requests,
    /// What the store answers.
    Replies,
}

/// The network of one machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Net {
    /// What is cut, and until when.
    pub cut: Option<(Cut, u64)>,
    /// So many writes are committed and their replies lost.
    pub replies_lost: u32,
    /// The next write is given up by its sender and committed so much later, in milliseconds.
    pub late_ms: Option<u64>,
    /// The next wake-up is lost.
    pub is_deaf: bool,
    /// The next wake-up comes twice.
    pub echoes: bool,
}

/// What becomes of a write on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Passage {
    /// It is committed and answered.
    Through,
    /// It never arrives, and its sender knows.
    Refused,
    /// Its sender hears nothing; whether it is committed.
    Silent(bool),
    /// Its sender hears nothing, and it is committed so much later, in milliseconds.
    Late(u64),
}

// === impl World ===

impl World {
    fn cut(&self, at: usize) -> Option<Cut> {
        let cut = self.machines[at].net.cut?;
        (cut.1 > self.now_ms).then_some(cut.0)
    }

    /// Why a look gets no answer, if it gets none.
    pub(super) fn look_trouble(&self, at: usize) -> Option<Trouble> {
        if self.store_down_until_ms > self.now_ms {
            return Some(Trouble::Unavailable("the store is down".to_owned()));
        }
        let trouble = Trouble::Unavailable("no answer".to_owned());
        self.cut(at).map(|_| trouble)
    }

    pub(super) fn passage(&mut self, at: usize) -> Passage {
        if self.store_down_until_ms > self.now_ms {
            return Passage::Refused;
        }
        match self.cut(at) {
            Some(Cut::Both) if self.random.chance(50) => return Passage::Refused,
            Some(Cut::Both | Cut::Requests) => return Passage::Silent(false),
            Some(Cut::Replies) => return Passage::Silent(true),
            None => {}
        }
        let net = &mut self.machines[at].net;
        if let Some(late_ms) = net.late_ms.take() {
            return Passage::Late(late_ms);
        }
        match net.replies_lost {
            0 => Passage::Through,
            count => {
                net.replies_lost = count - 1;
                Passage::Silent(true)
            }
        }
    }
}
