//! `man`: the manual pages, from the definitions of the command line and the configuration.

use super::{complain, print};
use crate::cli::{ManArgs, Page, pages};
use crate::exit::ExitCode;
use std::io;
use std::path::Path;

/// Runs the command.
pub(super) fn run(args: &ManArgs) -> ExitCode {
    let written = pages().and_then(|pages| match &args.out {
        Some(directory) => write_all(&pages, directory).map(|()| ExitCode::Success),
        None => Ok(print_one(&pages, &args.page)),
    });
    written.unwrap_or_else(|error| {
        complain(&format!(
            "man: the pages cannot be written: {error}: name another directory"
        ));
        ExitCode::RuntimeFailure
    })
}

fn print_one(pages: &[Page], name: &str) -> ExitCode {
    if let Some(page) = pages.iter().find(|page| page.name == name) {
        return print(&page.text);
    }
    let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    complain(&format!(
        "man: there is no page {name}: choose one of {}",
        names.join(", ")
    ));
    ExitCode::Usage
}

/// Below the directory as man(1) wants it: `man8/clusterrebootd.8`, `man5/clusterrebootd.yaml.5`.
fn write_all(pages: &[Page], directory: &Path) -> io::Result<()> {
    for page in pages {
        let section = page.name.rsplit('.').next().unwrap_or("8");
        let directory = directory.join(format!("man{section}"));
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(&page.name), &page.text)?;
    }
    Ok(())
}
