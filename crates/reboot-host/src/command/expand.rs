//! Variables in the reboot command, as the original expanded them (os.Expand of Go).

use std::collections::BTreeMap;

/// The parameters of a shell that are one character long: names of their own, though nothing
/// defines them here.
const SPECIAL: &str = "*#$@!?-0123456789";

/// Expands `$NAME` and `${NAME}` in each argument: from `static_env`, else from `process_env`,
/// else to nothing. No shell: an argument stays one argument, values are not expanded again.
///
/// A name is the longest run of ASCII letters, digits and `_`; one of `*#$@!?-0123456789` right
/// after the dollar is a name by itself, so `$$` is nothing and `$10` is `$1` and a `0`. In
/// braces any text is a name. `${}` vanishes; of a `${` that nobody closes, these two vanish. A
/// dollar that nothing of this follows stays.
pub fn expand(
    argv: &[String],
    static_env: &BTreeMap<String, String>,
    process_env: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let value = |name: &str| {
        let known = static_env.get(name).cloned();
        known.or_else(|| process_env(name)).unwrap_or_default()
    };
    argv.iter()
        .map(|argument| expand_one(argument, &value))
        .collect()
}

fn expand_one(text: &str, value: &impl Fn(&str) -> String) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = match reference(after) {
            Reference::Name(name, rest) => {
                expanded.push_str(&value(name));
                rest
            }
            Reference::Malformed(rest) => rest,
            Reference::Nothing => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

/// What follows a dollar, and what is left after it.
enum Reference<'a> {
    Name(&'a str, &'a str),
    Malformed(&'a str),
    Nothing,
}

fn reference(text: &str) -> Reference<'_> {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            None => Reference::Malformed(inner),
            Some(("", rest)) => Reference::Malformed(rest),
            Some((name, rest)) => Reference::Name(name, rest),
        };
    }
    let is_special = text
        .chars()
        .next()
        .is_some_and(|first| SPECIAL.contains(first));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = match is_special {
        true => 1,
        false => text.find(|c| !is_part(c)).unwrap_or(text.len()),
    };
    match text.split_at(end) {
        ("", _) => Reference::Nothing,
        (name, rest) => Reference::Name(name, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        let pairs = [
            ("NODE", "n1"),
            ("_X9", "under"),
            ("odd name", "odd"),
            ("CASH", "$NODE"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let process = |name: &str| match name {
            "HOME" => Some("/house".to_owned()),
            "NODE" => Some("of the process".to_owned()),
            _ => None,
        };
        expand(&[text.to_owned()], &BTreeMap::from(pairs), process).remove(0)
    }

    #[test]
    fn every_form_expands_as_in_the_original() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("$NODE", "n1"),
            ("${NODE}", "n1"),
            ("a$NODE-b", "an1-b"),
            ("$NODE$NODE", "n1n1"),
            ("$NODEX", ""),
            ("${NODE}X", "n1X"),
            ("$_X9.", "under."),
            ("$HOME/x", "/house/x"),
            ("[$UNKNOWN]", "[]"),
            ("${odd name}", "odd"),
            ("$CASH", "$NODE"),
            ("$", "$"),
            ("5$", "5$"),
            ("$ 5", "$ 5"),
            ("$.", "$."),
            ("$ä", "$ä"),
            ("$$", ""),
            ("$$NODE", "NODE"),
            ("$10", "0"),
            ("${*}x", "x"),
            ("${}x", "x"),
            ("${x", "x"),
            ("${", ""),
            ("$}", "$}"),
            ("ä${NODE}ö", "än1ö"),
        ];
        for (text, expected) in table {
            assert_eq!(expanded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_argument_stays_one_argument() {
        let env = BTreeMap::from([("A".to_owned(), "two words; reboot".to_owned())]);
        let argv = ["shutdown".to_owned(), "$A".to_owned(), String::new()];
        assert_eq!(
            expand(&argv, &env, |_| None),
            ["shutdown", "two words; reboot", ""]
        );
    }
}
