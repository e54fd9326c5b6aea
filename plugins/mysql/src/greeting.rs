//! What the server says first.

use evenkeel_sdk::{CheckError, Dialogue, shown};

use crate::packet::{self, Rest};
use crate::refusal::refused;

/// What the server can do (CLIENT_*).
pub(crate) const PROTOCOL_41: u32 = 0x200;
pub(crate) const SSL: u32 = 0x800;
pub(crate) const TRANSACTIONS: u32 = 0x2000;
pub(crate) const SECURE_CONNECTION: u32 = 0x8000;
pub(crate) const PLUGIN_AUTH: u32 = 0x8_0000;

/// The bytes that a password is mixed with.
const NONCE: usize = 20;

/// The greeting of protocol 10.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    pub(crate) capabilities: u32,
    /// How the server would have clients log in.
    pub(crate) method: String,
    pub(crate) nonce: Vec<u8>,
    /// The packet's number.
    pub(crate) number: u8,
}

impl Greeting {
    pub(crate) fn read(server: &mut Dialogue) -> Result<Self, CheckError> {
        let (number, payload) = packet::read(server, "greeting")?;
        match payload.split_first() {
            Some((10, rest)) => parse(number, Rest(rest)).ok_or_else(|| {
                CheckError::new(format!(
                    "greeting: got {}, which is not complete",
                    shown(&payload)
                ))
            }),
            Some((&packet::ERR, rest)) => Err(refused("greeting", rest)),
            _ => Err(CheckError::new(format!(
                "greeting: got {}, which is not MySQL's protocol 10",
                shown(&payload)
            ))),
        }
    }
}

fn parse(number: u8, mut rest: Rest<'_>) -> Option<Greeting> {
    let version = String::from_utf8_lossy(rest.text()?).into_owned();
    let _thread = rest.take(4)?;
    let mut nonce = rest.take(8)?.to_vec();
    rest.byte()?;
    let low = rest.short()?;
    let _character_set = rest.byte()?;
    let _status = rest.short()?;
    let high = rest.short()?;
    let _length_of_nonce = rest.byte()?;
    rest.take(10)?;
    let capabilities = u32::from(high) << 16 | u32::from(low);
    if capabilities & SECURE_CONNECTION != 0 {
        // A zero is behind it.
        nonce.extend(rest.take(NONCE - 8)?);
        rest.byte()?;
    }
    let method = if capabilities & PLUGIN_AUTH != 0 {
        // Some versions leave out the zero at the end.
        rest.text().unwrap_or(rest.0)
    } else {
        &[]
    };
    Some(Greeting {
        version,
        capabilities,
        method: String::from_utf8_lossy(method).into_owned(),
        nonce,
        number,
    })
}
