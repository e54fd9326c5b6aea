//! What goes wrong in TLS, in plain words.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// What is offered: what a server lacks when it has none of it.
const OFFERED: &str =
    "TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305, are offered";

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// Why a handshake, or a connection, failed.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("certificate: {}", certificate(error)),
        Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "the server has no application protocol in common (ALPN)".to_owned()
        }
        Error::AlertReceived(AlertDescription::HandshakeFailure) => format!(
            "the server refuses the handshake, as a rule for want of a common cipher suite: {OFFERED}"
        ),
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            "the server has neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        Error::AlertReceived(alert) => {
            format!(
                "the server ends the connection: {}",
                words(&format!("{alert:?}"))
            )
        }
        Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => {
            "the answer is not TLS".to_owned()
        }
        Error::PeerIncompatible(what) => {
            format!("the server does not fit: {}", words(&format!("{what:?}")))
        }
        Error::PeerMisbehaved(what) => {
            format!(
                "the server breaks the rules of TLS: {}",
                words(&format!("{what:?}"))
            )
        }
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the server sends messages of TLS out of their order".to_owned()
        }
        Error::DecryptError => "what the server sends cannot be decrypted".to_owned(),
        Error::General(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate.
fn certificate(error: &CertificateError) -> String {
    use CertificateError as Wrong;
    let text = match error {
        Wrong::BadEncoding => "cannot be understood",
        Wrong::ExpiredContext { time, not_after } => {
            let seconds = time.as_secs().saturating_sub(not_after.as_secs());
            return format!("expired {} ago", days(seconds));
        }
        Wrong::Expired => "has expired",
        Wrong::NotValidYetContext { time, not_before } => {
            let seconds = not_before.as_secs().saturating_sub(time.as_secs());
            return format!("is not valid yet, but in {}", days(seconds));
        }
        Wrong::NotValidYet => "is not valid yet",
        Wrong::Revoked => "is revoked",
        Wrong::UnknownIssuer => "is of no authority that this machine knows",
        Wrong::NotValidForNameContext { expected, .. } => {
            return format!("is not for {}", expected.to_str());
        }
        Wrong::NotValidForName => "is not for this name",
        Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. } => "is not for servers",
        Wrong::BadSignature => "its signature, or the server's by its key, is wrong",
        Wrong::UnsupportedSignatureAlgorithmContext { .. }
        | Wrong::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a kind of key or signature that is not supported"
        }
        Wrong::UnhandledCriticalExtension => "has a critical extension that is not known",
        Wrong::Other(other) => return by_name(&format!("{:?}", other.0)),
        other => return words(&format!("{other:?}")),
    };
    text.to_owned()
}

/// What the checker of certificates calls by a name only.
fn by_name(name: &str) -> String {
    match name {
        "CaUsedAsEndEntity" => "a CA's, used as a server's".to_owned(),
        "EndEntityUsedAsCa" => "a server's, used as a CA's".to_owned(),
        "UnsupportedCertVersion" => "is not of version 3 of X.509".to_owned(),
        other => words(other),
    }
}

fn days(seconds: u64) -> String {
    match seconds / SECONDS_OF_A_DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// The words of a name such as `UnknownIssuer`, without what is behind it.
fn words(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().take_while(|c| c.is_ascii_alphanumeric()) {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::UnixTime;
    use rustls::{InvalidMessage, OtherError, PeerMisbehaved};

    use super::*;

    #[derive(Debug)]
    struct CaUsedAsEndEntity;

    impl std::fmt::Display for CaUsedAsEndEntity {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            std::fmt::Debug::fmt(self, f)
        }
    }

    impl std::error::Error for CaUsedAsEndEntity {}

    fn at(days: u64) -> UnixTime {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(days * SECONDS_OF_A_DAY))
    }

    #[test]
    fn reasons_are_words_and_no_debug_text() {
        let of_certificate = |error| Error::InvalidCertificate(error);
        let expired = CertificateError::ExpiredContext {
            time: at(103),
            not_after: at(100),
        };
        let name = CertificateError::NotValidForNameContext {
            expected: "server.test".try_into().unwrap(),
            presented: vec!["DnsName(\"other.test\")".to_owned()],
        };
        let other = CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)));
        for (error, told) in [
            (
                of_certificate(other),
                "certificate: a CA's, used as a server's",
            ),
            (of_certificate(expired), "certificate: expired 3 days ago"),
            (of_certificate(name), "certificate: is not for server.test"),
            (
                of_certificate(CertificateError::UnknownIssuer),
                "certificate: is of no authority that this machine knows",
            ),
            (
                Error::AlertReceived(AlertDescription::UnrecognisedName),
                "the server ends the connection: unrecognised name",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "the answer is not TLS",
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedKxGroup),
                "the server breaks the rules of TLS: selected unoffered kx group",
            ),
        ] {
            assert_eq!(reason(&error), told);
        }
        let refused = reason(&Error::AlertReceived(AlertDescription::HandshakeFailure));
        assert!(refused.contains("common cipher suite"), "{refused}");
    }
}
