//! HTTP/2 (RFC 9113): one answer after the other on a connection, if the server keeps it.

use evenkeel_http2::{Error, Http2, value};
use evenkeel_sdk::{CheckError, Connection};

use crate::client::{Client, Connector};
use crate::framing::Framing;
use crate::head::Head;
use crate::method::Method;
use crate::request::Request;
use crate::search::Search;

/// Asks by HTTP/2.
pub(crate) struct Two<'a> {
    connector: Connector<'a>,
    http: Option<Http2<Connection>>,
}

impl<'a> Two<'a> {
    pub(crate) fn new(connector: Connector<'a>) -> Self {
        Self {
            connector,
            http: None,
        }
    }
}

impl Client for Two<'_> {
    fn ask(&mut self, request: &Request, _: bool) -> Result<Head, CheckError> {
        let target = self.connector.target;
        let authority = request.authority(target.endpoint());
        let fields = fields(request, &authority);
        // Whether a POST was done can only be known of a connection that was there when it was sent.
        let kept = self
            .http
            .take()
            .filter(|it| it.is_open() && request.method != Method::Post);
        let asked = match kept {
            Some(mut http) => match ask(&mut http, &fields, request.body()) {
                Err(Error::Gone(_) | Error::Io(_)) if !target.time_left().is_zero() => None,
                asked => Some((http, asked?)),
            },
            None => None,
        };
        let (http, head) = match asked {
            Some(asked) => asked,
            None => {
                let mut http = Http2::new(self.connector.connect()?);
                let head = ask(&mut http, &fields, request.body())?;
                (http, head)
            }
        };
        self.http = Some(http);
        Ok(head)
    }

    fn read(&mut self, search: &mut dyn Search) -> Result<bool, CheckError> {
        let Some(http) = &mut self.http else {
            return Ok(false);
        };
        while let Some(piece) = http.data()? {
            if search.add(&piece)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn done(&mut self) {
        // The next request says that the rest of this answer is not wanted.
    }
}

/// The fields of a request (RFC 9113, section 8.3.1).
fn fields(request: &Request, authority: &str) -> Vec<(String, String)> {
    let pseudo = [
        (":method", request.method.word()),
        (":scheme", request.common().scheme()),
        (":authority", authority),
        (":path", &request.path),
    ];
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let rest = request.fields().into_iter();
    let rest = rest.map(|(name, value)| (name.to_ascii_lowercase(), value));
    pseudo.into_iter().chain(rest).collect()
}

fn ask(
    http: &mut Http2<Connection>,
    fields: &[(String, String)],
    body: &[u8],
) -> Result<Head, Error> {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let sent = http.request(&fields, body);
    let (status, fields) = match (sent, http.head()) {
        // Without an answer, what went wrong first is the reason.
        (Err(error), Err(_)) => return Err(error),
        (_, head) => head?,
    };
    Ok(Head {
        status,
        framing: Framing::Close,
        location: value(&fields, "location").map(str::to_owned),
        keep: true,
    })
}
