//! A registry for plugins.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process::Process;
use crate::wait::wait_until;

/// The program, and Debian's package.
const PROGRAM: &str = "docker-registry";

/// Debian's `docker-registry` on the loopback address, without TLS. Dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    _process: Process,
    address: SocketAddr,
    blobs: PathBuf,
}

impl Registry {
    /// Why there can be none here, if there can be none.
    #[must_use]
    pub fn missing() -> Option<&'static str> {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_there = env::split_paths(&path).any(|it| it.join(PROGRAM).is_file());
        (!is_there).then_some("docker-registry is not installed: apt install docker-registry")
    }

    /// Starts it and waits until it listens. What it keeps is in `dir`; where there are lines of an htpasswd file, it
    /// wants one of these users.
    ///
    /// # Errors
    /// When it does not listen within 30 s.
    pub fn start(dir: &Path, htpasswd: Option<&str>) -> Result<Self> {
        // Nobody else takes it in the moment until the registry does, as good as certainly.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = free.local_addr()?;
        drop(free);
        let blobs = dir.join("blobs");
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"{address}\"}}\n",
            blobs.display()
        );
        if let Some(htpasswd) = htpasswd {
            let file = dir.join("htpasswd");
            fs::write(&file, htpasswd)?;
            config += &format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                file.display()
            );
        }
        let file = dir.join("config.yml");
        fs::write(&file, config)?;
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(&file);
        let mut process = Process::start(PROGRAM, &mut command, dir.join("registry.log"))?;
        wait_until("the registry listens", Duration::from_secs(30), || {
            ensure!(process.is_running()?, "it has ended: {}", process.log());
            Ok(TcpStream::connect(address).is_ok())
        })?;
        Ok(Self {
            _process: process,
            address,
            blobs,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A place in it, as commands take it.
    #[must_use]
    pub fn place(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }

    /// The files of the blobs that it keeps.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn blobs(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut open = vec![self.blobs.join("docker/registry/v2/blobs")];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }
}
