//! What a process did to its files, out of what strace(1) saw.

use std::collections::BTreeMap;
use std::path::Path;

/// The calls that change files, or that make changes durable.
pub(super) const CALLS: &str = "trace=openat,open,creat,pwrite64,pwritev,pwritev2,write,writev,\
    fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate,unlink,unlinkat,rename,\
    renameat,renameat2,link,linkat";

/// One step of the process, in the order in which they took effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// A file was made, unless it was there.
    Create { name: String },
    /// Bytes were written; without an offset at the end.
    Write {
        name: String,
        offset: Option<usize>,
        bytes: Vec<u8>,
    },
    /// A file was cut, or grew by zeros.
    Truncate { name: String, length: usize },
    /// A file was removed.
    Remove { name: String },
    /// A file's content was synced.
    Sync { name: String },
    /// The directory's entries were synced.
    SyncDirectory,
    /// The process said that this many commits are acknowledged.
    Acknowledged(usize),
}

/// Reads a trace; only files of the directory count, and only those that a crash leaves.
pub(super) fn read(trace: &str, directory: &Path) -> Vec<Event> {
    let mut unfinished: BTreeMap<&str, String> = BTreeMap::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let (process, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(process, start.trim_end().to_owned());
            continue;
        }
        let whole = match call.strip_prefix("<... ") {
            Some(rest) => {
                let (_, end) = rest.split_once(" resumed>").unwrap();
                unfinished.remove(process).unwrap() + end
            }
            None => call.to_owned(),
        };
        events.extend(event(&whole, directory.to_str().unwrap()));
    }
    events
}

fn event(call: &str, directory: &str) -> Option<Event> {
    let (call, result) = call.rsplit_once(" = ")?;
    let result: i64 = result.split(['<', ' ']).next()?.parse().ok()?;
    let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
    let arguments: Vec<&str> = arguments.split(", ").collect();
    if result < 0 {
        return None;
    }
    if name == "write" {
        let said = String::from_utf8(bytes(arguments[1])).unwrap_or_default();
        if let Some((_, count)) = said.split_once("ACK ") {
            return Some(Event::Acknowledged(count.trim().parse().unwrap()));
        }
    }
    let path = arguments
        .iter()
        .map(|argument| path(argument))
        .find(|path| path.starts_with(directory) && !is_working_directory(path, arguments[0]))?;
    let file = path.strip_prefix(directory)?.trim_start_matches('/');
    if file.ends_with("-shm") || file.ends_with(".doorbell") {
        return None;
    }
    known(name, file.to_owned(), &arguments, result)
}

/// `openat` and its like name the directory that a relative path would start from.
fn is_working_directory(path: &str, first: &str) -> bool {
    first.starts_with("AT_FDCWD") && self::path(first) == path
}

fn known(name: &str, file: String, arguments: &[&str], result: i64) -> Option<Event> {
    let last = arguments.last()?;
    let written = || bytes(arguments[1])[..usize::try_from(result).unwrap()].to_vec();
    match name {
        "openat" if arguments.iter().any(|it| it.contains("O_CREAT")) => {
            Some(Event::Create { name: file })
        }
        "openat" => None,
        "pwrite64" => Some(Event::Write {
            name: file,
            offset: Some(last.parse().unwrap()),
            bytes: written(),
        }),
        "write" => Some(Event::Write {
            name: file,
            offset: None,
            bytes: written(),
        }),
        "ftruncate" => Some(Event::Truncate {
            name: file,
            length: last.parse().unwrap(),
        }),
        "unlink" | "unlinkat" => Some(Event::Remove { name: file }),
        "fsync" | "fdatasync" if file.is_empty() => Some(Event::SyncDirectory),
        "fsync" | "fdatasync" => Some(Event::Sync { name: file }),
        other => panic!("the crash test does not know what {other} does to {file}"),
    }
}

/// The path in `7</path>` or `"/path"`, both written as `\x2f\x70…`.
fn path(argument: &str) -> String {
    let inner = argument
        .split_once('<')
        .map_or(argument, |(_, path)| path.trim_end_matches('>'));
    String::from_utf8(bytes(inner)).unwrap_or_default()
}

fn bytes(text: &str) -> Vec<u8> {
    let text = text.trim_matches('"');
    let digits = text.split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).unwrap())
        .collect()
}

#[test]
fn a_trace_is_read_in_the_order_of_effects() {
    let trace = r#"7  openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x61", O_CREAT) = 3<\x2f\x64\x2f\x61>
7  fsync(3<\x2f\x64\x2f\x61> <unfinished ...>
8  write(1<\x2f\x78>, "\x41\x43\x4b\x20\x33\x0a", 6) = 6
7  <... fsync resumed>)            = 0
7  pwrite64(3<\x2f\x64\x2f\x61>, "\x01\x02", 2, 9) = 2
7  fsync(4<\x2f\x64>) = 0
7  unlink("\x2f\x64\x2f\x62") = -1 ENOENT (No such file or directory)
"#;
    let name = "a".to_owned();
    let expected = [
        Event::Create { name: name.clone() },
        Event::Acknowledged(3),
        Event::Sync { name: name.clone() },
        Event::Write {
            name,
            offset: Some(9),
            bytes: vec![1, 2],
        },
        Event::SyncDirectory,
    ];
    assert_eq!(read(trace, Path::new("/d")), expected);
}
