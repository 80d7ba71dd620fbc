//! The certificate of a broker on loopback, and the authority that vouches for it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// For what addresses it is good.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// All in PEM.
pub(super) struct Certificate {
    /// Private key and certificate of the broker, in the one file that Kafka wants.
    pub(super) server: String,
    /// The certificate of the authority.
    pub(super) authority: String,
}

impl Certificate {
    /// A new authority, and a certificate of it.
    pub(super) fn generate() -> Self {
        let mut params = params(&[], "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let authority = params.self_signed(&key).expect("an authority can vouch for itself").pem();
        let issuer = Issuer::new(params, key);
        let key = self::key();
        let params = self::params(&NAMES.map(str::to_owned), "broker");
        let certificate = params.signed_by(&key, &issuer).expect("an authority can vouch for a broker");
        Self { server: key.serialize_pem() + &certificate.pem(), authority }
    }
}

fn params(names: &[String], name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("the names are names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}
