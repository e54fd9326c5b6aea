//! TLS with the configuration's own authorities and certificates, begun on a connection that is there.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{ProbeError, Transport, listener, probe};
use crate::probe::{TlsIdentity, TlsOptions};

/// An authority, and what it has made for a server and a client.
struct Issued {
    authority: CertifiedIssuer<'static, KeyPair>,
    server: (rcgen::Certificate, KeyPair),
    client: (rcgen::Certificate, KeyPair),
}

fn issued() -> Issued {
    let mut params = CertificateParams::default();
    // Each is another one, by name as by key.
    let name = format!("authority {}", fastrand::u64(..));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = |name: &str, usage: ExtendedKeyUsagePurpose| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &authority).unwrap(), key)
    };
    Issued {
        server: leaf("server.test", ExtendedKeyUsagePurpose::ServerAuth),
        client: leaf("client.test", ExtendedKeyUsagePurpose::ClientAuth),
        authority,
    }
}

impl Issued {
    fn options(&self, with_certificate: bool) -> TlsOptions {
        let (certificate, key) = &self.client;
        TlsOptions {
            server_name: Some("server.test".to_owned()),
            verify: true,
            alpn: Vec::new(),
            authorities: Some(self.authority.pem()),
            identity: with_certificate.then(|| TlsIdentity {
                certificates: certificate.pem(),
                key: key.serialize_pem(),
            }),
        }
    }

    /// Greets in plain text, takes `STARTTLS`, and speaks TLS then with who shows a certificate of the authority: sends
    /// `hello`. Returns whether the handshake was done.
    fn serve(&self, listener: TcpListener) -> JoinHandle<bool> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (certificate, key) = &self.server;
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 ready\r\n").await.unwrap();
            let mut line = [0; 10];
            stream.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"STARTTLS\r\n");
            stream.write_all(b"220 go on\r\n").await.unwrap();
            match acceptor.accept(stream).await {
                Ok(mut stream) => stream.write_all(b"hello").await.is_ok(),
                Err(_) => false,
            }
        })
    }
}

/// Says what is said before TLS.
async fn plain(probe: &mut crate::probe::Probe) -> u32 {
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    assert_eq!(
        probe.read(number, 100, None).await.unwrap(),
        b"220 ready\r\n"
    );
    probe.write(number, b"STARTTLS\r\n", None).await.unwrap();
    assert_eq!(
        probe.read(number, 100, None).await.unwrap(),
        b"220 go on\r\n"
    );
    assert_eq!(probe.peer_certificate(number).unwrap(), None);
    number
}

#[tokio::test]
async fn tls_begins_on_a_connection_that_is_there_with_own_authorities_and_a_clients_certificate() {
    let issued = issued();
    let (listener, address) = listener().await;
    let server = issued.serve(listener);
    let mut probe = probe(address);
    let number = plain(&mut probe).await;
    let options = issued.options(true);
    probe.start_tls(number, &options, None).await.unwrap();
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"hello");
    assert!(server.await.unwrap());
    let shown = probe.peer_certificate(number).unwrap().unwrap();
    assert_eq!(shown.names, ["server.test"]);
    assert_eq!(shown.der, issued.server.0.der().to_vec());
    let again = probe.start_tls(number, &options, None).await.unwrap_err();
    assert!(
        matches!(&again, ProbeError::Other(text) if text.contains("once")),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_and_the_connection_is_gone() {
    let (issued, other) = (issued(), issued());
    let (listener, address) = listener().await;
    let _server = issued.serve(listener);
    let mut probe = probe(address);
    let number = plain(&mut probe).await;
    let error = probe
        .start_tls(number, &other.options(false), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ProbeError::Tls(text) if text.contains("authority")),
        "{error:?}"
    );
    let gone = probe.read(number, 1, None).await.unwrap_err();
    assert!(matches!(&gone, ProbeError::Other(text) if text.contains("TLS did not begin")));
}

#[tokio::test]
async fn what_is_no_certificate_or_key_is_said_and_no_key_is_shown() {
    let issued = issued();
    let (listener, address) = listener().await;
    let _server = issued.serve(listener);
    let mut probe = probe(address);
    let number = plain(&mut probe).await;
    let with = |change: &dyn Fn(&mut TlsOptions, &mut TlsIdentity)| {
        let mut options = issued.options(true);
        let mut identity = options.identity.take().unwrap();
        change(&mut options, &mut identity);
        TlsOptions {
            identity: Some(identity),
            ..options
        }
    };
    let other = KeyPair::generate().unwrap().serialize_pem();
    for (options, wanted) in [
        (
            with(&|options, _| options.authorities = Some("none".to_owned())),
            "the authorities'",
        ),
        (
            with(&|_, identity| identity.certificates.clear()),
            "the client's certificates: there is none",
        ),
        (
            with(&|_, identity| identity.key = "zq7xv9wk".to_owned()),
            "no PEM of a private key",
        ),
        (
            with(&|_, identity| identity.key.clone_from(&other)),
            "the client's certificate and key",
        ),
    ] {
        let error = probe.start_tls(number, &options, None).await.unwrap_err();
        let ProbeError::Tls(text) = error else {
            panic!("{error:?}");
        };
        assert!(text.contains(wanted) && !text.contains("zq7x"), "{text}");
    }
    // None of these was sent anywhere: the connection still is one of plain text.
    assert_eq!(probe.peer_certificate(number).unwrap(), None);
    probe
        .start_tls(number, &issued.options(true), None)
        .await
        .unwrap();
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"hello");
}
