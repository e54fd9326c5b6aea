//! Packets (RFC 2865, section 3; Status-Server is of RFC 5997, Message-Authenticator of RFC 3579, section 3.2).

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};

/// What packets are.
const ACCESS_REQUEST: u8 = 1;
pub(crate) const ACCEPT: u8 = 2;
pub(crate) const REJECT: u8 = 3;
pub(crate) const ACCOUNTING: u8 = 5;
pub(crate) const CHALLENGE: u8 = 11;
const STATUS_SERVER: u8 = 12;

/// What attributes are.
const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const REPLY_MESSAGE: u8 = 18;
const NAS_IDENTIFIER: u8 = 32;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// An attribute has 255 bytes, of which two are its head.
pub(crate) const LONGEST_TEXT: usize = 253;
pub(crate) const LONGEST_PASSWORD: usize = 128;
/// The code, the number, the length, and the authenticator.
const HEAD: usize = 20;
/// The bytes of a hash, and of an authenticator.
const HASH: usize = 16;

/// What a packet is called.
pub(crate) fn name(code: u8) -> String {
    match code {
        REJECT => "Access-Reject".to_owned(),
        ACCOUNTING => "Accounting-Response".to_owned(),
        CHALLENGE => "Access-Challenge".to_owned(),
        code => format!("a packet of code {code}"),
    }
}

/// What requests and their answers are signed with.
pub(crate) struct Request<'a> {
    id: u8,
    authenticator: [u8; HASH],
    secret: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn new(id: u8, authenticator: [u8; HASH], secret: &'a [u8]) -> Self {
        Self {
            id,
            authenticator,
            secret,
        }
    }

    /// Asks whether a user may come in.
    pub(crate) fn login(&self, nas: &str, user: &str, password: &str) -> Vec<u8> {
        let attributes = [
            attribute(USER_NAME, user.as_bytes()),
            attribute(USER_PASSWORD, &self.hidden(password.as_bytes())),
            attribute(NAS_IDENTIFIER, nas.as_bytes()),
        ];
        self.signed(ACCESS_REQUEST, &attributes.concat())
    }

    /// Asks whether the server is there.
    pub(crate) fn status(&self, nas: &str) -> Vec<u8> {
        self.signed(STATUS_SERVER, &attribute(NAS_IDENTIFIER, nas.as_bytes()))
    }

    /// With the signature first: before it, nothing can be put in that makes another packet of the same MD5 sum.
    fn signed(&self, code: u8, attributes: &[u8]) -> Vec<u8> {
        let rest = [&attribute(MESSAGE_AUTHENTICATOR, &[0; HASH]), attributes].concat();
        let length = u16::try_from(HEAD + rest.len()).unwrap_or(u16::MAX);
        let mut packet = vec![code, self.id];
        packet.extend(length.to_be_bytes());
        packet.extend(self.authenticator);
        packet.extend(rest);
        let signature = self.signature(&packet);
        if let Some(place) = packet.get_mut(HEAD + 2..HEAD + 2 + HASH) {
            place.copy_from_slice(&signature);
        }
        packet
    }

    fn signature(&self, packet: &[u8]) -> Vec<u8> {
        // A key of any length will do.
        let Ok(mac) = Hmac::<Md5>::new_from_slice(self.secret) else {
            return Vec::new();
        };
        mac.chain_update(packet).finalize().into_bytes().to_vec()
    }

    /// A password as it is sent (RFC 2865, section 5.2).
    fn hidden(&self, password: &[u8]) -> Vec<u8> {
        let mut padded = password.to_vec();
        padded.resize(password.len().max(1).next_multiple_of(HASH), 0);
        let mut hidden: Vec<u8> = Vec::new();
        let mut before = self.authenticator.to_vec();
        for block in padded.chunks(HASH) {
            let key = Md5::new()
                .chain_update(self.secret)
                .chain_update(&before)
                .finalize();
            before = block.iter().zip(key).map(|(a, b)| a ^ b).collect();
            hidden.extend(&before);
        }
        hidden
    }

    /// The answer in a datagram, if it is one and is signed with the secret.
    pub(crate) fn answer<'b>(&self, datagram: &'b [u8]) -> Result<Answer<'b>, String> {
        let wrong = |why: &str| {
            let got = evenkeel_sdk::shown(datagram);
            format!("got {got}, which is not RADIUS: {why}")
        };
        let Some(([code, id, a, b, authenticator @ ..], _)) = datagram.split_first_chunk::<HEAD>()
        else {
            return Err(wrong("it is too short"));
        };
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        // What is behind it is padding.
        let attributes = datagram.get(HEAD..length);
        let Some(attributes) = attributes.filter(|_| *id == self.id) else {
            return Err(wrong("its length or number is wrong"));
        };
        let sum = Md5::new()
            .chain_update([*code, *id, *a, *b])
            .chain_update(self.authenticator)
            .chain_update(attributes)
            .chain_update(self.secret)
            .finalize();
        if sum[..] != authenticator[..] {
            return Err("the answer is not signed with this secret".to_owned());
        }
        let answer = Answer {
            code: *code,
            attributes: split(attributes).ok_or_else(|| wrong("an attribute has no end"))?,
        };
        let head = [*code, *id, *a, *b];
        if self.is_signed(&head, &answer.attributes) {
            Ok(answer)
        } else {
            Err("the answer's Message-Authenticator is not of this secret".to_owned())
        }
    }

    /// Whether the signature is right, if there is one. Old servers leave it out.
    fn is_signed(&self, head: &[u8], attributes: &[(u8, &[u8])]) -> bool {
        let mut unsigned = [head, &self.authenticator].concat();
        let mut signature = None;
        for (kind, value) in attributes {
            if *kind == MESSAGE_AUTHENTICATOR {
                signature = Some(*value);
                unsigned.extend(attribute(*kind, &[0; HASH]));
            } else {
                unsigned.extend(attribute(*kind, value));
            }
        }
        signature.is_none_or(|it| it == self.signature(&unsigned))
    }
}

/// An answer that is signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) code: u8,
    attributes: Vec<(u8, &'a [u8])>,
}

impl<'a> Answer<'a> {
    /// What the server would have the user read.
    pub(crate) fn message(&self) -> Option<&'a [u8]> {
        let mut all = self.attributes.iter();
        all.find(|(kind, _)| *kind == REPLY_MESSAGE)
            .map(|(_, text)| *text)
    }
}

/// The kinds and values of attributes.
fn split(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while let [kind, length, ..] = *rest {
        let (attribute, behind) = rest.split_at_checked(length.into())?;
        all.push((kind, attribute.get(2..)?));
        rest = behind;
    }
    rest.is_empty().then_some(all)
}

fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
    [&[kind, length], value].concat()
}

#[cfg(test)]
mod tests {
    use evenkeel_sdk::hex;

    use super::*;

    const SECRET: &[u8] = b"xyzzy5461";

    fn request(id: u8, authenticator: &str) -> Request<'static> {
        Request::new(id, hex(authenticator).unwrap().try_into().unwrap(), SECRET)
    }

    #[test]
    fn the_login_of_rfc_2865_is_made_and_answered() {
        let request = request(0, "0f403f9473978057bd83d5cb98f4227a");
        let hidden = hex("0dbe708d93d413ce3196e43f782a0aee").unwrap();
        assert_eq!(request.hidden(b"arctangent"), hidden);
        let accept =
            "02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103";
        let mut accept = hex(accept).unwrap();
        assert_eq!(request.answer(&accept).unwrap().code, ACCEPT);
        accept[0] = REJECT;
        let error = request.answer(&accept).unwrap_err();
        assert_eq!(error, "the answer is not signed with this secret");
    }

    #[test]
    fn the_status_of_rfc_5997_is_asked_for_and_answered() {
        let request = request(0xda, "8a54f4686fb394c52866e302185d0623");
        let asked =
            "0cda0026 8a54f4686fb394c52866e302185d0623 5012 5a665e2e1e8411f3e243822097c84fa3";
        assert_eq!(request.signed(STATUS_SERVER, &[]), hex(asked).unwrap());
        let accept = hex("02da0014 ef0d552a4bf2d693ec2b6fe8b5411d66").unwrap();
        assert_eq!(request.answer(&accept).unwrap().code, ACCEPT);
    }

    #[test]
    fn a_password_may_have_several_blocks_or_none() {
        let request = request(0, "0f403f9473978057bd83d5cb98f4227a");
        for (length, hidden) in [(0, 16), (16, 16), (17, 32), (128, 128)] {
            assert_eq!(request.hidden(&vec![b'x'; length]).len(), hidden);
        }
    }

    #[test]
    fn attributes_that_have_no_end_are_none() {
        assert_eq!(
            split(&[18, 3, b'x', 1, 2]),
            Some(vec![(18, &b"x"[..]), (1, &[])])
        );
        for bytes in [&[18][..], &[18, 0], &[18, 1], &[18, 4, b'x']] {
            assert_eq!(split(bytes), None, "{bytes:?}");
        }
    }
}
