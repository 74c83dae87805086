//! Sizes: what fits on a screen is read, what does not is skimmed.

use super::Violation;
use super::source::Source;
use super::visit::Function;
use crate::stats::median;

const FUNCTION_LINES: usize = 70;
const FUNCTION_MEDIAN_LINES: usize = 10;
const FILE_LINES: usize = 600;
const LINE_COLUMNS: usize = 100;

/// Checks functions, files and lines against their limits, and modules for their docs.
pub(crate) fn check(sources: &[Source<'_>]) -> Vec<Violation> {
    let mut violations: Vec<Violation> = sources.iter().flat_map(check_source).collect();
    violations.extend(check_median(sources));
    violations
}

/// One line about the sizes found.
pub(crate) fn summary(sources: &[Source<'_>]) -> String {
    let functions = function_lengths(sources);
    let files: Vec<_> = sources.iter().map(|source| source.lines.len()).collect();
    let longest = |lengths: &[usize]| lengths.iter().max().copied().unwrap_or_default();
    format!(
        "{} files (median {} lines, longest {}), {} functions (median {}, longest {})",
        files.len(),
        median(&files).unwrap_or_default(),
        longest(&files),
        functions.len(),
        median(&functions).unwrap_or_default(),
        longest(&functions),
    )
}

fn check_source(source: &Source<'_>) -> Vec<Violation> {
    let long = source
        .outline
        .functions
        .iter()
        .filter(|function| function.length > FUNCTION_LINES);
    let mut violations: Vec<_> = long
        .map(|function| long_function(source.path, function))
        .collect();
    violations.extend(wide_lines(source));
    if source.lines.len() > FILE_LINES {
        let what = format!("{} lines, the limit is {FILE_LINES}", source.lines.len());
        violations.push(Violation::new(
            source.path,
            FILE_LINES + 1,
            what,
            "split the file",
        ));
    }
    if source.path.contains("/src/") && !source.outline.has_docs {
        let mend = "say in `//!` what the module is for";
        violations.push(Violation::new(source.path, 1, "no module docs", mend));
    }
    violations
}

fn long_function(path: &str, function: &Function) -> Violation {
    let Function { name, line, length } = function;
    let what = format!("fn {name} has {length} lines, the limit is {FUNCTION_LINES}");
    Violation::new(
        path,
        *line,
        what,
        "keep the control flow, move the leaves out",
    )
}

fn wide_lines(source: &Source<'_>) -> impl Iterator<Item = Violation> {
    source.lines.iter().enumerate().filter_map(|(index, line)| {
        let columns = line.chars().count();
        let is_address = line.contains("https://") || line.contains("http://");
        let what = format!("{columns} columns, the limit is {LINE_COLUMNS}");
        (columns > LINE_COLUMNS && !is_address)
            .then(|| Violation::new(source.path, index + 1, what, "break the line"))
    })
}

fn check_median(sources: &[Source<'_>]) -> Option<Violation> {
    let median = median(&function_lengths(sources))?;
    let what = format!("the median function has {median} lines, house is {FUNCTION_MEDIAN_LINES}");
    let mend = "split functions where they change subject";
    (median > FUNCTION_MEDIAN_LINES).then(|| Violation::new("crates", 1, what, mend))
}

fn function_lengths(sources: &[Source<'_>]) -> Vec<usize> {
    let functions = sources.iter().flat_map(|source| &source.outline.functions);
    functions.map(|function| function.length).collect()
}
