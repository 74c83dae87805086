//! The container image: the static program on nothing, for every architecture, in one archive.
//!
//! Written as the specification has it (<https://github.com/opencontainers/image-spec>), without a
//! daemon and without a network. A blob is named by its sum, so the same program and the same
//! moment make the same archive.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::target::Arch;
use super::{Release, pretty, stage, sums};

const DESCRIPTION: &str = "Coordinated reboots for fleets of Linux machines";
const SOURCE: &str = "https://github.com/clusterrebootd/clusterrebootd";
const PROGRAM: &str = "usr/bin/clusterrebootd";
/// The user of the server, by number: what may not run as root asks for one.
const USER: u64 = 65532;
/// Where the server keeps its state, as in packaging/oci/server.yaml.
const STATE: &str = "var/lib/clusterrebootd-server";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The image of one architecture.
pub(super) struct Image {
    pub(super) arch: Arch,
    /// The static program.
    pub(super) binary: PathBuf,
    /// The licences of what is in it, compressed.
    pub(super) notices: PathBuf,
}

/// A tar archive that tells of nobody and of no other day than the release's.
struct Archive {
    tar: Builder<Vec<u8>>,
    epoch: u64,
}

/// A folder of blobs.
struct Blobs {
    folder: PathBuf,
}

/// Writes the archive of these images.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn write(
    root: &Path,
    work: &Path,
    release: &Release,
    images: &[Image],
    archive: &Path,
) -> anyhow::Result<()> {
    let blobs = Blobs::new(work.join("blobs/sha256"))?;
    let mut manifests = Vec::new();
    for image in images {
        let mut manifest = image.blobs(root, release, &blobs)?;
        manifest["platform"] = image.platform();
        manifests.push(manifest);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": manifests,
        "annotations": annotations(release)?,
    });
    let mut index = blobs.json(&index, INDEX)?;
    let name = format!("clusterrebootd:{}", release.version);
    index["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});
    let mut all = Archive::new(release)?;
    all.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644, 0)?;
    all.file("index.json", pretty(&top)?.as_bytes(), 0o644, 0)?;
    all.folder("blobs", 0o755, 0)?;
    all.folder("blobs/sha256", 0o755, 0)?;
    for name in sums::names(&blobs.folder)? {
        let text = fs::read(blobs.folder.join(&name))?;
        all.file(&format!("blobs/sha256/{name}"), &text, 0o644, 0)?;
    }
    fs::write(archive, all.finish()?).with_context(|| archive.display().to_string())
}

/// What is said of the image to whoever looks at it.
fn annotations(release: &Release) -> anyhow::Result<Value> {
    Ok(json!({
        "org.opencontainers.image.title": "clusterrebootd",
        "org.opencontainers.image.description": DESCRIPTION,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.commit,
        "org.opencontainers.image.created": release.date()?,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.source": SOURCE,
        "org.opencontainers.image.documentation": format!("{SOURCE}/blob/main/docs/packaging.md"),
    }))
}

// === impl Image ===

impl Image {
    fn platform(&self) -> Value {
        let architecture = self.arch.to_string();
        match self.arch {
            Arch::Amd64 => json!({"architecture": architecture, "os": "linux"}),
            Arch::Arm64 => json!({"architecture": architecture, "os": "linux", "variant": "v8"}),
        }
    }

    /// Layer, configuration and manifest; answers with what stands for the manifest in an index.
    fn blobs(&self, root: &Path, release: &Release, blobs: &Blobs) -> anyhow::Result<Value> {
        let layer = self.layer(root, release)?;
        let raw = blobs.add(&layer, LAYER)?; // its sum is wanted unpacked, too
        let packed = blobs.add(&stage::compressed(&layer)?, LAYER)?;
        blobs.remove(&raw)?;
        let mut config = self.platform();
        config["created"] = json!(release.date()?);
        config["config"] = json!({
            "User": format!("{USER}:{USER}"),
            "Entrypoint": [format!("/{PROGRAM}")],
            "Cmd": ["serve"],
            "Env": ["PATH=/usr/bin", format!("STATE_DIRECTORY=/{STATE}")],
            "WorkingDir": format!("/{STATE}"),
            "ExposedPorts": {"8080/tcp": {}},
            "Volumes": {format!("/{STATE}"): {}},
            "Labels": annotations(release)?,
        });
        config["rootfs"] = json!({"type": "layers", "diff_ids": [raw["digest"]]});
        config["history"] = json!([{
            "created": release.date()?,
            "created_by": "cargo xtask package",
        }]);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": blobs.json(&config, CONFIG)?,
            "layers": [packed],
            "annotations": annotations(release)?,
        });
        blobs.json(&manifest, MANIFEST)
    }

    /// Every file there is in a container.
    fn layer(&self, root: &Path, release: &Release) -> anyhow::Result<Vec<u8>> {
        let ours = |name: &str| {
            let path = root.join("packaging").join(name);
            fs::read(&path).with_context(|| path.display().to_string())
        };
        let mut layer = Archive::new(release)?;
        layer.folder("etc", 0o755, 0)?;
        layer.folder("etc/clusterrebootd", 0o755, 0)?;
        let server = ours("oci/server.yaml")?;
        layer.file("etc/clusterrebootd/server.yaml", &server, 0o644, 0)?;
        layer.file("etc/group", &ours("oci/group")?, 0o644, 0)?;
        layer.file("etc/passwd", &ours("oci/passwd")?, 0o644, 0)?;
        layer.folder("tmp", 0o1777, 0)?;
        for folder in ["usr", "usr/bin"] {
            layer.folder(folder, 0o755, 0)?;
        }
        layer.file(PROGRAM, &fs::read(&self.binary)?, 0o755, 0)?;
        for name in ["fleetlock", "rebootlockctl"] {
            layer.link(&format!("usr/bin/{name}"), "clusterrebootd")?;
        }
        for folder in ["usr/share", "usr/share/doc", "usr/share/doc/clusterrebootd"] {
            layer.folder(folder, 0o755, 0)?;
        }
        let documents = [
            ("copyright", ours("copyright")?),
            (stage::NOTICES, fs::read(&self.notices)?),
        ];
        for (name, text) in documents {
            let path = format!("usr/share/doc/clusterrebootd/{name}");
            layer.file(&path, &text, 0o644, 0)?;
        }
        for folder in ["var", "var/lib"] {
            layer.folder(folder, 0o755, 0)?;
        }
        layer.folder(STATE, 0o750, USER)?;
        layer.finish()
    }
}

// === impl Archive ===

impl Archive {
    fn new(release: &Release) -> anyhow::Result<Self> {
        let epoch = release.epoch.parse();
        Ok(Self {
            tar: Builder::new(Vec::new()),
            epoch: epoch.context("SOURCE_DATE_EPOCH is no number")?,
        })
    }

    fn file(&mut self, path: &str, text: &[u8], mode: u32, owner: u64) -> anyhow::Result<()> {
        self.entry(path, EntryType::Regular, text, mode, owner)
    }

    fn folder(&mut self, path: &str, mode: u32, owner: u64) -> anyhow::Result<()> {
        self.entry(&format!("{path}/"), EntryType::Directory, &[], mode, owner)
    }

    fn link(&mut self, path: &str, target: &str) -> anyhow::Result<()> {
        let mut header = self.header(EntryType::Symlink, 0o777, 0);
        header.set_size(0);
        Ok(self.tar.append_link(&mut header, path, target)?)
    }

    fn entry(
        &mut self,
        path: &str,
        kind: EntryType,
        text: &[u8],
        mode: u32,
        owner: u64,
    ) -> anyhow::Result<()> {
        let mut header = self.header(kind, mode, owner);
        header.set_size(text.len() as u64);
        Ok(self.tar.append_data(&mut header, path, text)?)
    }

    fn header(&self, kind: EntryType, mode: u32, owner: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(self.epoch);
        header
    }

    fn finish(self) -> anyhow::Result<Vec<u8>> {
        Ok(self.tar.into_inner()?)
    }
}

// === impl Blobs ===

impl Blobs {
    /// An empty one.
    fn new(folder: PathBuf) -> anyhow::Result<Self> {
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Adds one; answers with what stands for it elsewhere: kind, sum and size.
    fn add(&self, text: &[u8], kind: &str) -> anyhow::Result<Value> {
        let fresh = self.folder.join("fresh");
        fs::write(&fresh, text)?;
        let [sum, _] = sums::of(&self.folder, "fresh")?;
        fs::rename(fresh, self.folder.join(&sum))?;
        Ok(json!({"mediaType": kind, "digest": format!("sha256:{sum}"), "size": text.len()}))
    }

    fn json(&self, value: &Value, kind: &str) -> anyhow::Result<Value> {
        self.add(pretty(value)?.as_bytes(), kind)
    }

    fn remove(&self, blob: &Value) -> anyhow::Result<()> {
        let digest = blob["digest"].as_str();
        let sum = digest.and_then(|it| it.strip_prefix("sha256:"));
        let path = self.folder.join(sum.context("a blob without a sum")?);
        ensure!(path.is_file(), "{} is no blob", path.display());
        Ok(fs::remove_file(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read as _;

    /// The files of an archive, by path.
    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let files = entries.map(|mut entry| {
            let path = entry.path().unwrap().display().to_string();
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            (path, text)
        });
        files.collect()
    }

    /// The archive of one program for both architectures, made in a folder of its own.
    fn archive() -> Vec<u8> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("program");
        fs::write(&binary, "a program").unwrap();
        let images = [Arch::Amd64, Arch::Arm64].map(|arch| Image {
            arch,
            binary: binary.clone(),
            notices: binary.clone(),
        });
        let archive = folder.path().join("oci.tar");
        write(root, folder.path(), &release(), &images, &archive).unwrap();
        fs::read(archive).unwrap()
    }

    fn release() -> Release {
        Release {
            version: "1.2.3".to_owned(),
            epoch: "86400".to_owned(),
            commit: "c0ffee".to_owned(),
            is_changed: false,
        }
    }

    fn json_of(files: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().unwrap();
        let path = format!("blobs/{}", digest.replace(':', "/"));
        let text = &files[&path];
        assert_eq!(descriptor["size"], text.len(), "{path}");
        serde_json::from_slice(text).unwrap()
    }

    #[test]
    fn from_the_index_a_program_is_found_for_every_architecture() {
        let files = files(&archive());
        let top: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(
            top["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"],
            "clusterrebootd:1.2.3"
        );
        let index = json_of(&files, &top["manifests"][0]);
        let architectures = ["amd64", "arm64"];
        for (at, architecture) in architectures.iter().enumerate() {
            let manifest = &index["manifests"][at];
            assert_eq!(manifest["platform"]["architecture"], *architecture);
            let manifest = json_of(&files, manifest);
            let config = json_of(&files, &manifest["config"]);
            assert_eq!(config["architecture"], *architecture);
            assert_eq!(config["created"], "1970-01-02T00:00:00Z");
            assert_eq!(config["config"]["User"], "65532:65532");
        }
        // Every blob is named by its sum, and none is there that nothing leads to: the index, and
        // of each architecture manifest and configuration; the layer is the same here.
        let blobs: Vec<&String> = files.keys().filter(|it| it.len() > 30).collect();
        assert_eq!(blobs.len(), 1 + 2 * 2 + 1, "{blobs:?}");
        let folder = tempfile::tempdir().unwrap();
        for blob in blobs {
            fs::write(folder.path().join("blob"), &files[blob]).unwrap();
            let [sum, _] = sums::of(folder.path(), "blob").unwrap();
            assert_eq!(*blob, format!("blobs/sha256/{sum}"));
        }
    }

    #[test]
    fn the_layer_holds_the_program_and_a_folder_that_the_server_may_write() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("program");
        fs::write(&binary, "a program").unwrap();
        let arch = Arch::Arm64;
        let notices = binary.clone();
        let image = Image {
            arch,
            binary,
            notices,
        };
        let layer = image.layer(root, &release()).unwrap();
        let mut layer = tar::Archive::new(&layer[..]);
        let entries = layer.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let (path, header) = (entry.path().unwrap(), entry.header());
            let (owner, mode) = (header.uid().unwrap(), header.mode().unwrap());
            assert_eq!(header.mtime().unwrap(), 86_400);
            assert_eq!(owner, header.gid().unwrap());
            (path.display().to_string(), (owner, mode))
        });
        let entries: BTreeMap<String, (u64, u32)> = entries.collect();
        assert_eq!(entries["usr/bin/clusterrebootd"], (0, 0o755));
        assert_eq!(entries["var/lib/clusterrebootd-server/"], (USER, 0o750));
        let writable: Vec<&String> = entries
            .iter()
            .filter(|(_, (owner, _))| *owner != 0)
            .map(|(path, _)| path)
            .collect();
        assert_eq!(writable, ["var/lib/clusterrebootd-server/"]);
        assert!(entries.contains_key("usr/bin/rebootlockctl"), "{entries:?}");
    }

    #[test]
    fn the_same_program_makes_the_same_archive() {
        assert!(archive() == archive());
    }
}
