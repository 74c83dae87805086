//! Why an operator does something: a text that somebody else can read later.

/// The longest reason, in characters.
pub const REASON_MAX: usize = 500;

/// A text that tells nobody why.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("say why, in 1 to {REASON_MAX} characters, such as \"new disk, ticket 4711\"")]
pub struct BadReason;

/// The reason without the space around it.
///
/// # Errors
/// When it is empty, or longer than [`REASON_MAX`].
pub fn reason(text: &str) -> Result<String, BadReason> {
    let text = text.trim();
    match (1..=REASON_MAX).contains(&text.chars().count()) {
        true => Ok(text.to_owned()),
        false => Err(BadReason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_is_no_book() {
        assert_eq!(reason(" new disk\n").unwrap(), "new disk");
        let longest = "ü".repeat(REASON_MAX);
        assert_eq!(reason(&format!(" {longest} ")).unwrap(), longest);
        for bad in ["", "   ", "\t\n", &format!("{longest}x")] {
            assert_eq!(reason(bad), Err(BadReason), "{bad:?}");
        }
    }
}
