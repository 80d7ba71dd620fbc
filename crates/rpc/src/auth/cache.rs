//! Tokens whose signature was checked: an RSA check for every call would cost more than the call.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::authenticator::Verified;

/// Stands for a token wherever one is remembered.
pub(super) type Digest = [u8; 32];

/// How many tokens are remembered; a user has one or two at a time.
const TOKENS: usize = 10_000;

/// Remembers tokens by their digest, so that a dump of memory has no token in it that a call is not using.
pub(super) struct Tokens(Cache<Digest, Entry>);

#[derive(Clone)]
struct Entry {
    generation: u64,
    verified: Arc<Verified>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self(Cache::new(TOKENS))
    }

    pub(super) fn digest(token: &str) -> Digest {
        Sha256::digest(token).into()
    }

    /// What is known of a token, if it was checked with the keys of this generation.
    pub(super) fn get(&self, digest: &Digest, generation: u64) -> Option<Arc<Verified>> {
        self.0.get(digest).filter(|entry| entry.generation == generation).map(|entry| entry.verified)
    }

    pub(super) fn insert(&self, digest: Digest, generation: u64, verified: Arc<Verified>) {
        self.0.insert(digest, Entry { generation, verified });
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.0.remove(digest);
    }
}
