//! Which C library a binary needs.

use super::target::GLIBC;

/// The newest version of glibc that this program's text names, such as `2.34`.
pub(super) fn needed(program: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"GLIBC_2.";
    let minor = |at: usize| {
        let digits = program[at..].iter().take_while(|it| it.is_ascii_digit());
        let digits: Vec<u8> = digits.copied().collect();
        String::from_utf8(digits).ok()?.parse::<u32>().ok()
    };
    let marks = program.windows(MARK.len()).enumerate();
    let newest = marks
        .filter(|(_, window)| *window == MARK)
        .filter_map(|(at, _)| minor(at + MARK.len()))
        .max()?;
    Some(format!("2.{newest}"))
}

/// Whether a release may need this version.
pub(super) fn is_old_enough(version: &str) -> bool {
    let minor = |version: &str| version.strip_prefix("2.")?.parse::<u32>().ok();
    minor(version).is_some_and(|it| minor(GLIBC).is_some_and(|most| it <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_counts_by_number() {
        assert_eq!(
            needed(b"x\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0").unwrap(),
            "2.34"
        );
        assert_eq!(needed(b"nothing of the kind"), None);
    }

    #[test]
    fn a_release_runs_on_the_oldest_that_we_promise() {
        assert!(is_old_enough("2.34") && is_old_enough("2.9"));
        assert!(!is_old_enough("2.38") && !is_old_enough("3.0"));
    }
}
