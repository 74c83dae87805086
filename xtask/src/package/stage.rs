//! What is made for the packages before they are packed: manual, completions, units.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, ensure};

use super::target::{Libc, Target};
use super::{Release, Workshop, compile, libc, notices, tools};

/// Completions are for these shells, and for these names of the program.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];
const NAMES: [&str; 2] = ["clusterrebootd", "rebootlockctl"];
/// What is packed as it stands in packaging/.
const AS_IT_IS: [&str; 3] = ["config.yaml", "copyright", "server.yaml"];
const UNITS: [&str; 2] = ["clusterrebootd.service", "clusterrebootd-server.service"];

/// The licences of others' works.
pub(super) const NOTICES: &str = "third-party-licences.gz";
const SCRIPTS: &str = "packaging/scripts";
const MAINTAINER: &str = "The clusterrebootd authors <maintainers@clusterrebootd.example>";
const NOTE: &str = "What has changed is told in /usr/share/doc/clusterrebootd/changelog.gz.";

/// A folder with everything that is not in the tree as it is packed.
pub(super) struct Stage {
    path: PathBuf,
    libc: Option<String>,
}

// === impl Stage ===

impl Stage {
    /// Makes it anew of this binary; `own` is the one that this machine can run.
    pub(super) fn make(
        workshop: &Workshop,
        target: Target,
        binary: &Path,
        own: &Path,
    ) -> anyhow::Result<Self> {
        let (root, release) = (&workshop.place.root, &workshop.release);
        let stages = workshop.place.target.join("package-stage");
        let path = stages.join(target.suffix());
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        let libc = match target.libc {
            Libc::Gnu => Some(libc::needed(&fs::read(binary)?).context("it names no C library")?),
            Libc::Musl => None,
        };
        let stage = Self { path, libc };
        fs::copy(binary, stage.path.join("clusterrebootd"))?;
        if compile::is_plain(workshop, target)? {
            stage.strip()?;
        }
        stage.manual(own, release)?;
        stage.completions(own)?;
        stage.units(root)?;
        stage.beside_units(root)?;
        for name in AS_IT_IS {
            fs::copy(root.join("packaging").join(name), stage.path.join(name))?;
        }
        stage.changelog(release)?;
        stage_scripts(
            &root.join(SCRIPTS),
            &stage.path.join("scripts"),
            &release.epoch,
        )?;
        let changelog = fs::read(root.join("CHANGELOG.md"))?;
        fs::write(stage.path.join("changelog.gz"), compressed(&changelog)?)?;
        let notices = notices::of(root, target, &workshop.tools)?;
        fs::write(stage.path.join(NOTICES), compressed(notices.as_bytes())?)?;
        Ok(stage)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The version of glibc that the binary needs, unless it is static.
    pub(super) fn libc(&self) -> Option<&str> {
        self.libc.as_deref()
    }

    /// Cargo leaves a developer's build whole, which is ten times as much to pack.
    fn strip(&self) -> anyhow::Result<()> {
        let mut strip = Command::new("strip");
        strip
            .args(["--strip-all", "clusterrebootd"])
            .current_dir(&self.path);
        tools::run(&mut strip, "install binutils")
    }

    /// Each page in the folder of its section, compressed.
    fn manual(&self, binary: &Path, release: &Release) -> anyhow::Result<()> {
        let pages = self.path.join("pages");
        let mut man = Command::new(binary);
        man.args(["man", "--out"]).arg(&pages);
        man.env("SOURCE_DATE_EPOCH", &release.epoch);
        tools::output(&mut man)?;
        for page in files_below(&pages)? {
            let section = page.extension().context("a page without a section")?;
            let name = page.file_name().context("a page without a name")?;
            let folder = self
                .path
                .join("man")
                .join(format!("man{}", section.display()));
            fs::create_dir_all(&folder)?;
            let text = compressed(&fs::read(&page)?)?;
            fs::write(folder.join(format!("{}.gz", name.display())), text)?;
        }
        Ok(fs::remove_dir_all(&pages)?)
    }

    fn completions(&self, binary: &Path) -> anyhow::Result<()> {
        let folder = self.path.join("completions");
        fs::create_dir_all(&folder)?;
        for (shell, name) in SHELLS
            .iter()
            .flat_map(|shell| NAMES.map(|name| (shell, name)))
        {
            let text = tools::output(Command::new(binary).args(["completions", shell, name]))?;
            fs::write(folder.join(format!("{name}.{shell}")), text)?;
        }
        Ok(())
    }

    /// The units of the tree, for a binary that a package installs.
    fn units(&self, root: &Path) -> anyhow::Result<()> {
        let folder = self.path.join("units");
        fs::create_dir_all(&folder)?;
        for unit in UNITS {
            let text = fs::read_to_string(root.join("deploy/systemd").join(unit))?;
            let text = text.replace("/usr/local/bin/", "/usr/bin/");
            ensure!(
                text.contains("/usr/bin/clusterrebootd"),
                "{unit} starts nothing of ours"
            );
            // What is said above the sections is for those who copy the file by hand.
            let begin = text
                .find("[Unit]")
                .with_context(|| format!("{unit} has no [Unit]"))?;
            fs::write(folder.join(unit), &text[begin..])?;
        }
        Ok(())
    }

    /// What goes with the units, for who unpacks a tarball: the server's user, the directories, and
    /// the health scripts.
    fn beside_units(&self, root: &Path) -> anyhow::Result<()> {
        let files = [
            ("sysusers.d", "deploy/systemd/clusterrebootd-server.conf"),
            ("tmpfiles.d", "packaging/systemd/tmpfiles.conf"),
        ];
        for (folder, file) in files {
            let folder = self.path.join(folder);
            fs::create_dir_all(&folder)?;
            fs::copy(root.join(file), folder.join("clusterrebootd.conf"))?;
        }
        let folder = self.path.join("health");
        fs::create_dir_all(&folder)?;
        for script in fs::read_dir(root.join("packaging/health"))? {
            let script = script?;
            fs::copy(script.path(), folder.join(script.file_name()))?;
        }
        Ok(())
    }

    /// The changelog that .deb and .rpm want in forms of their own: one entry, about ours.
    fn changelog(&self, release: &Release) -> anyhow::Result<()> {
        let (version, date) = (&release.version, release.date()?);
        let text = format!(
            "- semver: {version}-1\n  date: {date}\n  packager: {MAINTAINER}\n  \
             deb: {{urgency: medium, distributions: [unstable]}}\n  \
             changes: [{{note: \"{NOTE}\"}}]\n"
        );
        Ok(fs::write(self.path.join("changelog.yaml"), text)?)
    }

    /// Everything but what only packages want, in a folder of this name.
    pub(super) fn tarball(
        &self,
        release: &Release,
        name: &str,
        packages: &Path,
    ) -> anyhow::Result<()> {
        let archive = packages.join(format!("{name}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.args([
            "--create",
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
        ])
        .args(["--mode=u=rwX,go=rX", "--format=ustar"])
        .args(["--exclude=./scripts", "--exclude=./changelog.yaml"])
        .arg(format!("--mtime=@{}", release.epoch))
        .arg(format!("--transform=s,^\\.,{name},"))
        .arg("--directory")
        .arg(&self.path)
        .arg(".");
        fs::write(archive, compressed(&tools::output(&mut tar)?)?)?;
        Ok(())
    }
}

/// The maintainer scripts, as old as everything else: an .apk keeps when they were changed.
fn stage_scripts(from: &Path, to: &Path, epoch: &str) -> anyhow::Result<()> {
    let epoch = epoch.parse().context("SOURCE_DATE_EPOCH is no number")?;
    let time = UNIX_EPOCH + Duration::from_secs(epoch);
    fs::create_dir_all(to)?;
    for script in files_below(from)? {
        let copy = to.join(script.file_name().context("a script without a name")?);
        fs::copy(&script, &copy)?;
        fs::File::options()
            .write(true)
            .open(&copy)?
            .set_modified(time)?;
    }
    Ok(())
}

/// By gzip(1), without a name or a time.
pub(super) fn compressed(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut gzip = Command::new("gzip")
        .args(["--best", "--no-name", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run gzip")?;
    let mut input = gzip.stdin.take().context("gzip takes no input")?;
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || input.write_all(&bytes));
    let output = gzip.wait_with_output()?;
    let fed = feeder.join();
    ensure!(
        fed.is_ok_and(|it| it.is_ok()) && output.status.success(),
        "gzip failed"
    );
    Ok(output.stdout)
}

/// Every file in a folder and the folders in it, by path.
pub(super) fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_below(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_scripts_are_as_old_as_the_release() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        fs::write(from.path().join("postinstall"), "#!/bin/sh\n").unwrap();
        stage_scripts(from.path(), to.path(), "86400").unwrap();
        let staged = fs::metadata(to.path().join("postinstall")).unwrap();
        let day = UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(staged.modified().unwrap(), day);
        assert!(stage_scripts(from.path(), to.path(), "yesterday").is_err());
    }
}
