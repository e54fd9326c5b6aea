//! Who is asked about.

use std::net::{IpAddr, SocketAddr};

use percent_encoding::percent_decode_str;

/// A client, and perhaps a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The client. A port of 0: all of its connections are meant.
    pub client: Client,
    /// The service's name; `None`: all that the client has to do with.
    pub service: Option<String>,
}

/// A client's address, and perhaps the port of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// The port that the connection comes from.
    pub port: Option<u16>,
}

impl Client {
    /// With a port of 0 where none is known.
    #[must_use]
    pub fn socket_addr(self) -> SocketAddr {
        SocketAddr::new(self.address, self.port.unwrap_or(0))
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            None => self.address.fmt(f),
            Some(_) => self.socket_addr().fmt(f),
        }
    }
}

impl Question {
    /// About a client as it is written: `ADDRESS` or `ADDRESS:PORT`, IPv6 with a port in brackets.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn new(client: &str, service: Option<String>) -> Result<Self, String> {
        let wrong = || {
            format!(
                "client {client:?}: an address is right, with or without a port: 192.0.2.9:4000, [2001:db8::9]:4000"
            )
        };
        let (address, port) = match client.parse::<IpAddr>() {
            Ok(address) => (address, None),
            Err(_) => {
                let socket: SocketAddr = client.parse().map_err(|_| wrong())?;
                (socket.ip(), Some(socket.port()))
            }
        };
        if port == Some(0) {
            return Err(format!(
                "client {client:?}: a port from 1 to 65535 is right, or none"
            ));
        }
        Ok(Self {
            client: Client {
                address: address.to_canonical(),
                port,
            },
            service,
        })
    }

    /// As the part of an address after `?`.
    pub(crate) fn query(&self) -> String {
        let encoded = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let mut query = format!("client={}", encoded(&self.client.to_string()));
        if let Some(service) = &self.service {
            query.push_str(&format!("&service={}", encoded(service)));
        }
        query
    }

    /// From that.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_query(query: &str) -> Result<Self, String> {
        let (mut client, mut service) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| format!("{key}: its value is no UTF-8"))?
                .into_owned();
            match key {
                "client" => client = Some(value),
                "service" => service = Some(value),
                other => {
                    return Err(format!(
                        "{other:?}: there are client=ADDRESS[:PORT] and service=NAME"
                    ));
                }
            }
        }
        let client = client.ok_or("client=ADDRESS[:PORT] is missing")?;
        Self::new(&client, service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_the_same_after_it_was_sent() {
        for client in [
            "192.0.2.9",
            "192.0.2.9:4000",
            "2001:db8::9",
            "[2001:db8::9]:4000",
        ] {
            for service in [
                None,
                Some("web-1.x_y".to_owned()),
                Some("a&b=c %".to_owned()),
            ] {
                let question = Question::new(client, service).unwrap();
                assert_eq!(Question::of_query(&question.query()), Ok(question));
            }
        }
    }

    #[test]
    fn an_ipv4_address_in_the_form_of_ipv6_is_that_address() {
        let question = Question::new("::ffff:192.0.2.9", None).unwrap();
        assert_eq!(question.client.to_string(), "192.0.2.9");
    }

    #[test]
    fn what_is_no_client_is_refused_with_what_would_be_right() {
        for client in [
            "",
            "web",
            "192.0.2.9:",
            "192.0.2.9:0",
            "192.0.2.9:70000",
            "2001:db8::9:x",
            "\u{1b}[2J",
        ] {
            let error = Question::new(client, None).unwrap_err();
            assert!(
                error.contains("is right") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
    }
}
