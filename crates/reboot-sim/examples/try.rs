//! Trial.
use reboot_sim::model::{Bounds, Special, check};
fn main() {
    let a: Vec<u32> = std::env::args()
        .skip(1)
        .map(|x| x.parse().unwrap())
        .collect();
    let special = [
        Special::Nothing,
        Special::SoftReboot,
        Special::Clone,
        Special::TwoAgents,
        Special::Restore,
        Special::Stop,
    ][a[7] as usize];
    let b = Bounds {
        nodes: a[0] as usize,
        max: a[1],
        crashes: a[2] as u8,
        lost: a[3] as u8,
        pauses: a[4] as u8,
        breaks: a[5] as u8,
        changes: a[6] as u8,
        special,
        together: a[8] as u8,
        hooks: true,
    };
    println!("{}", check(b, 60_000_000));
}
