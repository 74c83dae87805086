//! Detached signatures over the check sums, by whichever keys there are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools;

/// What signs; a release's workflow runs it too.
const SCRIPT: &str = "packaging/scripts/sign_artifacts.sh";
/// Names the file of an ECDSA P-256 key in PEM; what it signs, cosign's verify-blob takes as well.
const KEY: &str = "SIGNING_KEY";
/// Names the file of a minisign key without a password.
const MINISIGN_KEY: &str = "MINISIGN_KEY";

/// The files of the keys, as far as there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) ecdsa: Option<PathBuf>,
    pub(super) minisign: Option<PathBuf>,
}

// === impl Keys ===

impl Keys {
    /// As the environment names them.
    #[allow(clippy::disallowed_methods)] // a release's secrets come so
    pub(super) fn of_environment() -> Self {
        let file = |name| std::env::var_os(name).filter(|it| !it.is_empty());
        Self {
            ecdsa: file(KEY).map(PathBuf::from),
            minisign: file(MINISIGN_KEY).map(PathBuf::from),
        }
    }

    /// Signs both manifests of the folder; the script says so when there is no key for it.
    ///
    /// # Errors
    /// What the script says is missing, or wrong with a key.
    pub(super) fn sign(&self, root: &Path, folder: &Path) -> anyhow::Result<()> {
        let mut sign = Command::new(root.join(SCRIPT));
        sign.arg(folder).env_remove(KEY).env_remove(MINISIGN_KEY);
        for (name, key) in [(KEY, &self.ecdsa), (MINISIGN_KEY, &self.minisign)] {
            if let Some(key) = key {
                sign.env(name, key);
            }
        }
        let said = tools::output(&mut sign)?;
        print!("{}", String::from_utf8_lossy(&said));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sums;
    use super::*;
    use std::fs;

    fn root() -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        root.unwrap().to_owned()
    }

    fn openssl(arguments: &[&str], folder: &Path) {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(folder);
        tools::output(&mut command).expect("apt-get install openssl");
    }

    /// A folder of files with sums and signatures, and one with the keys.
    fn signed() -> [tempfile::TempDir; 2] {
        let [files, keys] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        fs::write(files.path().join("a.deb"), "a package").unwrap();
        sums::write(files.path()).unwrap();
        let curve = "ec_paramgen_curve:P-256";
        let generate = [
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            "key.pem",
        ];
        openssl(&generate, keys.path());
        openssl(
            &["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub"],
            keys.path(),
        );
        let ecdsa = Some(keys.path().join("key.pem"));
        let minisign = None;
        let keys_there = Keys { ecdsa, minisign };
        keys_there.sign(&root(), files.path()).unwrap();
        [files, keys]
    }

    /// The script for everybody, about these files.
    fn script(files: &Path, key: &Path) -> Command {
        let mut script = Command::new("sh");
        script
            .arg(root().join("packaging/scripts/verify_artifacts.sh"))
            .arg(files)
            .env("COSIGN_PUBLIC_KEY", key);
        script
    }

    fn verified(files: &Path, key: &Path) -> bool {
        script(files, key).output().unwrap().status.success()
    }

    /// The script refuses; what it says.
    fn refusal(script: &mut Command) -> String {
        let output = script.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn what_is_signed_is_verified_and_what_is_changed_is_not() {
        let [files, keys] = signed();
        let key = keys.path().join("key.pub");
        assert!(verified(files.path(), &key));
        fs::write(files.path().join("a.deb"), "another").unwrap();
        assert!(!verified(files.path(), &key), "a file that was changed");
        sums::write(files.path()).unwrap();
        assert!(!verified(files.path(), &key), "and its sums with it");
    }

    #[test]
    fn a_release_as_it_is_fetched_is_verified_whole_or_by_file() {
        let [files, keys] = signed();
        let (folder, key) = (files.path(), keys.path().join("key.pub"));
        fs::write(folder.join("b.rpm"), "another package").unwrap();
        sums::write(folder).unwrap();
        let ecdsa = Some(keys.path().join("key.pem"));
        let signs = Keys {
            ecdsa,
            minisign: None,
        };
        signs.sign(&root(), folder).unwrap();
        for beside in ["signing.pub", "verify_artifacts.sh"] {
            fs::write(folder.join(beside), "comes with a release").unwrap();
        }
        assert!(verified(folder, &key));
        fs::remove_file(folder.join("b.rpm")).unwrap();
        let said = refusal(&mut script(folder, &key));
        assert!(said.contains("b.rpm: SHA256SUMS lists it"), "{said}");
        let mut one = script(folder, &key);
        one.arg("a.deb").env("CDPATH", "/");
        assert!(one.output().unwrap().status.success());
        let said = refusal(script(folder, &key).arg("b.deb"));
        assert!(
            said.contains("b.deb: SHA256SUMS does not list it"),
            "{said}"
        );
    }

    #[test]
    fn nothing_passes_beside_the_sums() {
        for name in [
            ".evil.deb",
            "evil.deb.sig",
            "SHA256SUMS_evil.deb",
            "evil deb",
        ] {
            let [files, keys] = signed();
            fs::write(files.path().join(name), "not listed").unwrap();
            let said = refusal(&mut script(files.path(), &keys.path().join("key.pub")));
            assert!(said.contains(&format!("{name}: SHA256SUMS")), "{said}");
        }
    }

    /// A text that was cut by hand may have lost it, and the sums are as good.
    #[test]
    fn the_last_line_counts_without_a_line_feed_too() {
        let [files, _] = signed();
        fs::write(files.path().join("b.rpm"), "another package").unwrap();
        sums::write(files.path()).unwrap();
        for manifest in ["SHA256SUMS", "SHA512SUMS"] {
            let manifest = files.path().join(manifest);
            let text = fs::read_to_string(&manifest).unwrap();
            fs::write(&manifest, text.trim_end()).unwrap();
        }
        let check = || {
            let mut check = script(files.path(), Path::new(""));
            check.env_remove("COSIGN_PUBLIC_KEY");
            check
        };
        for check in [&mut check(), check().arg("b.rpm")] {
            let output = check.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        fs::write(files.path().join("b.rpm"), "changed").unwrap();
        let said = refusal(&mut check());
        assert!(said.contains("files are not what it says"), "{said}");
        fs::remove_file(files.path().join("b.rpm")).unwrap();
        let said = refusal(&mut check());
        assert!(said.contains("b.rpm: SHA256SUMS lists it"), "{said}");
    }

    /// A pipe would hold the script up for ever, were it opened.
    #[test]
    fn what_nobody_signed_is_not_obeyed() {
        let [files, keys] = signed();
        let key = keys.path().join("key.pub");
        let mut pipe = Command::new("mkfifo");
        pipe.arg(files.path().join("pipe"));
        tools::output(&mut pipe).unwrap();
        let manifest = files.path().join("SHA256SUMS");
        let good = fs::read_to_string(&manifest).unwrap();
        let sum = "0".repeat(64);
        fs::write(&manifest, format!("{good}{sum}  pipe\n")).unwrap();
        let said = refusal(&mut script(files.path(), &key));
        assert!(said.contains("SHA256SUMS.sig: not signed by"), "{said}");
        let said = refusal(script(files.path(), &key).env_remove("COSIGN_PUBLIC_KEY"));
        assert!(said.contains("pipe: SHA256SUMS lists it"), "{said}");
        fs::write(&manifest, format!("{good}{sum}  ../key.pem\n")).unwrap();
        let said = refusal(script(files.path(), &key).env_remove("COSIGN_PUBLIC_KEY"));
        assert!(said.contains("../key.pem is no file beside it"), "{said}");
        let said = refusal(script(files.path(), &key).env("COSIGN_PUBLIC_KEY", ""));
        assert!(said.contains("COSIGN_PUBLIC_KEY is empty"), "{said}");
    }

    /// A minisign key without a password, made beside the other; and its public key.
    fn minisign_key(keys: &Path) -> [PathBuf; 2] {
        let key = ["secret", "pub"].map(|name| keys.join(name));
        let mut generate = Command::new("minisign");
        generate.args(["-G", "-W", "-s"]).arg(&key[0]);
        generate.arg("-p").arg(&key[1]);
        tools::output(&mut generate).expect("apt-get install minisign");
        key
    }

    #[test]
    fn a_signature_of_minisign_is_good_by_minisign() {
        let [files, keys] = signed();
        let [secret, public] = minisign_key(keys.path());
        let signs = Keys {
            ecdsa: None,
            minisign: Some(secret),
        };
        signs.sign(&root(), files.path()).unwrap();
        let is_good = |manifest| {
            let mut verify = Command::new("minisign");
            verify.args(["-V", "-q", "-m", manifest, "-p"]).arg(&public);
            let output = verify.current_dir(files.path()).output().unwrap();
            output.status.success()
        };
        assert!(is_good("SHA256SUMS") && is_good("SHA512SUMS"));
        assert!(
            verified(files.path(), &keys.path().join("key.pub")),
            "no file came beside them but signatures"
        );
        fs::write(files.path().join("SHA512SUMS"), "other sums").unwrap();
        assert!(!is_good("SHA512SUMS"));
    }

    #[test]
    fn a_signature_of_minisign_that_is_not_good_is_told_at_once() {
        let [files, keys] = signed();
        let [secret, _] = minisign_key(keys.path());
        let broken = tempfile::tempdir().unwrap();
        let stand_in = "#!/bin/sh\nPATH=${PATH#*:} minisign \"$@\" || exit\n\
                        [ \"$1\" != -S ] || echo 'after it was signed' >> \"$5\"\n";
        let text = broken.path().join("text");
        fs::write(&text, stand_in).unwrap();
        let mut install = Command::new("install"); // what a fork may have open cannot be run
        install.arg(&text).arg(broken.path().join("minisign"));
        tools::output(&mut install).unwrap();
        let path = format!("{}:/usr/bin:/bin", broken.path().display());
        let mut sign = Command::new(root().join(SCRIPT));
        sign.arg(files.path()).env("PATH", path);
        let said = refusal(sign.env_remove(KEY).env(MINISIGN_KEY, secret));
        let told = "SHA256SUMS.minisig: the public key of MINISIGN_KEY does not verify it";
        assert!(said.contains(told), "{said}");
    }

    #[test]
    fn nobody_else_s_signature_counts() {
        let [files, _] = signed();
        let [_, others] = signed();
        assert!(!verified(files.path(), &others.path().join("key.pub")));
        let text = fs::read_to_string(files.path().join("SHA256SUMS.sig")).unwrap();
        assert!(
            !text.contains('\n') && text.len() > 80,
            "one line of base64: {text}"
        );
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_no_key_signs_nothing() {
        let [files, keys] = signed();
        let ecdsa = Some(keys.path().join("key.pub"));
        let minisign = None;
        let refused = Keys { ecdsa, minisign }.sign(&root(), files.path());
        assert!(format!("{:#}", refused.unwrap_err()).contains("SIGNING_KEY"));
        let bare = tempfile::tempdir().unwrap();
        sums::write(bare.path()).unwrap_err(); // of nothing there are no sums
        Keys::default().sign(&root(), bare.path()).unwrap();
        assert!(fs::read_dir(bare.path()).unwrap().next().is_none());
    }
}
