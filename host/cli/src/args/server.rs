//! The arguments of `evenkeel server`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::socket::DEFAULT_SOCKET;

#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Run the checks of a server once, now, and show each with its verdict, its steps and the time that they took.
    ///
    /// The running daemon does it, with the plugins and settings in force: what `status` says of the server stays, and its regular
    /// checks go on. A check ends after 6 s, or at its `timeout` if that comes first. Checkers that keep something about a server
    /// from one check to the next begin without it. The exit code is 0 if as many checks pass as must, and 1 if not.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
}

/// Shown below `server check --help`.
const CHECK_EXAMPLES: &str = "\
Examples:
  evenkeel server check web/10.0.0.31:80       why does this server fail, and where is the time spent?
  evenkeel server check web/a --json           the same for a script: verdict, steps, signals
  evenkeel server check web/a && echo fit      0: healthy; 1: not";

/// Whose checks.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The names of the service and of its server, which may be the server's address and port instead: web/a,
    /// web/10.0.0.31:80, `web/[2001:db8::1]:80`.
    #[arg(value_name = "SERVICE/SERVER")]
    pub(crate) server: ServerName,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

/// A server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerName {
    pub(crate) service: String,
    pub(crate) server: String,
}

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((service, server)) if !service.is_empty() && !server.is_empty() => Ok(Self {
                service: service.to_owned(),
                server: server.to_owned(),
            }),
            _ => {
                Err("expected the service and the server with a / between: web/10.0.0.31:80".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_after_its_service() {
        let name: ServerName = "web/[2001:db8::1]:80".parse().unwrap();
        assert_eq!((&*name.service, &*name.server), ("web", "[2001:db8::1]:80"));
        for wrong in ["web", "web/", "/a", ""] {
            assert!(wrong.parse::<ServerName>().is_err(), "{wrong}");
        }
    }
}
