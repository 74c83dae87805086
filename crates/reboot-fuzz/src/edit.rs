//! Edits: from a text that makes sense to one that almost does.

use crate::chance::Chance;

/// No edited text is longer, in bytes.
const LEN_MAX: usize = 64 * 1024;

/// The most edits of one text.
const EDITS_MAX: usize = 6;

/// Numbers at the ends of what types hold, and what only looks like a number.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "-0",
    "1",
    "255",
    "256",
    "1000",
    "65536",
    "315360000",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "1e-400",
    "0.1",
    "1.0000000000000002",
    "NaN",
    ".inf",
    "0x7fffffffffffffff",
    "0o17",
    "1_000",
    "٣",
    "5m",
    "00:00",
    "23:59",
    "24:00",
];

/// Texts that trip readers up.
const TRAPS: &[&str] = &[
    "\0",
    "\u{feff}",
    "\u{2028}",
    "\u{202e}",
    "\u{301}",
    "ß",
    "İ",
    "\u{10ffff}",
    "\r",
    "\r\n",
    "\t",
    "\u{85}",
    "\u{a0}",
    "\\u0000",
    "\\ud800",
    "\u{1b}[31m",
    "%s",
    "../../etc",
    "'",
    "\"",
];

/// What a text consists of to a reader: the ends of its pieces are where edits hurt.
const SEAMS: &[u8] = b" \n,:-[]{}\"'#&*/";

/// A text made of one of `bases`, with one to six edits. `words` are the reader's own.
pub fn edited(chance: &mut Chance, bases: &[&[u8]], words: &[&str]) -> Vec<u8> {
    // The longer of two: most corpora have more short texts than long ones.
    let (one, other) = (*chance.one_of(bases), *chance.one_of(bases));
    let longer = if one.len() < other.len() { other } else { one };
    let mut text = longer.to_vec();
    // Mostly few: most texts should still make some sense.
    let edits = 1 + chance.below(EDITS_MAX);
    for _ in 0..=chance.below(edits) {
        edit(chance, &mut text, bases, words);
        text.truncate(LEN_MAX);
    }
    text
}

fn edit(chance: &mut Chance, text: &mut Vec<u8>, bases: &[&[u8]], words: &[&str]) {
    match chance.below(16) {
        0 => remove(chance, text),
        1 | 2 => repeat(chance, text),
        3 => drop_line(chance, text),
        4 => move_line(chance, text),
        5 => indent(chance, text),
        6 | 7 => renumber(chance, text),
        8 => insert(chance, text, NUMBERS),
        9 => insert(chance, text, TRAPS),
        10 | 11 => insert(chance, text, words),
        12 => replace_piece(chance, text, words),
        13 => splice(chance, text, bases),
        14 => spoil_byte(chance, text),
        _ => nest(chance, text),
    }
}

/// A place in the text, mostly where one piece of it ends.
fn place(chance: &mut Chance, text: &[u8]) -> usize {
    let at = chance.below(text.len() + 1);
    let is_seam = |byte: &u8| SEAMS.contains(byte);
    match text[at..].iter().position(is_seam) {
        Some(further) if !chance.once_in(4) => at + further,
        _ => at,
    }
}

fn stretch(chance: &mut Chance, text: &[u8]) -> std::ops::Range<usize> {
    let (one, other) = (place(chance, text), place(chance, text));
    let longest = if chance.once_in(4) { text.len() } else { 40 };
    let (start, end) = (one.min(other), one.max(other));
    start..end.min(start + longest)
}

fn put(text: &mut Vec<u8>, at: usize, piece: &[u8]) {
    text.splice(at..at, piece.iter().copied());
}

fn remove(chance: &mut Chance, text: &mut Vec<u8>) {
    let stretch = stretch(chance, text);
    text.drain(stretch);
}

/// Once or twice as a rule, now and then until the text is as long as it may be.
fn repeat(chance: &mut Chance, text: &mut Vec<u8>) {
    let stretch = stretch(chance, text);
    let room = LEN_MAX.saturating_sub(text.len()) / stretch.len().max(1);
    let times = match chance.below(60) {
        0 => room,
        1..=9 => chance.below(100),
        _ => 1 + chance.below(2),
    };
    let piece = text[stretch.clone()].repeat(times.min(room));
    put(text, stretch.end, &piece);
}

/// Where a line of the text begins, and where the next one does.
fn line(chance: &mut Chance, text: &[u8]) -> std::ops::Range<usize> {
    let at = chance.below(text.len() + 1);
    let is_end = |byte: &u8| *byte == b'\n';
    let start = text[..at].iter().rposition(is_end).map_or(0, |end| end + 1);
    let end = text[at..].iter().position(is_end);
    start..end.map_or(text.len(), |end| at + end + 1)
}

fn drop_line(chance: &mut Chance, text: &mut Vec<u8>) {
    let line = line(chance, text);
    text.drain(line);
}

fn move_line(chance: &mut Chance, text: &mut Vec<u8>) {
    let from = line(chance, text);
    let moved: Vec<u8> = text.drain(from).collect();
    let to = line(chance, text).start;
    put(text, to, &moved);
}

fn indent(chance: &mut Chance, text: &mut Vec<u8>) {
    let line = line(chance, text);
    let spaces = text[line.clone()]
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    if spaces > 0 && chance.once_in(2) {
        text.drain(line.start..line.start + 1 + chance.below(spaces));
    } else {
        put(text, line.start, &b"        "[..1 + chance.below(7)]);
    }
}

/// Puts another number, or a longer one, in the place of one that is there.
fn renumber(chance: &mut Chance, text: &mut Vec<u8>) {
    let from = chance.below(text.len() + 1);
    let Some(start) = text[from..].iter().position(u8::is_ascii_digit) else {
        return insert(chance, text, NUMBERS);
    };
    let start = from + start;
    let digits = text[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let end = start + digits.count();
    let number = chance.one_of(NUMBERS).as_bytes().to_vec();
    match chance.once_in(8) {
        true => put(text, end, &b"0".repeat(chance.below(500))),
        false => drop(text.splice(start..end, number)),
    }
}

fn insert(chance: &mut Chance, text: &mut Vec<u8>, words: &[&str]) {
    if !words.is_empty() {
        let at = place(chance, text);
        let word = chance.one_of(words);
        put(text, at, word.as_bytes());
    }
}

/// Puts a word in the place of the piece between two seams.
fn replace_piece(chance: &mut Chance, text: &mut Vec<u8>, words: &[&str]) {
    let start = (place(chance, text) + 1).min(text.len());
    let is_seam = |byte: &u8| SEAMS.contains(byte);
    let end = text[start..].iter().position(is_seam);
    text.drain(start..end.map_or(text.len(), |end| start + end));
    let word = match words {
        [] => *chance.one_of(TRAPS),
        words => *chance.one_of(words),
    };
    put(text, start, word.as_bytes());
}

/// Puts a stretch of another text in.
fn splice(chance: &mut Chance, text: &mut Vec<u8>, bases: &[&[u8]]) {
    let other = *chance.one_of(bases);
    let stretch = stretch(chance, other);
    let at = place(chance, text);
    put(text, at, &other[stretch]);
}

fn spoil_byte(chance: &mut Chance, text: &mut Vec<u8>) {
    let at = chance.below(text.len() + 1);
    let byte = chance.number() as u8;
    match text.get_mut(at) {
        Some(there) if chance.once_in(2) => *there ^= 1 << (byte % 8),
        Some(there) => *there = byte,
        None => text.push(byte),
    }
}

/// Opens, and mostly closes, many levels around a place.
fn nest(chance: &mut Chance, text: &mut Vec<u8>) {
    let (open, close) = *chance.one_of(&[
        ("[", "]"),
        ("{\"a\":", "}"),
        ("{a: ", "}"),
        ("- ", ""),
        ("&a [", "]"),
        ("? ", ""),
    ]);
    let levels = match chance.below(10) {
        0 => 5_000,
        1..=3 => 130,
        _ => 1 + chance.below(20),
    };
    let at = place(chance, text);
    if !chance.once_in(4) {
        put(text, at, close.repeat(levels).as_bytes());
    }
    put(text, at, open.repeat(levels).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_texts_and_another_one_does_not() {
        let bases: &[&[u8]] = &[b"node_name: n1\nmax: 3\n", b"a: [1, 2]\n"];
        let texts = |seed| {
            let mut chance = Chance::of_seed(seed);
            (0..200)
                .map(|_| edited(&mut chance, bases, &["max"]))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
        assert!(texts(1).iter().all(|text| text.len() <= LEN_MAX));
    }

    #[test]
    fn any_bytes_can_be_edited() {
        let mut chance = Chance::of_seed(3);
        for base in [&b""[..], b"\n", b"\xff\xfe", b"9", "ä".as_bytes()] {
            for _ in 0..500 {
                edited(&mut chance, &[base], &[]);
            }
        }
    }
}
