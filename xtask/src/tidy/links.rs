//! Relative links in Markdown lead somewhere: to a file of the tree, and to a heading in it.

use super::{Tree, Violation};

/// Checks every relative link of every Markdown file.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let pages = tree.texts.iter().filter(|file| file.path.ends_with(".md"));
    pages
        .flat_map(|page| {
            let links = links(&page.text).into_iter();
            links.filter_map(|(line, link)| {
                let what = check_link(tree, &page.path, link)?;
                Some(Violation::new(&page.path, line, what, "correct the link"))
            })
        })
        .collect()
}

/// What is wrong with a link, if anything.
fn check_link(tree: &Tree, page: &str, link: &str) -> Option<String> {
    let is_elsewhere = link.contains("://") || link.starts_with("mailto:");
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        Some(page.to_owned())
    } else {
        resolve(page, path)
    };
    let target = target.filter(|target| tree.has(target));
    match target {
        _ if is_elsewhere => None,
        None => Some(format!("{link} leads nowhere")),
        Some(target) if heading.is_empty() || !target.ends_with(".md") => None,
        Some(target) => {
            let known = tree
                .text(&target)
                .is_some_and(|text| has_heading(text, heading));
            (!known).then(|| format!("{target} has no heading #{heading}"))
        }
    }
}

/// The tree's path of a link, `None` when it leaves the tree.
fn resolve(page: &str, link: &str) -> Option<String> {
    let absolute = link.strip_prefix('/');
    let directory = page.rsplit_once('/').map_or("", |(directory, _)| directory);
    let start = if absolute.is_some() { "" } else { directory };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in absolute.unwrap_or(link).split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Targets of `[text](target)` and `[label]: target` with their lines, outside code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let code: Vec<_> = line.match_indices('`').map(|(at, _)| at).collect();
        let in_code = |at: usize| code.iter().filter(|&&tick| tick < at).count() % 2 == 1;
        let inline = line.match_indices("](").filter(|(at, _)| !in_code(*at));
        let inline = inline.filter_map(|(at, _)| line[at + 2..].split([')', ' ']).next());
        let label = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        let label = label.and_then(|(_, target)| target.split_whitespace().next());
        links.extend(inline.chain(label).map(|link| (number, link)));
    }
    links
}

/// Lines outside fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

fn has_heading(text: &str, wanted: &str) -> bool {
    let headings = prose(text).filter_map(|(_, line)| line.strip_prefix('#'));
    headings
        .map(|heading| anchor(heading.trim_start_matches('#').trim()))
        .any(|it| it == wanted)
}

/// The anchor that code hosts give a heading: lower case, dashes for spaces, no other signs.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
