//! A configuration file with slips of the hand in it.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use clusterrebootd_cli::config::Settings;
use proptest::prelude::any;
use std::path::Path;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/config.yaml");

/// One change to a text, as a slip of the hand would make it.
fn slipped(text: &str, (at, slip, with): (usize, u8, char)) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = at % (characters.len() + 1);
    let end = (at + 40).min(characters.len());
    match slip % 4 {
        0 => characters.insert(at, with),
        1 => drop(characters.drain(at..(at + 1).min(end))),
        2 => characters.truncate(at),
        _ => {
            let copied = characters[at..end].to_vec();
            characters.splice(at..at, copied);
        }
    }
    characters.into_iter().collect()
}

proptest::proptest! {
    /// Whatever is in the file, there are settings or problems, each inside the file.
    #[test]
    fn no_file_is_refused_without_a_reason(
        slips in proptest::collection::vec((0..8000_usize, 0..4_u8, any::<char>()), 1..6),
    ) {
        let example = std::fs::read_to_string(EXAMPLE).unwrap();
        let text = slips.into_iter().fold(example, |text, slip| slipped(&text, slip));
        if let Err(problems) = Settings::parse(Path::new("config.yaml"), &text) {
            assert!(!problems.problems.is_empty());
            let lines = text.split('\n').count();
            assert!(problems.problems.iter().all(|problem| problem.place.line <= lines + 1));
            assert!(!problems.render(true).is_empty());
        }
    }
}
