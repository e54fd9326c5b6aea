//! The two messages (Protocol Buffers; grpc.health.v1), as gRPC sends them: a byte, which is 1 if it is compressed, the
//! length in four, and the message.

use evenkeel_sdk::CheckError;

/// Bytes before a message.
const PREFIX: usize = 5;

/// A `HealthCheckRequest`: field 1 is the service's name. An empty one is left out.
pub(crate) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or_default());
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], &message].concat()
}

fn wrong(what: &str) -> CheckError {
    CheckError::new(format!("malformed answer: {what}"))
}

/// The status in a `HealthCheckResponse`, its field 1.
pub(crate) fn status(body: &[u8]) -> Result<u64, CheckError> {
    let Some((&[compressed, l1, l2, l3, l4], message)) = body.split_first_chunk::<PREFIX>() else {
        return Err(wrong("no message"));
    };
    if compressed != 0 {
        return Err(wrong("a compressed message, which was not asked for"));
    }
    let length = usize::try_from(u32::from_be_bytes([l1, l2, l3, l4])).unwrap_or(usize::MAX);
    if message.len() != length {
        return Err(wrong(
            "a message of another length than it says, or several",
        ));
    }
    let mut rest = message;
    // The default; the last one counts.
    let mut status = 0;
    while !rest.is_empty() {
        let key = number(&mut rest)?;
        match (key >> 3, key & 7) {
            (0, _) => return Err(wrong("a field with the number 0")),
            (1, 0) => status = number(&mut rest)?,
            (1, _) => return Err(wrong("a status that is no number")),
            // What is unknown is passed over.
            (_, 0) => drop(number(&mut rest)?),
            (_, 1) => skip(&mut rest, 8)?,
            (_, 2) => {
                let length = number(&mut rest)?;
                skip(&mut rest, usize::try_from(length).unwrap_or(usize::MAX))?;
            }
            (_, 5) => skip(&mut rest, 4)?,
            _ => return Err(wrong("a field of an unknown kind")),
        }
    }
    Ok(status)
}

fn skip(rest: &mut &[u8], length: usize) -> Result<(), CheckError> {
    let end = rest.get(length..);
    *rest = end.ok_or_else(|| wrong("a message that is cut off"))?;
    Ok(())
}

/// A number of 64 bits, seven in a byte.
fn number(rest: &mut &[u8]) -> Result<u64, CheckError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, others) = rest
            .split_first()
            .ok_or_else(|| wrong("a message that is cut off"))?;
        *rest = others;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(wrong("a number that is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_the_service_if_there_is_one() {
        assert_eq!(request(""), [0; 5]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = request(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
        assert_eq!(long.len(), 308);
    }

    #[test]
    fn the_status_is_found_among_other_fields() {
        for (body, wanted) in [
            (&[0, 0, 0, 0, 0][..], 0),
            (&[0, 0, 0, 0, 2, 8, 1], 1),
            (&[0, 0, 0, 0, 4, 8, 1, 8, 2], 2),
            (&[0, 0, 0, 0, 6, 0x12, 2, 8, 2, 8, 1], 1),
            (&[0, 0, 0, 0, 10, 0x10, 0x80, 1, 0x1d, 1, 2, 3, 4, 8, 2], 2),
            (&[0, 0, 0, 0, 3, 8, 0x81, 1], 129),
        ] {
            assert_eq!(status(body).unwrap(), wanted, "{body:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (body, why) in [
            (&[][..], "no message"),
            (&[0, 0, 0, 0], "no message"),
            (&[1, 0, 0, 0, 2, 8, 1], "compressed"),
            (&[0, 0, 0, 0, 3, 8, 1], "another length"),
            (&[0, 0, 0, 0, 1, 8, 1], "another length"),
            (&[0, 0, 0, 0, 1, 8], "cut off"),
            (&[0, 0, 0, 0, 2, 0x0a, 0], "a status that is no number"),
            (&[0, 0, 0, 0, 1, 0], "the number 0"),
            (&[0, 0, 0, 0, 2, 0x12, 9], "cut off"),
            (&[0, 0, 0, 0, 1, 0x13], "an unknown kind"),
            (
                &[
                    0, 0, 0, 0, 12, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1,
                ],
                "too long",
            ),
        ] {
            let error = status(body).unwrap_err();
            assert!(error.reason().contains(why), "{body:?}: {error}");
        }
    }
}
