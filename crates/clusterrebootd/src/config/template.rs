//! A configuration file with every key explained, for packages: nothing is set but what is asked
//! for, and taking the `#` from the front of lines leaves a file of the right shape.

use super::schema::{Default, Key, Kind};
use std::fmt::Write;

/// The widest line of a comment.
const WIDTH: usize = 96;
/// The name that stands for any in a section of names.
const ANY_NAME: &str = "default";

/// Every key with its purpose, rule and default as comments; those of `set` with their value.
pub fn template(head: &str, keys: &[Key], set: &[(&str, &str)]) -> String {
    let mut text = String::new();
    comment(&mut text, 0, head);
    for key in keys {
        let place = Place::of(key, keys);
        if place.depth == 0 {
            text.push('\n');
        }
        comment(&mut text, place.depth, &explained(key));
        let value = set.iter().find(|(path, _)| *path == key.path);
        let mark = if value.is_some() { "" } else { "#" };
        let value = value.map_or_else(|| written(key), |(_, value)| value_after_colon(value));
        let line = place.line(key.name(), &value);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{mark}{line}");
        if matches!(key.kind, Kind::Named(_)) {
            let _ = writeln!(text, "#{:1$}{ANY_NAME}:", "", place.depth + 2);
        }
    }
    text
}

/// What a reviewer wants to know of a key.
fn explained(key: &Key) -> String {
    let mut words = key.doc.to_owned();
    let rules = key.rules();
    if !rules.is_empty() {
        let _ = write!(words, " ({rules})");
    }
    match key.default {
        Default::Required => words.push_str(" REQUIRED."),
        Default::Computed(default) => {
            let _ = write!(words, " Unless given: {default}.");
        }
        _ => {}
    }
    words
}

/// A section, which has keys of its own instead of a value, is set to nothing.
fn value_after_colon(value: &str) -> String {
    match value {
        "" => String::new(),
        value => format!(" {value}"),
    }
}

/// The default as the value of the key; nothing where there is none.
fn written(key: &Key) -> String {
    match key.default {
        _ if !key.is_leaf() => String::new(),
        Default::Required | Default::Nothing | Default::Computed(_) => String::new(),
        Default::Text(text) => format!(" {text:?}"),
        _ => format!(" {}", key.default.text()),
    }
}

/// Words within a section are marked like its keys, so that both can be unmarked together.
fn comment(text: &mut String, depth: usize, words: &str) {
    let begin = match depth {
        0 => "#".to_owned(),
        _ => format!("#{:depth$}#", ""),
    };
    let mut line = begin.clone();
    for word in words.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.clone_from(&begin);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

/// Where a key's line begins.
struct Place {
    depth: usize,
    begins_item: bool,
}

// === impl Place ===

impl Place {
    fn of(key: &Key, keys: &[Key]) -> Self {
        let parents: Vec<&Key> = keys
            .iter()
            .filter(|it| key.path.starts_with(it.path) && it.path.len() < key.path.len())
            .filter(|it| key.path[it.path.len()..].starts_with(['.', '[']))
            .collect();
        let step = |it: &&Key| match it.kind {
            Kind::Sections | Kind::Named(_) => 4,
            _ => 2,
        };
        let first = |list: &&Key| {
            keys.iter()
                .find(|it| it.parent() == format!("{}[]", list.path))
        };
        let list = parents
            .last()
            .filter(|it| matches!(it.kind, Kind::Sections));
        Self {
            depth: parents.iter().map(step).sum(),
            begins_item: list.and_then(first).is_some_and(|it| it.path == key.path),
        }
    }

    fn line(&self, name: &str, value: &str) -> String {
        match self.begins_item {
            true => format!("{:1$}- {name}:{value}", "", self.depth - 2),
            false => format!("{:1$}{name}:{value}", "", self.depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NODE_KEYS, ServeSettings, Settings, server_keys};
    use std::path::Path;

    /// The file after its reader took the mark from every key.
    fn without_marks(text: &str) -> String {
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with("  ") || !rest.starts_with(' ') => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_key_has_a_line_of_its_own_name() {
        for keys in [NODE_KEYS, server_keys()] {
            let text = template("head", keys, &[]);
            for key in keys {
                let name = format!("{}:", key.name());
                let is_its =
                    |line: &str| line.trim_start_matches(['#', ' ', '-']).starts_with(&name);
                assert!(text.lines().any(is_its), "{}", key.path);
            }
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        }
    }

    #[test]
    fn what_is_set_stands_without_a_mark() {
        let text = template("head", NODE_KEYS, &[("dry_run", "true")]);
        let bare = |line: &&str| !line.is_empty() && !line.trim_start().starts_with('#');
        assert_eq!(
            text.lines().filter(bare).collect::<Vec<_>>(),
            ["dry_run: true"]
        );
    }

    #[test]
    fn without_the_marks_every_key_is_where_the_parser_looks_for_it() {
        let told = |text: &str| match Settings::parse(Path::new("f"), text) {
            Ok(_) => String::new(),
            Err(problems) => problems.render(false),
        };
        let text = without_marks(&template("head", NODE_KEYS, &[]));
        let problems = told(&text);
        assert!(problems.contains("node_name"), "{problems}");
        assert!(
            !problems.contains("is not a known key"),
            "{problems}\n{text}"
        );
        let text = without_marks(&template("head", server_keys(), &[]));
        let problems = ServeSettings::parse(Path::new("f"), &text)
            .unwrap_err()
            .render(false);
        assert!(
            !problems.contains("is not a known key"),
            "{problems}\n{text}"
        );
        let mistyped = text.replace("base_path:", "base_pth:");
        let problems = ServeSettings::parse(Path::new("f"), &mistyped)
            .unwrap_err()
            .render(false);
        assert!(problems.contains("is not a known key"), "{problems}");
    }
}
