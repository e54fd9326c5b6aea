//! Servers that speak HTTP/2, over TCP and over TLS.

use super::*;

/// nginx, on one process; `listen` is what follows the address.
fn nginx(node: &Node, address: SocketAddr, listen: &str) -> Result<Process> {
    certificate(node)?;
    let dir = node.dir().join("nginx-http2");
    fs::create_dir_all(dir.join("temp"))?;
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!(" {kind}_temp_path {}/temp/{kind};\n", dir.display()))
        .concat();
    let config = dir.join("nginx.conf");
    let (files, here) = (node.dir().display(), dir.display());
    fs::write(
        &config,
        format!(
            "daemon off;\nmaster_process off;\nuser root;\npid {here}/pid;\nerror_log {here}/error.log;\nevents {{}}\n\
             http {{\n{temp} access_log off;\n server {{\n listen {address} {listen};\n\
             ssl_certificate {files}/cert.pem;\n ssl_certificate_key {files}/key.pem;\n default_type text/plain;\n\
             location = / {{ return 302 /welcome; }}\n location = /welcome {{ return 200 \"hello world\\n\"; }}\n\
             location = /missing {{ return 404; }}\n }}\n}}\n"
        ),
    )?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(dir.join("error.log"));
    command.arg("-c").arg(&config).arg("-p").arg(&dir);
    node.spawn("nginx-http2", command)
}

#[test]
fn nginx_is_well_by_http_2_over_tcp_and_over_tls() -> Result<()> {
    for (listen, check, wrong) in [
        (
            "http2",
            "plugin = \"http\", settings = { version = \"2\", redirects = \"follow\", urls = [{ path = \"/\", contains = \"lo wo\" }, \
             { path = \"/welcome\", sha256 = \"a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447\" }, \
             { path = \"/missing\", status = \"404\" }] }",
            (
                "plugin = \"http\", settings = { version = \"2\", path = \"/missing\" }",
                "status 404, wanted 200-399",
            ),
        ),
        (
            "ssl http2",
            "plugin = \"http\", settings = { version = \"2\", path = \"/welcome\", contains = \"hello\", tls = true, tls-verify = false }",
            (
                "plugin = \"http\", settings = { version = \"2\", tls = true }",
                "certificate",
            ),
        ),
        // One that does not speak it: nginx closes what is no request.
        (
            "ssl",
            "plugin = \"http\", settings = { redirects = \"follow\", urls = [{ path = \"/\" }, { path = \"/welcome\", contains = \"hello\" }], \
             tls = true, tls-verify = false }",
            (
                "plugin = \"http\", settings = { version = \"2\", tls = true, tls-verify = false }",
                "no application protocol in common (ALPN)",
            ),
        ),
    ] {
        isolated(|| {
            let tried = Tried {
                port: 443,
                check,
                wrong: Some(wrong),
            };
            tried.on(|node, address| nginx(node, address, listen))
        })?;
    }
    Ok(())
}

/// A server of gRPC that serves, has a service that does not, and no others.
const GRPC: &str = r#"
import sys, grpc
from concurrent import futures

def check(request, context):
    if request == b"":
        return b"\x08\x01"
    if request == b"\x0a\x04shop":
        return b"\x08\x02"
    context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")

server = grpc.server(futures.ThreadPoolExecutor(2))
methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods),))
if len(sys.argv) == 2:
    server.add_insecure_port(sys.argv[1])
else:
    pair = [open(name, "rb").read() for name in sys.argv[2:]]
    server.add_secure_port(sys.argv[1], grpc.ssl_server_credentials([pair]))
server.start()
server.wait_for_termination()
"#;

#[test]
fn a_grpc_server_says_which_services_it_serves() -> Result<()> {
    if !is_installed(
        "http2::a_grpc_server_says_which_services_it_serves",
        "/usr/lib/python3/dist-packages/grpc",
    )? {
        return Ok(());
    }
    for (tls, check, wrong) in [
        (
            false,
            "plugin = \"grpc\"",
            (
                "plugin = \"grpc\", settings = { service = \"shop\" }",
                "shop is NOT_SERVING",
            ),
        ),
        (
            true,
            "plugin = \"grpc\", settings = { tls = true, tls-verify = false }",
            (
                "plugin = \"grpc\", settings = { service = \"other\", tls = true, tls-verify = false }",
                "NOT_FOUND (the server does not know the service): \"unknown service\"",
            ),
        ),
    ] {
        isolated(|| {
            let tried = Tried {
                port: 50051,
                check,
                wrong: Some(wrong),
            };
            tried.on(|node, address| {
                let dir = node.dir();
                let script = dir.join("health.py");
                fs::write(&script, GRPC)?;
                let mut command = Command::new("/usr/bin/python3");
                command.arg(&script).arg(address.to_string());
                if tls {
                    certificate(node)?;
                    command.arg(dir.join("key.pem")).arg(dir.join("cert.pem"));
                }
                node.spawn("grpc", command)
            })
        })?;
    }
    Ok(())
}
