//! `evenkeel genhash`: the sum of a page, for the `http` checker.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use md5::Digest as _;
use tokio::net::TcpStream;

use crate::args::genhash::{GenhashArgs, Page, Sum};

/// What all of it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest body, in bytes: the most that the checker's `max-body` can be.
const MAX_BODY: usize = 16 << 20;
/// The checker's `max-body` unless it is set, in bytes.
const USUAL_BODY: usize = 1 << 20;

/// Fetches the page and prints the sum of its body.
///
/// # Errors
/// When there is no such page within the limits.
pub(crate) async fn run(args: GenhashArgs) -> anyhow::Result<()> {
    let page = args.page()?;
    let (status, body) = tokio::time::timeout(TIMEOUT, fetch(&page))
        .await
        .with_context(|| format!("the page did not come in {TIMEOUT:?}"))??;
    if !(200..400).contains(&status) {
        tracing::warn!(
            "status {status}: the http checker takes 200 to 399, unless its status says otherwise"
        );
    }
    if body.len() > USUAL_BODY {
        let length = body.len();
        tracing::warn!(
            "the body has {length} bytes: the http checker needs max-body = {length} or more"
        );
    }
    super::print(&format!("{}\n", digest(args.sum, &body)))?;
    Ok(())
}

fn digest(sum: Sum, body: &[u8]) -> String {
    let bytes = match sum {
        Sum::Md5 => md5::Md5::digest(body).to_vec(),
        Sum::Sha256 => sha2::Sha256::digest(body).to_vec(),
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The status and the body. A redirection is not followed: the checker does not, either.
async fn fetch(page: &Page) -> anyhow::Result<(u16, Vec<u8>)> {
    let (host, port) = (&page.host, page.port);
    let tcp = TcpStream::connect((host.as_str(), port))
        .await
        .with_context(|| format!("cannot connect to {host} port {port}"))?;
    let response = if page.tls {
        let tls = evenkeel_runtime::tls_with_anyone(tcp, &page.name)
            .await
            .map_err(anyhow::Error::msg)
            .context("cannot begin TLS")?;
        get(tls, page).await?
    } else {
        get(tcp, page).await?
    };
    let status = response.status().as_u16();
    Ok((status, whole(response.into_body()).await?))
}

async fn get<S>(stream: S, page: &Page) -> anyhow::Result<Response<Incoming>>
where
    TokioIo<S>: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange.
    tokio::spawn(connection);
    let request = Request::get(&page.path)
        .header(header::HOST, &page.host_header)
        .header(
            header::USER_AGENT,
            concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(String::new())?;
    sender.send_request(request).await.context("no answer")
}

async fn whole(mut body: Incoming) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.context("the body is cut off")?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > MAX_BODY {
            bail!(
                "the body has more than {MAX_BODY} bytes, which is the most that the http checker reads"
            );
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a server's answer comes to.
    async fn answer(text: Vec<u8>) -> anyhow::Result<(u16, Vec<u8>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await?;
            let request = String::from_utf8_lossy(request.get(..length).unwrap_or_default());
            assert!(request.starts_with("GET /ready HTTP/1.1\r\n"), "{request}");
            stream.write_all(&text).await?;
            stream.shutdown().await
        });
        fetch(&Page {
            tls: false,
            host: address.ip().to_string(),
            port: address.port(),
            path: "/ready".into(),
            host_header: address.to_string(),
            name: address.ip().to_string(),
        })
        .await
    }

    #[tokio::test]
    async fn a_body_is_the_same_however_it_is_sent() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nhello, \r\n5\r\nworld\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello, world",
        ] {
            let (status, body) = answer(text.into()).await.unwrap();
            assert_eq!(status, 200);
            // `printf "hello, world" | md5sum`, and sha256sum
            assert_eq!(digest(Sum::Md5, &body), "e4d7f1b4ed2e42d15898f4b27b019da4");
            assert_eq!(
                digest(Sum::Sha256, &body),
                "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b"
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_is_cut_off_or_too_long_has_no_sum() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello, world";
        let error = answer(cut.into()).await.unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
        let mut long = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        long.resize(MAX_BODY + 100, b'x');
        let error = answer(long).await.unwrap_err();
        assert!(error.to_string().contains("more than 16777216"), "{error}");
    }
}
