//! What a program asks of the system that starts it, read from its own head.
//!
//! 64-bit ELF in little endian, which both of our architectures are.

use anyhow::{Context, ensure};

use super::target::Arch;

/// What the head of a program says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Head {
    machine: u16,
    /// Whether another program, the dynamic linker, has to start it.
    is_interpreted: bool,
    /// How many libraries it needs.
    needed: usize,
}

const IDENTITY: &[u8] = b"\x7fELF\x02\x01\x01"; // 64 bits, little endian, version 1
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;

/// Makes sure that a program is for this architecture, and asks nothing of the system but a kernel
/// if it is to be static.
///
/// # Errors
/// What it is instead.
pub(super) fn check(program: &[u8], arch: Arch, is_static: bool) -> anyhow::Result<()> {
    let head = Head::read(program).context("not a program that can be read")?;
    let wanted = match arch {
        Arch::Amd64 => 62,
        Arch::Arm64 => 183,
    };
    let machine = head.machine;
    ensure!(
        machine == wanted,
        "it is for machine {machine}, {arch} is {wanted}"
    );
    ensure!(
        !is_static || (!head.is_interpreted && head.needed == 0),
        "it is not static: it needs {} libraries",
        head.needed
    );
    Ok(())
}

// === impl Head ===

impl Head {
    /// `None` for what is none, or is cut off.
    fn read(program: &[u8]) -> Option<Self> {
        program.starts_with(IDENTITY).then_some(())?;
        let number = |at: usize, bytes: usize| little_endian(program, at, bytes);
        let (table, size) = (number(32, 8)? as usize, number(54, 2)? as usize);
        let mut head = Self {
            machine: u16::try_from(number(18, 2)?).ok()?,
            is_interpreted: false,
            needed: 0,
        };
        for entry in 0..number(56, 2)? as usize {
            let at = table.checked_add(entry * size)?;
            match number(at, 4)? {
                PT_INTERP => head.is_interpreted = true,
                PT_DYNAMIC => {
                    let (from, length) = (number(at + 8, 8)?, number(at + 32, 8)?);
                    let from = from as usize;
                    let section = program.get(from..from.checked_add(length as usize)?)?;
                    let tags = section.chunks_exact(16).map(|tag| little_endian(tag, 0, 8));
                    head.needed += tags.filter(|tag| *tag == Some(DT_NEEDED)).count();
                }
                _ => {}
            }
        }
        Some(head)
    }
}

/// A number of so many bytes.
fn little_endian(text: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let text = text.get(at..at.checked_add(bytes)?)?;
    let digits = text.iter().rev();
    Some(digits.fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test itself.
    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn a_program_that_the_system_links_is_not_static() {
        let (own, arch) = (own(), Arch::own().unwrap());
        check(&own, arch, false).unwrap();
        let refused = check(&own, arch, true).unwrap_err().to_string();
        assert!(refused.starts_with("it is not static"), "{refused}");
        let head = Head::read(&own).unwrap();
        assert!(head.is_interpreted && head.needed > 0, "{head:?}");
    }

    #[test]
    fn another_machine_s_program_is_refused() {
        let arch = match Arch::own().unwrap() {
            Arch::Amd64 => Arch::Arm64,
            Arch::Arm64 => Arch::Amd64,
        };
        let refused = check(&own(), arch, false).unwrap_err().to_string();
        assert!(refused.starts_with("it is for machine"), "{refused}");
    }

    #[test]
    fn what_is_no_program_or_cut_off_is_refused() {
        assert_eq!(Head::read(b"#!/bin/sh\n"), None);
        assert_eq!(Head::read(&own()[..100]), None);
    }
}
