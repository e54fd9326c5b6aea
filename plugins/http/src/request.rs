//! The request (RFC 9112, section 3; RFC 9113, section 8.3).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use evenkeel_sdk::Secret;

use crate::method::Method;

/// A body that is sent has no more bytes: so many can be sent in HTTP/2 before the server says that it takes more.
const MAX_BODY: usize = 32 * 1024;

/// What all requests of a check have.
#[derive(Debug)]
pub(crate) struct Common {
    user_agent: String,
    /// The Authorization header's value (RFC 9110, section 11.6.2).
    authorization: Option<Secret>,
    /// More headers, with their names as they are configured.
    headers: Vec<(String, String)>,
    tls: bool,
}

impl Common {
    /// Refuses what would not be one request. What is refused of a secret is not shown.
    pub(crate) fn new(
        user_agent: String,
        authorization: Option<Secret>,
        headers: &[String],
        tls: bool,
    ) -> Result<Self, String> {
        if !is_line(&user_agent) {
            return Err(format!(
                "user-agent cannot be {user_agent:?}: wanted printable ASCII"
            ));
        }
        if authorization
            .as_ref()
            .is_some_and(|it| !is_line(it.expose()))
        {
            return Err("authorization is not one line of printable ASCII".to_owned());
        }
        Ok(Self {
            user_agent,
            authorization,
            headers: headers
                .iter()
                .map(|it| header(it))
                .collect::<Result<_, _>>()?,
            tls,
        })
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The port that a Host header need not name.
    pub(crate) fn default_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }
}

fn is_line(text: &str) -> bool {
    text.bytes().all(is_line_byte)
}

/// Names that say how a message is sent, or that have settings of their own.
const OWN: [(&str, &str); 11] = [
    ("host", "it is the setting host"),
    ("user-agent", "it is the setting user-agent"),
    ("authorization", "it is the setting authorization"),
    ("content-length", "it is made of body"),
    ("connection", "the checker says it by itself"),
    ("keep-alive", "the checker says it by itself"),
    ("proxy-connection", "the checker says it by itself"),
    ("transfer-encoding", "the checker says it by itself"),
    ("te", "the checker takes no trailers"),
    (
        "upgrade",
        "the checker speaks one version, the one of version",
    ),
    ("expect", "the checker waits for nothing"),
];

/// `Name: value` (RFC 9110, section 5).
fn header(text: &str) -> Result<(String, String), String> {
    let refused = |why: &str| Err(format!("headers cannot have {text:?}: {why}"));
    let Some((name, value)) = text.split_once(':') else {
        return refused("wanted \"Name: value\"");
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return refused("the name has letters, digits and hyphens");
    }
    let value = value.trim_matches([' ', '\t']);
    if !value.bytes().all(|it| it == b'\t' || is_line_byte(it)) {
        return refused("the value is one line of printable ASCII");
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, why)) = OWN.iter().find(|(own, _)| *own == lower) {
        return refused(why);
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn is_line_byte(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// A request, but for the server that it goes to.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) host: Option<String>,
    body: String,
    common: Rc<Common>,
}

impl Request {
    /// Refuses what would not be one request.
    pub(crate) fn new(
        method: Method,
        path: String,
        host: Option<String>,
        body: Option<String>,
        common: Rc<Common>,
    ) -> Result<Self, String> {
        if !is_path(&path) {
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
        if body.is_some() && method != Method::Post {
            return Err("body needs method = \"POST\"".to_owned());
        }
        let body = body.unwrap_or_default();
        if body.len() > MAX_BODY {
            return Err(format!(
                "body has {} bytes; {MAX_BODY} are possible",
                body.len()
            ));
        }
        Ok(Self {
            method,
            path,
            host,
            body,
            common,
        })
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// The same for another path, as a redirection with that status asks for it (RFC 9110, section 15.4): a POST becomes
    /// a GET but for 307 and 308.
    pub(crate) fn redirected(&self, status: u16, path: String) -> Self {
        let mut request = Self {
            path,
            ..self.clone()
        };
        if request.method == Method::Post && !matches!(status, 307 | 308) {
            request.method = Method::Get;
            request.body = String::new();
        }
        request
    }

    /// As HTTP/1.1 sends it; `last`: the server may close the connection after it.
    pub(crate) fn text(&self, server: SocketAddr, last: bool) -> String {
        let host = self.authority(server);
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: {host}\r\n",
            self.method.word(),
            self.path
        );
        for (name, value) in self.fields() {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if last {
            text += "Connection: close\r\n";
        }
        text += "\r\n";
        text + &self.body
    }

    /// Its headers, but for those of the connection.
    pub(crate) fn fields(&self) -> Vec<(&str, String)> {
        let common = &*self.common;
        let mut fields = vec![("User-Agent", common.user_agent.clone())];
        let accepts = |(name, _): &(String, String)| name.eq_ignore_ascii_case("accept");
        if !common.headers.iter().any(accepts) {
            fields.push(("Accept", "*/*".to_owned()));
        }
        if let Some(authorization) = &common.authorization {
            fields.push(("Authorization", authorization.expose().to_owned()));
        }
        let headers = common.headers.iter();
        fields.extend(headers.map(|(name, value)| (name.as_str(), value.clone())));
        if self.method == Method::Post {
            fields.push(("Content-Length", self.body.len().to_string()));
        }
        fields
    }

    /// What it sends.
    pub(crate) fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }

    /// The configured host, or the server's address as a Host header says it (RFC 3986, section 3.2).
    pub(crate) fn authority(&self, server: SocketAddr) -> String {
        if let Some(host) = &self.host {
            host.clone()
        } else if server.port() != self.common.default_port() {
            server.to_string()
        } else if server.is_ipv6() {
            format!("[{}]", server.ip())
        } else {
            server.ip().to_string()
        }
    }
}

/// Whether it can stand in a request (RFC 9112, section 3.2.1).
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The name in a Host header, without its port; `None` if it is an address in brackets.
pub(crate) fn name_of(host: &str) -> Option<&str> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    (!name.is_empty() && !name.starts_with('[')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(tls: bool, headers: &[&str]) -> Result<Common, String> {
        let headers: Vec<String> = headers.iter().map(|&it| it.to_owned()).collect();
        Common::new("x".into(), None, &headers, tls)
    }

    fn request(host: Option<&str>, tls: bool) -> Request {
        let common = Rc::new(common(tls, &[]).unwrap());
        Request::new(Method::Get, "/".into(), host.map(Into::into), None, common).unwrap()
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
            request(Some("www.example.org"), false).text("192.0.2.1:80".parse().unwrap(), true),
            "GET / HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn the_authorization_is_sent_as_it_is_and_shown_to_nobody() {
        let with = |text: &str| Common::new("x".into(), Some(Secret::new(text)), &[], false);
        let common = Rc::new(with("Bearer zq7xv9wk").unwrap());
        let request = Request::new(Method::Get, "/".into(), None, None, common).unwrap();
        let text = request.text("192.0.2.1:80".parse().unwrap(), true);
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
            let common = Common::new(agent.into(), None, &[], false)?;
            let host = Some(host.into());
            Request::new(Method::Get, path.into(), host, None, Rc::new(common))
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
    fn headers_are_sent_and_take_the_place_of_the_usual_accept() {
        let headers = ["X-Probe:  one\t", "accept: text/plain", "Empty:"];
        let common = Rc::new(common(false, &headers).unwrap());
        let body = Some("{}".to_owned());
        let request = Request::new(Method::Post, "/".into(), None, body, common).unwrap();
        assert_eq!(
            request.text("192.0.2.1:80".parse().unwrap(), false),
            "POST / HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: x\r\nX-Probe: one\r\naccept: text/plain\r\nEmpty: \r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn headers_that_would_be_more_than_one_or_say_how_to_send_are_refused() {
        for text in [
            "X",
            ": y",
            "X : y",
            "X\u{e9}: y",
            "X: y\r\nZ: w",
            "X: y\nZ: w",
            "X: \0",
            "X: \u{7f}",
            "X: \u{e9}",
            "Host: other",
            "CONTENT-length: 1",
            "Transfer-Encoding: chunked",
            "Connection: keep-alive",
            "Authorization: Basic eA==",
        ] {
            let error = common(false, &[text]).unwrap_err();
            assert!(error.starts_with("headers cannot have"), "{error}");
        }
    }

    #[test]
    fn a_body_is_for_post_and_of_a_size() {
        let new = |method, body: String| {
            let common = Rc::new(common(false, &[]).unwrap());
            Request::new(method, "/".into(), None, Some(body), common).map(drop)
        };
        assert_eq!(new(Method::Post, "x".into()), Ok(()));
        let refused = new(Method::Get, "x".into()).unwrap_err();
        assert_eq!(refused, "body needs method = \"POST\"");
        let refused = new(Method::Post, "x".repeat(40_000)).unwrap_err();
        assert_eq!(refused, "body has 40000 bytes; 32768 are possible");
    }

    #[test]
    fn the_name_for_tls_is_the_hosts_without_its_port() {
        assert_eq!(name_of("www.example.org:8443"), Some("www.example.org"));
        assert_eq!(name_of("www.example.org"), Some("www.example.org"));
        assert_eq!(name_of("[2001:db8::1]:443"), None);
    }
}
