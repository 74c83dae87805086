//! Numbers as people write them, and what to say when they wrote something else.

use super::problem::Problem;
use super::tree::Place;

/// A whole number as YAML 1.1 and 1.2 spell it; `None` when it is none, or negative.
pub(super) fn whole(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text).replace('_', "");
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (digits[2..].to_owned(), 16),
        Some("0o") => (digits[2..].to_owned(), 8),
        Some("0b") => (digits[2..].to_owned(), 2),
        _ => (digits, 10),
    };
    let is_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    is_digits
        .then(|| u64::from_str_radix(&digits, radix).ok())
        .flatten()
}

/// A whole number within a range.
pub(super) fn checked_whole(
    path: &str,
    text: &str,
    place: Place,
    min: u64,
    max: u64,
) -> Result<u64, Problem> {
    let problem = |cause: &str, remedy: &str| {
        Problem::at(place, cause, remedy)
            .of_key(path)
            .with_found(text)
    };
    match whole(text) {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        Some(number) if number < min => {
            Err(problem("is too small", &format!("write at least {min}")))
        }
        Some(_) => Err(problem("is too large", &format!("write at most {max}"))),
        None if text.starts_with('-') && text[1..].parse::<f64>().is_ok() => {
            Err(problem("is negative", &format!("write {min} or more")))
        }
        None => Err(problem("is not a whole number", &suggestion(text))),
    }
}

/// A number above 0, up to 1.
pub(super) fn checked_fraction(path: &str, text: &str, place: Place) -> Result<f64, Problem> {
    let problem = |cause: &str, remedy: &str| {
        Problem::at(place, cause, remedy)
            .of_key(path)
            .with_found(text)
    };
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1.0 => Ok(number),
        Ok(number) if number > 1.0 && number <= 100.0 => Err(problem(
            "is above 1",
            &format!("for {number} % write {}", number / 100.0),
        )),
        Ok(_) => Err(problem(
            "is out of range",
            "write a number above 0, up to 1",
        )),
        Err(_) => Err(problem(
            "is not a number",
            "write a number above 0, up to 1, such as 0.75",
        )),
    }
}

/// What `5m` probably meant.
fn suggestion(text: &str) -> String {
    let seconds = text.char_indices().next_back().and_then(|(end, unit)| {
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        text[..end]
            .trim_end()
            .parse::<u64>()
            .ok()?
            .checked_mul(factor)
    });
    match seconds {
        Some(seconds) => format!("durations are whole seconds, write {seconds}"),
        None => "write digits only".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_yaml_spells_them() {
        let table = [
            ("60", Some(60)),
            ("+60", Some(60)),
            ("1_000", Some(1000)),
            ("0x1F", Some(31)),
            ("0o17", Some(15)),
            ("0b11", Some(3)),
            ("0", Some(0)),
            ("-1", None),
            ("6.0", None),
            ("", None),
            ("+", None),
            ("0x", None),
            ("+-1", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            assert_eq!(whole(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_duration_with_a_unit_is_answered_in_seconds() {
        for (text, expected) in [("5m", "300"), ("2 h", "7200"), ("30s", "30")] {
            let problem = checked_whole("key", text, Place::default(), 1, 10).unwrap_err();
            assert!(problem.remedy.ends_with(expected), "{}", problem.message());
        }
    }

    #[test]
    fn a_percentage_is_answered_as_a_fraction() {
        let problem = checked_fraction("key", "75", Place::default()).unwrap_err();
        assert!(problem.remedy.contains("0.75"), "{}", problem.message());
        for bad in ["0", "-0.5", "nan", "inf", "101", "half"] {
            assert!(
                checked_fraction("key", bad, Place::default()).is_err(),
                "{bad}"
            );
        }
        for good in ["1", "0.5", "1e-3", "1.0"] {
            assert!(
                checked_fraction("key", good, Place::default()).is_ok(),
                "{good}"
            );
        }
    }
}
