//! Programs that trials of packages need.

use crate::package::target::Arch;
use crate::test::needs::{self, Need};

const NEEDS: &[Need] = &[
    Need {
        program: "mmdebstrap",
        packages: &["mmdebstrap"],
        why: "makes fresh Debian systems",
    },
    Need {
        program: "rpm",
        packages: &["rpm"],
        why: "installs the .rpm",
    },
    Need {
        program: "lintian",
        packages: &["lintian"],
        why: "judges the .deb",
    },
    Need {
        program: "rpmlint",
        packages: &["rpmlint"],
        why: "judges the .rpm",
    },
    Need {
        program: "unshare",
        packages: &["util-linux"],
        why: "enters the systems",
    },
    Need {
        program: "skopeo",
        packages: &["skopeo"],
        why: "reads the container image",
    },
    Need {
        program: "umoci",
        packages: &["umoci"],
        why: "unpacks the container image",
    },
    Need {
        program: "podman",
        packages: &["podman"],
        why: "runs the container image",
    },
    Need {
        program: "crun",
        packages: &["crun"],
        why: "is what podman runs containers by",
    },
    Need {
        program: "/usr/lib/podman/netavark",
        packages: &["netavark"],
        why: "is podman's network",
    },
    Need {
        program: "iptables",
        packages: &["iptables"],
        why: "publishes a container's ports",
    },
    Need {
        program: "ip",
        packages: &["iproute2"],
        why: "gives containers a network that is not the machine's",
    },
    Need {
        program: "mount",
        packages: &["mount"],
        why: "hides the machine's files from containers",
    },
    Need {
        program: "curl",
        packages: &["curl"],
        why: "asks the server in the container",
    },
    Need {
        program: "openssl",
        packages: &["openssl"],
        why: "makes that server's certificate",
    },
];

/// What runs arm64's programs on amd64.
const FOR_ARM64: &[Need] = &[
    Need {
        program: "qemu-aarch64-static",
        packages: &["qemu-user-static"],
        why: "runs another machine's programs",
    },
    Need {
        program: "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
        packages: &["libc6-arm64-cross", "libgcc-s1-arm64-cross"],
        why: "is the C library of another machine's programs",
    },
];

/// What runs amd64's programs on arm64.
const FOR_AMD64: &[Need] = &[
    Need {
        program: "qemu-x86_64-static",
        packages: &["qemu-user-static"],
        why: "runs another machine's programs",
    },
    Need {
        program: "/usr/x86_64-linux-gnu/lib/ld-linux-x86-64.so.2",
        packages: &["libc6-amd64-cross", "libgcc-s1-amd64-cross"],
        why: "is the C library of another machine's programs",
    },
];

/// Makes sure that all of them are there.
///
/// # Errors
/// As for [`needs::provide`].
pub(super) fn provide() -> anyhow::Result<()> {
    needs::provide(NEEDS)?;
    needs::provide(match Arch::own()? {
        Arch::Amd64 => FOR_ARM64,
        Arch::Arm64 => FOR_AMD64,
    })
}
