//! Keys of issuers, and the sets in which they publish them.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::{Value, json};

/// Made for the tests, and used nowhere else: making one takes seconds.
const RSA: &[u8] = include_bytes!("keys/rsa.pkcs1.der");

/// What stands before the 32 bytes of an Ed25519 key (RFC 8410 section 7).
const ED25519_PREFIX: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A key that signs, and the name under which it is published.
pub(crate) struct Key {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Key {
    pub(crate) fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let der = |kind| KeyPair::generate_for(kind).unwrap().serialize_der();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_der(RSA),
            Algorithm::ES256 => EncodingKey::from_ec_der(&der(&PKCS_ECDSA_P256_SHA256)),
            Algorithm::ES384 => EncodingKey::from_ec_der(&der(&PKCS_ECDSA_P384_SHA384)),
            Algorithm::EdDSA => {
                // As RFC 8410 writes it, without the public key, which ring adds in a way of its own.
                let seed = &der(&PKCS_ED25519)[16..48];
                EncodingKey::from_ed_der(&[ED25519_PREFIX, seed].concat())
            }
            other => panic!("{other:?} is not published"),
        };
        Self { id, algorithm, key }
    }

    /// As it is published.
    pub(crate) fn public(&self) -> Value {
        let mut key =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        key["kid"] = json!(self.id);
        key["use"] = json!("sig");
        key
    }

    /// Signs claims as an issuer does.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.id), claims)
    }

    /// The same, with another name in the token, or none.
    pub(crate) fn sign_as(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// A document of keys.
pub(crate) fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}
