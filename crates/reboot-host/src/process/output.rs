//! What a program printed, in bounded memory: its beginning and its end.

use std::collections::VecDeque;

/// How much of the beginning, and of the end, is kept.
pub(crate) const KEPT_BYTES: usize = 8 * 1024;

/// The first and the last [`KEPT_BYTES`] of a stream, and how much there was between.
#[derive(Debug, Default)]
pub(crate) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped_bytes: u64,
}

// === impl Output ===

impl Output {
    /// Takes in what was read next.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = KEPT_BYTES - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let skipped = rest.len().saturating_sub(KEPT_BYTES);
        let rest = &rest[skipped..];
        let overflow = (self.tail.len() + rest.len()).saturating_sub(KEPT_BYTES);
        self.tail.drain(..overflow);
        self.tail.extend(rest);
        self.dropped_bytes += (skipped + overflow) as u64;
    }

    /// How much is not kept, in bytes.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// The text; what is missing between is said in a line of its own.
    pub(crate) fn into_text(self) -> String {
        let mut bytes = self.head;
        if self.dropped_bytes > 0 {
            let gap = format!("\n[... {} bytes left out ...]\n", self.dropped_bytes);
            bytes.extend_from_slice(gap.as_bytes());
        }
        bytes.extend(self.tail);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&[u8]]) -> Output {
        let mut output = Output::default();
        pieces.iter().for_each(|piece| output.push(piece));
        output
    }

    #[test]
    fn short_output_is_kept_whole() {
        let output = fed(&[b"one ", b"two ", b"\xff"]);
        assert_eq!(output.dropped_bytes(), 0);
        assert_eq!(output.into_text(), "one two \u{fffd}");
    }

    #[test]
    fn exactly_twice_the_limit_is_kept_whole_and_one_more_byte_is_not() {
        let output = fed(&[&[b'a'; 2 * KEPT_BYTES]]);
        assert_eq!(output.dropped_bytes(), 0);
        let output = fed(&[&[b'a'; 2 * KEPT_BYTES], b"b"]);
        assert_eq!(output.dropped_bytes(), 1);
        let text = output.into_text();
        assert!(text.contains("a\n[... 1 bytes left out ...]\na"), "{text}");
        assert!(text.ends_with("ab"), "{text}");
    }

    #[test]
    fn the_size_of_the_pieces_does_not_matter() {
        let all: Vec<u8> = (0..100_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
        let expected = fed(&[&all]);
        for size in [1, 7, 4096, 8192, 8193, 50_000] {
            let pieces: Vec<&[u8]> = all.chunks(size).collect();
            let output = fed(&pieces);
            assert_eq!(output.dropped_bytes(), expected.dropped_bytes());
            assert_eq!(output.head, expected.head);
            assert_eq!(output.tail, expected.tail);
        }
        assert_eq!(expected.dropped_bytes(), 100_000 - 2 * KEPT_BYTES as u64);
    }
}
