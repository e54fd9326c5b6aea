//! The request (RFC 9112, section 3).

use std::io::{self, Write};
use std::net::SocketAddr;

use evenkeel_sdk::Secret;

use crate::method::Method;

/// A request, but for the server that it goes to.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    host: Option<String>,
    user_agent: String,
    /// The Authorization header's value (RFC 9110, section 11.6.2).
    authorization: Option<Secret>,
    /// The port that a Host header need not name.
    default_port: u16,
}

impl Request {
    /// Refuses what would not be one request.
    pub(crate) fn new(
        method: Method,
        path: String,
        host: Option<String>,
        user_agent: String,
        tls: bool,
    ) -> Result<Self, String> {
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "path cannot be {path:?}: wanted \"/...\" of printable ASCII without spaces"
            ));
        }
        if let Some(host) = &host
            && (host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(format!(
                "host cannot be {host:?}: wanted a name, or name:port"
            ));
        }
        if !user_agent
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(format!(
                "user-agent cannot be {user_agent:?}: wanted printable ASCII"
            ));
        }
        let default_port = if tls { 443 } else { 80 };
        Ok(Self {
            method,
            path,
            host,
            user_agent,
            authorization: None,
            default_port,
        })
    }

    /// With an Authorization header. What is refused is not shown.
    pub(crate) fn authorized(mut self, authorization: Option<Secret>) -> Result<Self, String> {
        let right = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if let Some(secret) = &authorization
            && !secret.expose().bytes().all(right)
        {
            return Err("authorization is not one line of printable ASCII".to_owned());
        }
        self.authorization = authorization;
        Ok(self)
    }

    /// Sends it.
    pub(crate) fn send(&self, to: &mut impl Write, server: SocketAddr) -> io::Result<()> {
        to.write_all(self.text(server).as_bytes())
    }

    fn text(&self, server: SocketAddr) -> String {
        let method = match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
        };
        let host = self.host.clone().unwrap_or_else(|| self.authority(server));
        let authorization = self.authorization.as_ref().map_or_else(String::new, |it| {
            format!("Authorization: {}\r\n", it.expose())
        });
        format!(
            "{method} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {}\r\nAccept: */*\r\n{authorization}\
             Connection: close\r\n\r\n",
            self.path, self.user_agent
        )
    }

    /// The server's address as a Host header says it (RFC 3986, section 3.2).
    fn authority(&self, server: SocketAddr) -> String {
        if server.port() != self.default_port {
            server.to_string()
        } else if server.is_ipv6() {
            format!("[{}]", server.ip())
        } else {
            server.ip().to_string()
        }
    }
}

/// The name in a Host header, without its port; `None` if it is an address in brackets.
pub(crate) fn name_of(host: &str) -> Option<&str> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    (!name.is_empty() && !name.starts_with('[')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: Option<&str>, tls: bool) -> Request {
        Request::new(
            Method::Get,
            "/".into(),
            host.map(Into::into),
            "x".into(),
            tls,
        )
        .unwrap()
    }

    #[test]
    fn the_host_is_the_address_with_a_port_only_if_it_is_unusual() {
        let plain = request(None, false);
        assert_eq!(
            plain.authority("192.0.2.1:80".parse().unwrap()),
            "192.0.2.1"
        );
        assert_eq!(
            plain.authority("192.0.2.1:443".parse().unwrap()),
            "192.0.2.1:443"
        );
        assert_eq!(
            plain.authority("[2001:db8::1]:80".parse().unwrap()),
            "[2001:db8::1]"
        );
        assert_eq!(
            plain.authority("[2001:db8::1]:81".parse().unwrap()),
            "[2001:db8::1]:81"
        );
        assert_eq!(
            request(None, true).authority("192.0.2.1:443".parse().unwrap()),
            "192.0.2.1"
        );
    }

    #[test]
    fn the_request_is_one_of_http_1_1_that_asks_for_the_end_of_the_connection() {
        assert_eq!(
            request(Some("www.example.org"), false).text("192.0.2.1:80".parse().unwrap()),
            "GET / HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn the_authorization_is_sent_as_it_is_and_shown_to_nobody() {
        let with = |text: &str| request(None, false).authorized(Some(Secret::new(text)));
        let request = with("Bearer zq7xv9wk").unwrap();
        let text = request.text("192.0.2.1:80".parse().unwrap());
        assert!(
            text.contains("\r\nAuthorization: Bearer zq7xv9wk\r\nConnection"),
            "{text}"
        );
        assert!(!format!("{request:?}").contains("zq7xv9wk"));
        let error = with("Bearer zq7xv9wk\r\nX: y").unwrap_err();
        assert!(!error.contains("zq7xv9wk"), "{error}");
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_request() {
        let new = |path: &str, host: &str, agent: &str| {
            Request::new(
                Method::Get,
                path.into(),
                Some(host.into()),
                agent.into(),
                false,
            )
        };
        assert!(new("/a?b=c", "h:81", "a b").is_ok());
        for (path, host, agent) in [
            ("", "h", "a"),
            ("a", "h", "a"),
            ("/ HTTP/1.1\r\n", "h", "a"),
            ("/a b", "h", "a"),
            ("/", "", "a"),
            ("/", "h\r\nX: y", "a"),
            ("/", "h", "a\r\nX: y"),
        ] {
            assert!(
                new(path, host, agent).is_err(),
                "{path:?} {host:?} {agent:?}"
            );
        }
    }

    #[test]
    fn the_name_for_tls_is_the_hosts_without_its_port() {
        assert_eq!(name_of("www.example.org:8443"), Some("www.example.org"));
        assert_eq!(name_of("www.example.org"), Some("www.example.org"));
        assert_eq!(name_of("[2001:db8::1]:443"), None);
    }
}
