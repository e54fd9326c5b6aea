//! A real web server.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::client::{Client, as_timeout};
use crate::lab::Node;
use crate::process::Process;
use crate::wait::wait_until;

/// Where Debian's libnginx-mod-stream puts it.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// nginx on one machine. Every path answers with the server's name and a line feed. Dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    node: Node,
    process: Process,
    listen: SocketAddr,
    error_log: PathBuf,
}

impl Nginx {
    /// Starts nginx and waits until it answers.
    ///
    /// # Errors
    /// When it does not answer within 10 s.
    pub fn start(node: &Node, listen: &[SocketAddr], name: &str) -> Result<Self> {
        let listen_lines = listen.iter().fold(String::new(), |mut lines, address| {
            let _ = writeln!(lines, "        listen {address} backlog=4096;");
            lines
        });
        let http = format!(
            "http {{\n    access_log off;\n    keepalive_timeout 0;\n    server {{\n{listen_lines}        \
             default_type text/plain;\n        location / {{ return 200 \"{name}\\n\"; }}\n    }}\n}}\n"
        );
        let first = listen.first().copied();
        Self::with_config(node, name, &http, first)
    }

    /// Starts nginx with an `http` or `stream` block of the caller's, and waits until it listens on `ready`.
    ///
    /// # Errors
    /// When it does not listen within 10 s.
    pub fn with_config(
        node: &Node,
        name: &str,
        blocks: &str,
        ready: Option<SocketAddr>,
    ) -> Result<Self> {
        let dir = node.dir().join(format!("nginx-{name}"));
        fs::create_dir_all(dir.join("temp"))?;
        let path = dir.display();
        let error_log = dir.join("error.log");
        // A private world with its own users has no other user to change to; a single process needs none.
        let master = if has_users()? { "on" } else { "off" };
        let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {path}/temp/{kind};\n"))
            .concat();
        let module = if blocks.contains("stream {") {
            format!("load_module {STREAM_MODULE};\n")
        } else {
            String::new()
        };
        let blocks = blocks.replacen("http {", &format!("http {{\n{temp}"), 1);
        let config = format!(
            "daemon off;\nmaster_process {master};\nuser root;\npid {path}/pid;\nerror_log {path}/error.log;\n\
             {module}worker_rlimit_nofile 65536;\n\
             events {{ worker_connections 16384; multi_accept on; }}\n{blocks}"
        );
        let file = dir.join("nginx.conf");
        fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command
            .arg("-e")
            .arg(&error_log)
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(&dir);
        let process = node.spawn(&format!("nginx-{name}"), command)?;
        let listen = ready.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 80)));
        let mut nginx = Self {
            node: node.clone(),
            process,
            listen,
            error_log,
        };
        if ready.is_some() {
            nginx.wait_ready()?;
        }
        Ok(nginx)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let client = Client::new(&self.node).timeout(Duration::from_secs(1));
        let waited = wait_until("nginx listens", Duration::from_secs(10), || {
            ensure!(self.process.is_running()?, "nginx has ended");
            Ok(client.connect(self.listen).is_ok())
        });
        waited.map(drop).map_err(|error| error.context(self.log()))
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it has complained about.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log() + &fs::read_to_string(&self.error_log).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killing the master would leave its workers, which go on serving; asked to stop, it takes them along.
        if self.process.signal(Signal::SIGTERM).is_ok() {
            let _ = self.process.wait(Duration::from_secs(5));
        }
    }
}

/// Whether this process's users are the machine's.
fn has_users() -> Result<bool> {
    let map = fs::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_whitespace().nth(2) == Some("4294967295"))
}

/// `GET path` over a new connection; the answer's body.
///
/// # Errors
/// As the system says; `InvalidData` with the status line if the status is not 200.
pub fn http_get(client: &Client, to: SocketAddr, path: &str) -> io::Result<String> {
    get(client.connect(to)?, to, path)
}

fn get(mut connection: TcpStream, to: SocketAddr, path: &str) -> io::Result<String> {
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).map_err(as_timeout)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "no whole answer"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        let status = head.lines().next().unwrap_or_default();
        return Err(io::Error::new(ErrorKind::InvalidData, status));
    }
    Ok(body.trim_end().to_owned())
}
