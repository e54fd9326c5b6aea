//! Messages (RFC 4511, section 4).

use evenkeel_sdk::{CheckError, Dialogue, shown};

use crate::ber::{self, BOOLEAN, ENUMERATED, INTEGER, Length, OCTETS, SEQUENCE, element};
use crate::result;

/// The numbers of the requests.
pub(crate) const START_TLS: u8 = 1;
pub(crate) const BIND: u8 = 2;
pub(crate) const SEARCH: u8 = 3;
const UNBIND: u8 = 4;
/// What has this number says that the server ends the connection.
const NOTICE: usize = 0;

/// What messages are.
const BIND_REQUEST: u8 = 0x60;
pub(crate) const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
pub(crate) const ENTRY: u8 = 0x64;
pub(crate) const DONE: u8 = 0x65;
const EXTENDED_REQUEST: u8 = 0x77;
pub(crate) const EXTENDED_RESPONSE: u8 = 0x78;

/// The longest message that is read. An entry without attributes has its name only.
const LONGEST: usize = 32 * 1024;

/// A message of the server: what it is, and what is in it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) content: Vec<u8>,
}

fn message(id: u8, request: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&element(INTEGER, &[&[id]]), request])
}

pub(crate) fn start_tls() -> Vec<u8> {
    let name = element(0x80, &[b"1.3.6.1.4.1.1466.20037"]);
    message(START_TLS, &element(EXTENDED_REQUEST, &[&name]))
}

/// A simple bind; without a name and a password, an anonymous one.
pub(crate) fn bind(name: &str, password: &str) -> Vec<u8> {
    let parts = [
        element(INTEGER, &[&[3]]),
        element(OCTETS, &[name.as_bytes()]),
        element(0x80, &[password.as_bytes()]),
    ];
    message(BIND, &element(BIND_REQUEST, &[&parts.concat()]))
}

/// Asks for this entry alone, if it has an object class, which all have, and for none of its attributes.
pub(crate) fn search(base: &str) -> Vec<u8> {
    let parts = [
        element(OCTETS, &[base.as_bytes()]),
        // The scope: the entry. Aliases: as they are. No limits.
        element(ENUMERATED, &[&[0]]),
        element(ENUMERATED, &[&[0]]),
        element(INTEGER, &[&[0]]),
        element(INTEGER, &[&[0]]),
        element(BOOLEAN, &[&[0xff]]),
        element(0x87, &[b"objectClass"]),
        element(SEQUENCE, &[&element(OCTETS, &[b"1.1"])]),
    ];
    message(SEARCH, &element(SEARCH_REQUEST, &[&parts.concat()]))
}

pub(crate) fn unbind() -> Vec<u8> {
    message(UNBIND, &element(UNBIND_REQUEST, &[]))
}

/// The next message, which must be an answer to the request of this number.
pub(crate) fn read(server: &mut Dialogue, what: &str, id: u8) -> Result<Message, CheckError> {
    let mut head = server.exactly(what, 2)?;
    let length = match head[..] {
        [SEQUENCE, first] => match Length::of(first) {
            Some(Length::Follows(count)) => {
                let digits = server.exactly(what, count)?;
                head.extend(&digits);
                ber::number(&digits)
            }
            Some(Length::Is(length)) => Some(length),
            None => None,
        },
        _ => None,
    };
    let not_ldap = |got: &[u8]| {
        let got = shown(got);
        CheckError::new(format!("{what}: got {got}, which is not LDAP"))
    };
    let length = length.ok_or_else(|| not_ldap(&head))?;
    if length > LONGEST {
        return Err(CheckError::new(format!(
            "{what}: a message of {length} bytes"
        )));
    }
    let body = server.exactly(what, length)?;
    let (is, message) = parse(&body).ok_or_else(|| not_ldap(&body))?;
    if is == NOTICE && message.kind == EXTENDED_RESPONSE {
        result::of(
            message.parts(),
            EXTENDED_RESPONSE,
            "the server ends the connection",
        )?;
    }
    if is != usize::from(id) {
        return Err(CheckError::new(format!(
            "{what}: an answer to request {is}, which was not made"
        )));
    }
    Ok(message)
}

impl Message {
    /// Its kind and its content.
    pub(crate) fn parts(&self) -> (u8, &[u8]) {
        (self.kind, &self.content)
    }
}

fn parse(mut body: &[u8]) -> Option<(usize, Message)> {
    let id = ber::number(ber::expect(&mut body, INTEGER)?)?;
    let (kind, content) = ber::next(&mut body)?;
    let content = content.to_vec();
    Some((id, Message { kind, content }))
}
