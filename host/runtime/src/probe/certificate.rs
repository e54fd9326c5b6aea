//! The certificate that a server has shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use x509_cert::Certificate as X509;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use super::transport::ProbeError;
use crate::text::clean;

/// Characters of a text in it, at most.
const TEXT: usize = 500;
/// Names in it that are told, at most.
const NAMES: usize = 256;

/// What of a certificate is told to checkers (RFC 5280, section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Since 1970-01-01 00:00 UTC.
    pub(crate) not_before: Duration,
    pub(crate) not_after: Duration,
    /// Distinguished names as of RFC 4514.
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// Host names and addresses.
    pub(crate) names: Vec<String>,
    pub(crate) der: Vec<u8>,
}

impl Certificate {
    /// Reads one that a server has sent, which may be anything.
    pub(super) fn read(der: &[u8]) -> Result<Self, ProbeError> {
        let unknown = |error| {
            ProbeError::Tls(format!(
                "the server's certificate cannot be understood: {error}"
            ))
        };
        let certificate = X509::from_der(der).map_err(unknown)?;
        let content = certificate.tbs_certificate;
        let time = |time: Time| time.to_unix_duration();
        // One without names, or with names that cannot be understood, is for none.
        let names = content.get::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        Ok(Self {
            not_before: time(content.validity.not_before),
            not_after: time(content.validity.not_after),
            subject: clean(&content.subject.to_string(), TEXT),
            issuer: clean(&content.issuer.to_string(), TEXT),
            names: names.iter().filter_map(name).take(NAMES).collect(),
            der: der.to_vec(),
        })
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(clean(name.as_str(), TEXT)),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(|it| it.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|it| IpAddr::V4(Ipv4Addr::from(it)));
    let v6 = || <[u8; 16]>::try_from(bytes).map(|it| IpAddr::V6(Ipv6Addr::from(it)));
    v4.or_else(|_| v6()).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_says_until_when_it_is_valid_and_for_which_names() {
        let names = ["www.example.org", "192.0.2.7", "2001:db8::7"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "web");
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2051, 3, 4);
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let read = Certificate::read(made.der()).unwrap();
        assert_eq!(read.names, ["www.example.org", "192.0.2.7", "2001:db8::7"]);
        assert!(read.subject.contains("CN=web"), "{}", read.subject);
        assert_eq!(read.issuer, read.subject);
        assert_eq!(read.not_before.as_secs(), 1_767_312_000);
        assert_eq!(read.not_after.as_secs(), 2_561_500_800);
        assert_eq!(read.der, made.der().to_vec());
    }

    #[test]
    fn what_is_no_certificate_is_an_error_and_no_panic() {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::default().self_signed(&key).unwrap();
        let whole = made.der().to_vec();
        for length in 0..whole.len() {
            assert!(Certificate::read(&whole[..length]).is_err());
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            let _ = Certificate::read(&changed);
        }
    }
}
