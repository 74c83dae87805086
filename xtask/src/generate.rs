//! `cargo xtask gen`: Rust of our `.proto`, without protoc and without a build script.
//!
//! Messages become structs. A call becomes an `impl Call` of what it sends: its path and what it
//! answers, which is all that a client of a few calls needs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use prost_build::{Config, Module, Service, ServiceGenerator};

const PROTO: &str = "crates/reboot-store-etcd/proto/etcd.proto";
const MADE: &str = "crates/reboot-store-etcd/src/client/pb.rs";

const HEADER: &str =
    "//! Made by `cargo xtask gen` of proto/etcd.proto: change that, not this.\n\n";

/// Writes the code anew.
///
/// # Errors
/// When the `.proto` does not hold together, or the code cannot be formatted or written.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let made = make(root)?;
    std::fs::write(root.join(MADE), made).with_context(|| format!("cannot write {MADE}"))?;
    println!("{PROTO} became {MADE}");
    Ok(())
}

/// The code, formatted as the house does.
fn make(root: &Path) -> anyhow::Result<String> {
    let proto = root.join(PROTO);
    let folder = proto.parent().context("a .proto in no folder")?;
    let files = protox::compile([&proto], [folder]).with_context(|| format!("in {PROTO}"))?;
    let modules = files
        .file
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let mut config = Config::new();
    config.service_generator(Box::new(Calls));
    let made = config.generate(modules)?;
    let code: String = made.into_values().collect();
    format(root, &format!("{HEADER}{code}"))
}

/// Runs `rustfmt`, which `cargo fmt --check` will run too.
fn format(root: &Path, code: &str) -> anyhow::Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt: run `rustup component add rustfmt`")?;
    let mut input = child.stdin.take().context("rustfmt takes no input")?;
    input.write_all(code.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt cannot read what was made of {PROTO}");
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Makes `impl Call for Request` of each call.
struct Calls;

impl ServiceGenerator for Calls {
    fn generate(&mut self, service: Service, code: &mut String) {
        for method in &service.methods {
            let path = format!(
                "/{}.{}/{}",
                service.package, service.proto_name, method.proto_name
            );
            let (sent, answer) = (&method.input_type, &method.output_type);
            let call = format!(
                "impl super::rpc::Call for {sent} {{\n    const PATH: &'static str = \
                 \"{path}\";\n    type Answer = {answer};\n}}\n"
            );
            // A String takes whatever is written to it.
            let _ = code.write_str(&call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_gen_makes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let committed = std::fs::read_to_string(root.join(MADE)).unwrap();
        let made = make(root).unwrap();
        assert!(committed == made, "{MADE} is stale: run `cargo xtask gen`");
    }
}
