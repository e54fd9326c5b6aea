//! How a call went (gRPC over HTTP/2, "Responses"; the codes are those of grpc.StatusCode).

use evenkeel_sdk::{CheckError, shown};

/// Names of the codes, and what they mean here if that helps.
const CODES: [(&str, &str); 17] = [
    ("OK", ""),
    ("CANCELLED", ""),
    ("UNKNOWN", ""),
    ("INVALID_ARGUMENT", ""),
    ("DEADLINE_EXCEEDED", ""),
    ("NOT_FOUND", "the server does not know the service"),
    ("ALREADY_EXISTS", ""),
    ("PERMISSION_DENIED", ""),
    ("RESOURCE_EXHAUSTED", ""),
    ("FAILED_PRECONDITION", ""),
    ("ABORTED", ""),
    ("OUT_OF_RANGE", ""),
    ("UNIMPLEMENTED", "the server has no health checks"),
    ("INTERNAL", ""),
    ("UNAVAILABLE", ""),
    ("DATA_LOSS", ""),
    ("UNAUTHENTICATED", ""),
];

/// Whether the call has succeeded; the error is what the server says.
pub(crate) fn judge(status: Option<&str>, message: Option<&str>) -> Result<(), CheckError> {
    let Some(status) = status else {
        return Err(CheckError::new("malformed answer: no grpc-status"));
    };
    let code = status
        .parse::<u32>()
        .ok()
        .filter(|_| status.bytes().all(|it| it.is_ascii_digit()));
    let Some(code) = code else {
        let status = shown(status.as_bytes());
        return Err(CheckError::new(format!(
            "malformed answer: the grpc-status {status}"
        )));
    };
    if code == 0 {
        return Ok(());
    }
    let known = usize::try_from(code).ok().and_then(|it| CODES.get(it));
    let mut reason = match known {
        Some((name, "")) => format!("grpc-status {name}"),
        Some((name, meaning)) => format!("grpc-status {name} ({meaning})"),
        None => format!("grpc-status {code}"),
    };
    if let Some(message) = message.filter(|it| !it.is_empty()) {
        reason += ": ";
        reason += &shown(&decoded(message));
    }
    Err(CheckError::new(reason))
}

/// A message has `%` and two digits for what is no printable ASCII.
fn decoded(message: &str) -> Vec<u8> {
    let mut rest = message.as_bytes();
    let mut bytes = Vec::new();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        let digits = others.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits
            .and_then(|it| str::from_utf8(it).ok())
            .filter(|it| !it.starts_with('+'))
            .and_then(|it| u8::from_str_radix(it, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: Option<&str>, message: Option<&str>) -> String {
        judge(status, message).map_or_else(|it| it.to_string(), |()| "OK".to_owned())
    }

    #[test]
    fn a_status_is_said_in_words() {
        for (status, message, wanted) in [
            (Some("0"), Some("all is well"), "OK"),
            (None, None, "malformed answer: no grpc-status"),
            (Some("+0"), None, "malformed answer: the grpc-status \"+0\""),
            (Some(""), None, "malformed answer: the grpc-status \"\""),
            (
                Some("12"),
                Some("Method not found!"),
                "grpc-status UNIMPLEMENTED (the server has no health checks): \"Method not found!\"",
            ),
            (
                Some("5"),
                None,
                "grpc-status NOT_FOUND (the server does not know the service)",
            ),
            (
                Some("14"),
                Some("50%25 full%0a%zz%+1%2"),
                "grpc-status UNAVAILABLE: \"50% full\\n%zz%+1%2\"",
            ),
            (Some("99"), Some(""), "grpc-status 99"),
        ] {
            assert_eq!(said(status, message), wanted);
        }
    }
}
