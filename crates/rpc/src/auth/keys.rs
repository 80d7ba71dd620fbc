//! A JSON Web Key Set (RFC 7517): which of its keys may check which tokens.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::Defect;

/// The most keys of a set. A token without a key id is tried with all that fit, so this bounds what one can cost.
const MAX_KEYS: usize = 32;

/// The sizes of RSA keys that are taken, in bytes: RFC 7518 section 3.3 wants 2048 bits at least, and a check with more
/// than 4096 would cost too much.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The algorithms that published keys are accepted for.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Public keys that are fit to check tokens.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Which keys a token may be checked with.
pub(super) struct Candidates<'a> {
    /// These, or none.
    pub(super) keys: Vec<&'a DecodingKey>,
    /// Whether the token names a key of the set. If it does not, it may be signed with one that is not in the set yet.
    pub(super) named: bool,
    /// What is wrong with the token, if none of the keys has signed it.
    pub(super) otherwise: Defect,
}

/// Why a document is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON Web Key Set.
    #[error("it is not a JSON Web Key Set")]
    Syntax(#[source] serde_json::Error),
    /// It has too many keys.
    #[error("it has {0} keys, more than {MAX_KEYS}")]
    TooMany(usize),
    /// No key of it can be used.
    #[error("it has no key for RS256, ES256 or EdDSA signatures")]
    NoKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Member {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a document. Keys that are for something else, or that are not fit to be used, are passed over, as RFC 7517
    /// section 5 asks.
    pub(super) fn parse(document: &[u8]) -> Result<Self, DocumentError> {
        let Document { keys } = serde_json::from_slice(document).map_err(DocumentError::Syntax)?;
        if keys.len() > MAX_KEYS {
            return Err(DocumentError::TooMany(keys.len()));
        }
        let keys: Vec<Key> = keys
            .into_iter()
            .filter_map(|key| serde_json::from_value::<Member>(key).ok())
            .filter_map(Key::of)
            .collect();
        if keys.is_empty() { Err(DocumentError::NoKey) } else { Ok(Self { keys }) }
    }

    /// The keys for a token with this header. A key without a name stands for any name that no other key has.
    pub(super) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Candidates<'_> {
        let fits = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let mut keys: Vec<&Key> = self.keys.iter().filter(fits).collect();
        let named = id.is_some() && !keys.is_empty();
        if keys.is_empty() {
            keys = self.keys.iter().filter(|key| key.id.is_none()).collect();
        }
        let known = !keys.is_empty();
        keys.retain(|key| key.algorithm == algorithm);
        let otherwise = match (known, keys.is_empty()) {
            (false, _) => Defect::UnknownKey,
            (true, true) => Defect::Algorithm,
            (true, false) => Defect::Signature,
        };
        Candidates { keys: keys.into_iter().map(|key| &key.key).collect(), named, otherwise }
    }
}

impl Key {
    fn of(member: Member) -> Option<Self> {
        if member.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        if member.key_ops.is_some_and(|operations| !operations.iter().any(|one| one == "verify")) {
            return None;
        }
        let bytes = |text: &Option<String>| decoded(text.as_deref()?);
        let (algorithm, name, key) = match (member.kty.as_str(), member.crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (bytes(&member.n)?, bytes(&member.e)?);
                let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
                let odd = exponent.last().is_some_and(|last| last % 2 == 1) && exponent != [1];
                if !RSA_BYTES.contains(&modulus.len()) || exponent.len() > 4 || !odd {
                    return None;
                }
                (Algorithm::RS256, "RS256", DecodingKey::from_rsa_raw_components(modulus, &exponent))
            }
            // The library takes the coordinates as they are, and panics later when they are too short.
            ("EC", Some("P-256")) => {
                let (x, y) = (member.x.as_ref()?, member.y.as_ref()?);
                if bytes(&member.x)?.len() != 32 || bytes(&member.y)?.len() != 32 {
                    return None;
                }
                (Algorithm::ES256, "ES256", DecodingKey::from_ec_components(x, y).ok()?)
            }
            ("OKP", Some("Ed25519")) => {
                if bytes(&member.x)?.len() != 32 {
                    return None;
                }
                let key = DecodingKey::from_ed_components(member.x.as_ref()?).ok()?;
                (Algorithm::EdDSA, "EdDSA", key)
            }
            // Symmetric keys are not published, and other curves are not accepted.
            _ => return None,
        };
        if member.alg.is_some_and(|alg| alg != name) {
            return None;
        }
        // A signature that is none: an error says that the key is none either, such as a point that is not on its curve.
        crypto::verify("AA", b"", &key, algorithm).ok()?;
        Some(Self { id: member.kid, algorithm, key })
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}
