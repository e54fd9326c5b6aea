//! TLS as checks use it: full handshakes, with or without a look at the certificate.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reason::reason;
use super::transport::{ProbeError, TlsIdentity, TlsOptions};

fn tls(text: impl ToString) -> ProbeError {
    ProbeError::Tls(text.to_string())
}

fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// A connector with these options. Nothing is shared between connections: a check is to see a whole handshake.
pub(super) async fn connector(options: &TlsOptions) -> Result<TlsConnector, ProbeError> {
    let verifier = match (options.verify, &options.authorities) {
        (false, _) => Arc::new(Anyone),
        (true, None) => native().await?,
        (true, Some(authorities)) => own(authorities)?,
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &options.identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (certificates, key) = client(identity)?;
            config
                .with_client_auth_cert(certificates, key)
                .map_err(|error| tls(format!("the client's certificate and key: {error}")))?
        }
    };
    config.alpn_protocols = options
        .alpn
        .iter()
        .map(|p| p.clone().into_bytes())
        .collect();
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// TLS on a connection, as a check has it that takes any certificate.
///
/// # Errors
/// Why there is none, in words.
pub async fn tls_with_anyone(tcp: TcpStream, name: &str) -> Result<TlsStream<TcpStream>, String> {
    let options = TlsOptions {
        server_name: Some(name.to_owned()),
        verify: false,
        alpn: vec!["http/1.1".to_owned()],
        authorities: None,
        identity: None,
    };
    let words = |error| match error {
        ProbeError::Tls(text) => text,
        other => format!("{other:?}"),
    };
    let connector = connector(&options).await.map_err(words)?;
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("{name:?} is not a host name"))?;
    let connected = connector.connect(name, tcp).await;
    connected.map_err(|error| error.to_string())
}

/// What looks at certificates by the configuration's own authorities.
fn own(authorities: &str) -> Result<Arc<dyn ServerCertVerifier>, ProbeError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities, "the authorities'")? {
        roots
            .add(certificate)
            .map_err(|error| tls(format!("an authority's certificate: {}", reason(&error))))?;
    }
    let provider = Arc::clone(provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(verifier.map_err(tls)?)
}

/// A client's certificates and key.
fn client(
    identity: &TlsIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ProbeError> {
    let certificates = certificates(&identity.certificates, "the client's")?;
    // What is wrong with a key is not told by its text.
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
        .map_err(|_| tls("the client's key is no PEM of a private key (without a password)"))?;
    Ok((certificates, key))
}

/// At least one.
fn certificates(pem: &str, whose: &str) -> Result<Vec<CertificateDer<'static>>, ProbeError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(tls(format!(
            "{whose} certificates: there is none in the PEM"
        ))),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(tls(format!("{whose} certificates: {error}"))),
    }
}

/// The name that the server is asked for and that its certificate is for.
pub(super) fn server_name(
    options: &TlsOptions,
    address: SocketAddr,
) -> Result<ServerName<'static>, ProbeError> {
    match &options.server_name {
        None => Ok(ServerName::IpAddress(address.ip().into())),
        Some(name) => ServerName::try_from(name.clone())
            .map_err(|_| tls(format!("\"{}\" is not a host name", name.escape_debug()))),
    }
}

/// What looks at certificates by those of the machine's authorities, or why there is nothing.
type Native = Result<Arc<dyn ServerCertVerifier>, String>;

/// Certificates of the machine's authorities, read once.
async fn native() -> Result<Arc<dyn ServerCertVerifier>, ProbeError> {
    static READ: Mutex<Option<watch::Receiver<Option<Native>>>> = Mutex::new(None);
    let mut native = {
        let mut known = READ.lock();
        let usable = known
            .take()
            .filter(|it| it.has_changed().is_ok() || it.borrow().is_some());
        known.insert(usable.unwrap_or_else(begin_reading)).clone()
    };
    let native = native.wait_for(Option::is_some).await.ok();
    let native = native.and_then(|native| native.clone());
    native
        .unwrap_or_else(|| Err("cannot read the certificates of authorities".to_owned()))
        .map_err(tls)
}

/// On a thread of its own: it has some hundred files to read, and one that does not answer is to keep no check waiting
/// beyond its end, and the daemon not at all.
fn begin_reading() -> watch::Receiver<Option<Native>> {
    let (done, native) = watch::channel(None);
    let read = move || {
        let _ = done.send_replace(Some(read_native()));
    };
    let started = std::thread::Builder::new()
        .name("authorities".to_owned())
        .spawn(read);
    if let Err(error) = started {
        tracing::warn!(%error, "cannot start the thread that reads certificates of authorities");
    }
    native
}

fn read_native() -> Native {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("this machine has no certificates of authorities (ca-certificates)".to_owned());
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider()))
            .build()
            .map_err(|error| error.to_string())?;
    Ok(verifier)
}

/// Takes any certificate, also one that cannot be understood or whose kind of key is not supported: a check that does
/// not verify asks whether the server works, not who it is. A signature that can be checked must be right.
#[derive(Debug)]
struct Anyone;

/// Kinds of signature that are taken and not checked: old ones, and those of keys that are not supported.
const UNCHECKED: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

/// A signature with another key than the certificate's is wrong; everything else that speaks against it is about the
/// certificate. An RSA key of less than 2048 bits cannot be told from a wrong one.
fn unless_wrong(
    checked: Result<HandshakeSignatureValid, Error>,
    scheme: SignatureScheme,
) -> Result<HandshakeSignatureValid, Error> {
    let checks = matches!(
        scheme,
        SignatureScheme::ECDSA_NISTP256_SHA256
            | SignatureScheme::ECDSA_NISTP384_SHA384
            | SignatureScheme::ED25519
    );
    match checked {
        Err(error @ Error::InvalidCertificate(CertificateError::BadSignature)) if checks => {
            Err(error)
        }
        _ => Ok(HandshakeSignatureValid::assertion()),
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        let checked = verify_tls12_signature(message, certificate, signature, algorithms);
        unless_wrong(checked, signature.scheme)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        let checked = verify_tls13_signature(message, certificate, signature, algorithms);
        unless_wrong(checked, signature.scheme)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &provider().signature_verification_algorithms;
        let mut schemes = algorithms.supported_schemes();
        schemes.extend(UNCHECKED);
        schemes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_verification_only_a_signature_that_is_known_to_be_wrong_is_refused() {
        let wrong = || Err(Error::InvalidCertificate(CertificateError::BadSignature));
        let unreadable = || Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        assert!(unless_wrong(wrong(), SignatureScheme::ED25519).is_err());
        // RSA with 1024 bits.
        assert!(unless_wrong(wrong(), SignatureScheme::RSA_PSS_SHA256).is_ok());
        assert!(unless_wrong(wrong(), SignatureScheme::ECDSA_NISTP521_SHA512).is_ok());
        // X.509 version 1.
        assert!(unless_wrong(unreadable(), SignatureScheme::ED25519).is_ok());
        let offered = Anyone.supported_verify_schemes();
        assert!(offered.contains(&SignatureScheme::ECDSA_NISTP521_SHA512));
    }
}
