//! From a text that fails to a short one that still does.

/// The most tries: each runs the check once.
const TRIES_MAX: usize = 600;

/// Takes pieces out, halves first, as long as the text still fails.
pub(crate) fn shrunk(text: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut text = text.to_vec();
    let mut tries = 0;
    let mut size = text.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < text.len() && tries < TRIES_MAX {
            let end = (at + size).min(text.len());
            let shorter = [&text[..at], &text[end..]].concat();
            tries += 1;
            if fails(&shorter) {
                text = shorter;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_to_fail_is_left() {
        let text = b"one two three four five";
        let short = shrunk(text, |text| text.contains(&b'w') && text.contains(&b'v'));
        assert_eq!(short, b"wv");
    }
}
