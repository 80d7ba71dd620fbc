//! TLS on a port: who gets in, and what certificates are shown while they change.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_rpc::{Port, Tls, TlsConfig, tls};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::support::{LONG, Running, authenticator, plain, start_as};

/// Somebody whom others trust to name people.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Pair {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn name(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// A client that trusts this authority, and shows a certificate if it has one.
    fn client(&self, own: Option<&Pair>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![own.certificate.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

impl Pair {
    fn write(&self, folder: &Path) {
        fs::write(folder.join("tls.crt"), self.certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), self.key.serialize_pem()).unwrap();
    }
}

fn config(folder: &Path) -> TlsConfig {
    TlsConfig { certificate: folder.join("tls.crt"), key: folder.join("tls.key"), client_ca: None }
}

async fn serve(config: TlsConfig) -> (Running, Arc<Tls>) {
    let tls = Arc::new(Tls::open(config).await.unwrap());
    (start_as(Port::Public, Arc::new(authenticator()), Some(tls.clone())).await, tls)
}

async fn connect(
    address: SocketAddr,
    client: &TlsConnector,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    client.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn channel(address: SocketAddr, client: &TlsConnector) -> Result<Channel, tonic::transport::Error> {
    let client = client.clone();
    let connector = tower::service_fn(move |_| {
        let client = client.clone();
        async move { connect(address, &client).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://localhost").connect_with_connector(connector).await
}

/// Whether a client gets an answer.
async fn answered(address: SocketAddr, client: &TlsConnector) -> bool {
    match channel(address, client).await {
        Ok(channel) => AuditServiceClient::new(channel).list_audit_entries(plain("")).await.is_ok(),
        Err(_) => false,
    }
}

fn shown(connection: &ClientConnection) -> Vec<CertificateDer<'static>> {
    connection.peer_certificates().unwrap().to_vec()
}

#[tokio::test]
async fn clients_that_speak_tls_get_in_and_others_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    ours.name("localhost").write(folder.path());
    let (server, _tls) = serve(config(folder.path())).await;

    assert!(answered(server.address, &ours.client(None)).await);
    let stream = connect(server.address, &ours.client(None)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "as gRPC clients ask for");
    assert!(!answered(server.address, &theirs.client(None)).await, "another authority");
    let without_tls = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await;
    let plaintext = match without_tls {
        Ok(channel) => AuditServiceClient::new(channel).list_audit_entries(plain("")).await.is_ok(),
        Err(_) => false,
    };
    assert!(!plaintext, "no TLS");
    let mut garbage = TcpStream::connect(server.address).await.unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = garbage.read_to_end(&mut Vec::new()).await;
    assert!(answered(server.address, &ours.client(None)).await, "all the same");
}

#[tokio::test]
async fn silent_clients_make_room_for_those_that_speak() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    ours.name("localhost").write(folder.path());
    let (server, _tls) = serve(config(folder.path())).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert!(answered(server.address, &ours.client(None)).await);
    // The oldest had to go, long before their time was over.
    let closed = tokio::time::timeout(Duration::from_secs(5), silent[0].read(&mut [0; 1])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
}

#[tokio::test]
async fn with_an_authority_for_clients_only_those_it_names_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, clients, theirs) =
        (Authority::new("ours"), Authority::new("clients"), Authority::new("theirs"));
    ours.name("localhost").write(folder.path());
    let client_ca = folder.path().join("ca.crt");
    fs::write(&client_ca, clients.certificate.pem()).unwrap();
    let (server, _tls) = serve(TlsConfig { client_ca: Some(client_ca), ..config(folder.path()) }).await;
    let table = [
        ("named", Some(clients.name("client")), true),
        ("nobody", None, false),
        ("named by others", Some(theirs.name("client")), false),
        ("named by the server's", Some(ours.name("client")), false),
    ];
    for (name, own, expect) in table {
        assert_eq!(answered(server.address, &ours.client(own.as_ref())).await, expect, "{name}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.name("localhost").write(folder.path());
    let (server, tls) = serve(config(folder.path())).await;
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    tokio::spawn(async move { tls.run(stop).await });
    let look = async || {
        tokio::task::yield_now().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(6)).await;
        tokio::time::resume();
    };
    let mut long_lived = AuditServiceClient::new(channel(server.address, &old.client(None)).await.unwrap());
    assert!(long_lived.list_audit_entries(plain("")).await.is_ok());

    // Half of a rotation, and what is no certificate at all: nothing changes.
    let next = new.name("localhost");
    for broken in [next.certificate.pem(), String::new(), "-----BEGIN".to_owned()] {
        fs::write(folder.path().join("tls.crt"), broken).unwrap();
        look().await;
        assert!(answered(server.address, &old.client(None)).await, "the old one is in use");
    }
    next.write(folder.path());
    look().await;
    let expected = vec![next.certificate.der().clone()];
    let rotated = async {
        loop {
            match connect(server.address, &new.client(None)).await {
                Ok(stream) => return shown(stream.get_ref().1),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(tokio::time::timeout(LONG, rotated).await.expect("in time"), expected);
    assert!(!answered(server.address, &old.client(None)).await, "the old one is gone");
    assert!(long_lived.list_audit_entries(plain("")).await.is_ok(), "who is connected stays so");
}

#[tokio::test]
async fn files_that_can_not_be_used_are_told_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, path) = (Authority::new("ours"), folder.path());
    let (good, other) = (ours.name("localhost"), ours.name("localhost"));
    let check = async |name: &str, content: &str, expect: &str| {
        good.write(path);
        let client_ca = (name == "ca.crt").then(|| path.join(name));
        fs::write(path.join(name), content).unwrap();
        let error: tls::Error = Tls::open(TlsConfig { client_ca, ..config(path) }).await.err().expect(expect);
        assert!(error.to_string().contains(expect), "{name}: {error}");
        assert!(!format!("{error:?}").contains("PRIVATE"), "{error:?}");
    };
    check("tls.crt", "", "certificate: ").await;
    check("tls.crt", &good.key.serialize_pem(), "certificate: ").await;
    check("tls.key", "", "key: ").await;
    check("tls.key", &good.certificate.pem(), "key: ").await;
    check("tls.key", &other.key.serialize_pem(), "certificate, key: ").await;
    check("ca.crt", "", "client_ca: ").await;
    fs::remove_file(path.join("tls.key")).unwrap();
    let error = Tls::open(config(path)).await.err().expect("no file").to_string();
    assert!(error.contains("key: can not read") && error.contains("tls.key"), "{error}");
}
