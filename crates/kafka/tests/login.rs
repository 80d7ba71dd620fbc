//! The login against a broker that knows SCRAM by another way: from the RFCs, step by step, with its own arithmetic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use docket_kafka::{Access, Client, Error, Login, Mechanism};
use hmac::{Hmac, Mac as _};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use sha2::{Digest as _, Sha256, Sha512};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const MECHANISMS: [Mechanism; 2] = [Mechanism::ScramSha256, Mechanism::ScramSha512];

/// The example of RFC 7677.
const USER: &str = "user";
const PASSWORD: &str = "pencil";
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const ITERATIONS: u32 = 4096;

fn hash(mechanism: Mechanism, text: &[u8]) -> Vec<u8> {
    match mechanism {
        Mechanism::ScramSha256 => Sha256::digest(text).to_vec(),
        Mechanism::ScramSha512 => Sha512::digest(text).to_vec(),
    }
}

fn hmac(mechanism: Mechanism, key: &[u8], text: &[u8]) -> Vec<u8> {
    match mechanism {
        Mechanism::ScramSha256 => {
            Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
        }
        Mechanism::ScramSha512 => {
            Hmac::<Sha512>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
        }
    }
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// `Hi` of RFC 5802, section 2.2.
fn salted(mechanism: Mechanism, password: &str) -> Vec<u8> {
    let salt = [BASE64.decode(SALT).unwrap(), vec![0, 0, 0, 1]].concat();
    let first = hmac(mechanism, password.as_bytes(), &salt);
    let (_, all) = (1..ITERATIONS).fold((first.clone(), first), |(last, all), _| {
        let next = hmac(mechanism, password.as_bytes(), &last);
        let all = xor(&all, &next);
        (next, all)
    });
    all
}

/// What the client must prove, and what the broker proves then (RFC 5802, section 3).
fn proofs(mechanism: Mechanism, password: &str, said: &str) -> (String, String) {
    let salted = salted(mechanism, password);
    let client = hmac(mechanism, &salted, b"Client Key");
    let signature = hmac(mechanism, &hash(mechanism, &client), said.as_bytes());
    let server = hmac(mechanism, &hmac(mechanism, &salted, b"Server Key"), said.as_bytes());
    (BASE64.encode(xor(&client, &signature)), BASE64.encode(server))
}

#[test]
fn arithmetic_is_that_of_the_rfc() {
    let nonce = format!("rOprNGfwEbeRWgbNEkqO{NONCE}");
    let said = format!("n={USER},r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={SALT},i={ITERATIONS},c=biws,r={nonce}");
    let check = |mechanism, client: &str, server: &str| {
        assert_eq!(
            proofs(mechanism, PASSWORD, &said),
            (client.to_owned(), server.to_owned()),
            "{mechanism:?}"
        );
    };
    // RFC 7677, section 3.
    check(
        Mechanism::ScramSha256,
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    );
    // The same example, worked out by Python's hashlib and hmac.
    check(
        Mechanism::ScramSha512,
        "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
        "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
    );
}

/// A broker that knows one user, by one mechanism, and then ends.
struct Broker {
    mechanism: Mechanism,
    password: &'static str,
    /// What it says instead of its proof.
    forged: Option<&'static str>,
}

impl Broker {
    fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, password: PASSWORD, forged: None }
    }

    /// Waits for one client, and says as whom it came if it was let in.
    async fn serve(self, listener: TcpListener) -> Option<String> {
        let mut stream = listener.accept().await.unwrap().0;
        let (number, asked) = read::<SaslHandshakeRequest>(&mut stream, 1).await;
        let name = self.mechanism.name();
        let known = *asked.mechanism == *name;
        let code = if known { 0 } else { ResponseError::UnsupportedSaslMechanism.code() };
        let answer = SaslHandshakeResponse::default().with_error_code(code);
        let offered = vec![StrBytes::from_static_str(name)];
        write(&mut stream, number, 1, &answer.with_mechanisms(offered)).await;
        if !known {
            return None;
        }
        // client-first-message: without channel binding, without another identity.
        let (number, first) = read::<SaslAuthenticateRequest>(&mut stream, 2).await;
        let first = String::from_utf8(first.auth_bytes.to_vec()).unwrap();
        let bare = first.strip_prefix("n,,").unwrap().to_owned();
        let (user, client_nonce) = bare.strip_prefix("n=").unwrap().split_once(",r=").unwrap();
        let nonce = format!("{client_nonce}{NONCE}");
        let challenge = format!("r={nonce},s={SALT},i={ITERATIONS}");
        write(&mut stream, number, 2, &authenticate(&challenge)).await;
        // client-final-message.
        let (number, last) = read::<SaslAuthenticateRequest>(&mut stream, 2).await;
        let last = String::from_utf8(last.auth_bytes.to_vec()).unwrap();
        let (without_proof, proof) = last.split_once(",p=").unwrap();
        assert_eq!(without_proof, format!("c=biws,r={nonce}"));
        let said = format!("{bare},{challenge},{without_proof}");
        let (client, server) = proofs(self.mechanism, self.password, &said);
        if (user, proof) != (USER, client.as_str()) {
            let code = ResponseError::SaslAuthenticationFailed.code();
            let refused = SaslAuthenticateResponse::default().with_error_code(code);
            let why = StrBytes::from_static_str("the broker does not believe it");
            write(&mut stream, number, 2, &refused.with_error_message(Some(why))).await;
            return None;
        }
        let proof = self.forged.unwrap_or(&server);
        write(&mut stream, number, 2, &authenticate(&format!("v={proof}"))).await;
        Some(user.to_owned())
    }
}

fn authenticate(words: &str) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default().with_auth_bytes(Bytes::copy_from_slice(words.as_bytes()))
}

async fn read<R: Decodable + HeaderVersion>(stream: &mut TcpStream, version: i16) -> (i32, R) {
    let length = stream.read_u32().await.unwrap();
    let mut request = vec![0; length as usize];
    stream.read_exact(&mut request).await.unwrap();
    let mut request = Bytes::from(request);
    let header = RequestHeader::decode(&mut request, R::header_version(version)).unwrap();
    assert_eq!(header.request_api_version, version);
    (header.correlation_id, R::decode(&mut request, version).unwrap())
}

async fn write<A: Encodable + HeaderVersion>(stream: &mut TcpStream, number: i32, version: i16, answer: &A) {
    let mut bytes = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(number);
    header.encode(&mut bytes, A::header_version(version)).unwrap();
    answer.encode(&mut bytes, version).unwrap();
    stream.write_u32(u32::try_from(bytes.len()).unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
}

/// Whom the broker has let in, and what the client says about it.
async fn meet(broker: Broker, login: Login) -> (Option<String>, Result<Client, Error>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let access = Access::new([listener.local_addr().unwrap().to_string()]).login(login);
    tokio::join!(broker.serve(listener), Client::connect(&access))
}

#[tokio::test]
async fn each_mechanism_lets_in_who_has_the_password_and_nobody_else() {
    for mechanism in MECHANISMS {
        let login = |password: &str| Login::new(USER, password).by(mechanism);
        let (user, client) = meet(Broker::new(mechanism), login(PASSWORD)).await;
        assert_eq!(user.as_deref(), Some(USER));
        client.unwrap();

        let (user, client) = meet(Broker::new(mechanism), login("another pencil")).await;
        let why = client.unwrap_err().to_string();
        assert!(user.is_none() && why.contains("the broker does not believe it"), "{why}");
        assert!(!why.contains("pencil"), "{why}");
    }
}

#[tokio::test]
async fn broker_that_does_not_know_the_password_is_not_believed() {
    for mechanism in MECHANISMS {
        let forged = Broker { forged: Some("Zm9yZ2Vk"), ..Broker::new(mechanism) };
        let (_, client) = meet(forged, Login::new(USER, PASSWORD).by(mechanism)).await;
        let error = client.unwrap_err();
        assert!(matches!(error, Error::Login { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn mechanism_that_the_broker_does_not_take_is_named_with_those_that_it_does() {
    let login = Login::new(USER, PASSWORD).by(Mechanism::ScramSha512);
    let (_, client) = meet(Broker::new(Mechanism::ScramSha256), login).await;
    let why = client.unwrap_err().to_string();
    assert!(why.contains("the broker takes SCRAM-SHA-256, and not SCRAM-SHA-512"), "{why}");
}
