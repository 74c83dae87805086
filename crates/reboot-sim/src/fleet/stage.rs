//! In which stage a node truly is.

use super::fault::Stage;
use crate::world::World;
use reboot_core::agent::{self, Step};
use reboot_core::group::Phase;

/// In which stage a node is, by its machine, the store and what its agent has asked for.
pub(super) fn stage_of(world: &World, at: usize) -> Stage {
    let machine = &world.machines[at];
    if !machine.is_up {
        return Stage::Down;
    }
    let agent = machine.agent.as_ref();
    let asks = agent.is_some_and(|agent| agent.asked().is_some());
    match agent.map(|agent| &agent.stage).filter(|_| asks) {
        Some(agent::Stage::Claiming) => return Stage::ClaimInFlight,
        Some(agent::Stage::Holding(Step::Fencing { .. })) => return Stage::FenceInFlight,
        Some(agent::Stage::Holding(Step::Releasing(_))) => return Stage::ReleaseInFlight,
        _ => {}
    }
    let Some(hold) = world.hold_of(at) else {
        let is_queued = agent.is_some_and(|agent| agent.activity() == "queued");
        return if is_queued {
            Stage::Queued
        } else {
            Stage::Idle
        };
    };
    match hold.phase {
        Phase::Claimed => Stage::Claimed,
        Phase::Draining | Phase::Rebooting | Phase::Returned
            if hold.boot != machine.boot_identity() =>
        {
            Stage::Back
        }
        Phase::Draining => Stage::Draining,
        Phase::Rebooting => Stage::Issued,
        Phase::Returned => Stage::Back,
    }
}
