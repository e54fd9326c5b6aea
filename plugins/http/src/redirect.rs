//! Where a redirection leads (RFC 9110, section 10.2.2; RFC 3986, section 5.2): on this server alone.

use std::net::{IpAddr, SocketAddr};

use evenkeel_sdk::{CheckError, shown};

use crate::request::{Request, is_path};

/// The path that `location` says, after `request` was asked for; an error if it is on another server.
pub(crate) fn path(
    location: &str,
    request: &Request,
    server: SocketAddr,
) -> Result<String, CheckError> {
    let told = || shown(location.as_bytes());
    let location = location.split('#').next().unwrap_or_default();
    let scheme = request.common().scheme();
    let rest = match split_scheme(location) {
        Some((said, rest)) if said.eq_ignore_ascii_case(scheme) => rest,
        Some(_) => return Err(elsewhere(&told())),
        None => location,
    };
    let path = if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !is_here(authority, request, server) {
            return Err(elsewhere(&told()));
        }
        match path {
            "" => "/".to_owned(),
            path if path.starts_with('?') => format!("/{path}"),
            path => path.to_owned(),
        }
    } else if rest.len() < location.len() {
        // `http:x` is nothing that a server should say.
        return Err(elsewhere(&told()));
    } else {
        relative(rest, &request.path)
    };
    let path = without_dots(&path);
    if is_path(&path) {
        Ok(path)
    } else {
        Err(CheckError::new(format!(
            "redirected to {}, which is no URL",
            told()
        )))
    }
}

fn elsewhere(told: &str) -> CheckError {
    CheckError::new(format!("redirected to {told}, which is not on this server"))
}

/// The scheme and what follows its colon.
fn split_scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"+-.".contains(&it);
    let letter = scheme.as_bytes().first()?.is_ascii_alphabetic();
    (letter && scheme.bytes().all(fits)).then_some((scheme, rest))
}

/// Whether the authority is that of the request, or the server's address; with its port or the one of its Host header.
fn is_here(authority: &str, request: &Request, server: SocketAddr) -> bool {
    let default = request.common().default_port();
    let Some((name, port)) = split_port(authority, default) else {
        return false;
    };
    let host = request.authority(server);
    let own = split_port(&host, default);
    let named = own.is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let addressed = bare.parse::<IpAddr>() == Ok(server.ip());
    let usual = own.map_or(default, |(_, port)| port);
    (named || addressed) && (port == server.port() || (named && port == usual))
}

/// Name and port; `None`: it is none, or has a user.
fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    match authority.rsplit_once(':') {
        Some((name, "")) if !name.is_empty() => Some((name, default)),
        Some((name, port)) if !port.ends_with(']') => Some((name, port.parse().ok()?)),
        _ => Some((authority, default)),
    }
}

/// What a reference without scheme and server means after `base` (RFC 3986, section 5.2.2).
fn relative(reference: &str, base: &str) -> String {
    let without_query = base.split('?').next().unwrap_or_default();
    match reference.bytes().next() {
        None => base.to_owned(),
        Some(b'/') => reference.to_owned(),
        Some(b'?') => format!("{without_query}{reference}"),
        Some(_) => {
            let end = without_query.rfind('/').map_or(0, |at| at + 1);
            format!("{}{reference}", &without_query[..end])
        }
    }
}

/// Takes `.` and `..` out of a path (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    if path.starts_with('/') {
        format!("/{}{query}", kept.join("/"))
    } else {
        format!("{path}{query}")
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::method::Method;
    use crate::request::Common;

    fn request(base: &str, host: Option<&str>, tls: bool) -> Request {
        let common = Rc::new(Common::new("x".into(), None, &[], tls).unwrap());
        Request::new(
            Method::Get,
            base.into(),
            host.map(str::to_owned),
            None,
            common,
        )
        .unwrap()
    }

    fn from(base: &str, host: Option<&str>, tls: bool, location: &str) -> Result<String, String> {
        let server = SocketAddr::from(([192, 0, 2, 1], 8080));
        path(location, &request(base, host, tls), server).map_err(|it| it.reason().to_owned())
    }

    #[test]
    fn what_a_redirection_says_is_resolved_against_the_request() {
        for (location, wanted) in [
            ("/x", "/x"),
            ("/x?y=1#part", "/x?y=1"),
            ("c", "/a/c"),
            ("../c", "/c"),
            ("../../../c", "/c"),
            ("./", "/a/"),
            ("..", "/"),
            ("?z", "/a/b?z"),
            ("", "/a/b?q=http://h/"),
            ("/x/../y?u=/../", "/y?u=/../"),
            ("http://192.0.2.1:8080/x", "/x"),
            ("HTTP://192.0.2.1:8080", "/"),
            ("//192.0.2.1:8080?x", "/?x"),
        ] {
            let found = from("/a/b?q=http://h/", None, false, location);
            assert_eq!(found.as_deref(), Ok(wanted), "{location}");
        }
    }

    #[test]
    fn the_host_is_this_server_on_its_own_port_and_on_the_one_that_clients_know() {
        let host = Some("www.example.org");
        for location in [
            "http://WWW.example.org/x",
            "http://www.example.org:80/x",
            "http://www.example.org:8080/x",
            "http://192.0.2.1:8080/x",
        ] {
            assert_eq!(
                from("/", host, false, location).as_deref(),
                Ok("/x"),
                "{location}"
            );
        }
        let tls = from("/", host, true, "https://www.example.org:443/x");
        assert_eq!(tls.as_deref(), Ok("/x"));
    }

    #[test]
    fn another_server_is_a_failure() {
        for location in [
            "http://other.example.org/x",
            "//other.example.org/x",
            "https://www.example.org/x",
            "http://www.example.org:81/x",
            "http://www.example.org@other.example.org/x",
            "http://user@www.example.org/x",
            "http://192.0.2.1/x",
            "http:///x",
            "http:x",
            "ftp://www.example.org/",
            "javascript:alert(1)",
        ] {
            let error = from("/", Some("www.example.org"), false, location).unwrap_err();
            assert!(
                error.ends_with("which is not on this server"),
                "{location}: {error}"
            );
        }
    }

    #[test]
    fn what_cannot_stand_in_a_request_is_no_url() {
        for location in ["/a b", "/a\u{e9}", "/a\tb", "//192.0.2.1:8080/a\u{0}"] {
            let error = from("/", None, false, location).unwrap_err();
            assert!(error.ends_with("which is no URL"), "{location}: {error}");
        }
    }
}
