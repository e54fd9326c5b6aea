//! HTTP/1.1 (RFC 9112): one answer after the other on a connection, if the server keeps it.

use std::io::{self, Read, Write as _};
use std::time::Duration;

use evenkeel_sdk::{CheckError, Connection};

use crate::client::{Client, Connector};
use crate::framing::Body;
use crate::head::{self, Head};
use crate::method::Method;
use crate::request::Request;
use crate::search::Search;
use crate::wire::Wire;

/// So much of a body that nobody wants is read for the connection's sake; a new one costs less than more.
const PASSED_OVER: usize = 64 * 1024;
/// As long as a piece of it may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// Asks by HTTP/1.1.
pub(crate) struct One<'a> {
    connector: Connector<'a>,
    /// The connection, while it can be used for more.
    wire: Option<Wire<Connection>>,
    /// What is left of the last answer.
    body: Body,
    /// Whether another request may follow on the connection.
    keep: bool,
}

impl<'a> One<'a> {
    pub(crate) fn new(connector: Connector<'a>) -> Self {
        Self {
            connector,
            wire: None,
            body: Body::Sized(0),
            keep: false,
        }
    }
}

impl Client for One<'_> {
    fn ask(&mut self, request: &Request, last: bool) -> Result<Head, CheckError> {
        let text = request.text(self.connector.target.endpoint(), last);
        // Whether a POST was done can only be known of a connection that was there when it was sent.
        let kept = self.wire.take().filter(|_| request.method != Method::Post);
        let target = self.connector.target;
        let asked = match kept {
            Some(mut wire) => match ask(&mut wire, &text, request.method) {
                // The server has closed it meanwhile (RFC 9112, section 9.3.1).
                Err(_) if wire.buffered().is_empty() && !target.time_left().is_zero() => None,
                asked => Some((wire, asked?)),
            },
            None => None,
        };
        let (wire, head) = match asked {
            Some(asked) => asked,
            None => {
                let mut wire = Wire::new(self.connector.connect()?);
                let head = ask(&mut wire, &text, request.method)?;
                (wire, head)
            }
        };
        self.body = head.framing.into();
        self.keep = !last && head.keep;
        self.wire = Some(wire);
        Ok(head)
    }

    fn read(&mut self, search: &mut dyn Search) -> Result<bool, CheckError> {
        match &mut self.wire {
            Some(wire) => self.body.read(wire, search),
            None => Ok(false),
        }
    }

    fn done(&mut self) {
        let Some(mut wire) = self.wire.take().filter(|_| self.keep) else {
            return;
        };
        wire.reader().set_read_timeout(Some(PATIENCE));
        // What is wrong with a body that nobody wants is the next connection's chance.
        if self.body.pass(&mut wire, PASSED_OVER).unwrap_or(false) {
            wire.reader().set_read_timeout(None);
            self.wire = Some(wire);
        }
    }
}

fn ask(wire: &mut Wire<Connection>, text: &str, method: Method) -> Result<Head, CheckError> {
    let sent = wire.reader().write_all(text.as_bytes());
    head_after(sent, wire, method)
}

/// Reads the head of the answer, whatever became of the request: a server may answer and be gone before it has taken it.
pub(crate) fn head_after(
    sent: io::Result<()>,
    wire: &mut Wire<impl Read>,
    method: Method,
) -> Result<Head, CheckError> {
    match (sent, head::read(wire, method)) {
        // Without an answer, what went wrong first is the reason.
        (Err(error), Err(_)) => Err(error.into()),
        (_, head) => head,
    }
}
