//! Page tokens: opaque, and good only for the listing that they came from.
//!
//! A token is base64url of a version byte, a checksum and a cursor. The checksum covers method, user, arguments and
//! cursor. It is not a signature and need not be: a cursor only says where to go on, and every listing is limited to
//! the caller's own data by its query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use docket_domain::UserId;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::fault::{Internal, InvalidPageToken};

/// The most bytes of a token.
pub const MAX_BYTES: usize = 1024;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 16;

/// What a listing asks for: a page token is good for the same question only.
#[derive(Clone)]
pub struct Question(Sha256);

impl Question {
    /// `arguments` is the request without `page_token`, and without `page_size` where that may change between pages.
    pub fn new(method: &str, user: &UserId, arguments: &impl Message) -> Self {
        let mut hash = Sha256::new();
        for part in [method.as_bytes(), user.as_str().as_bytes(), &arguments.encode_to_vec()] {
            // With its length, so that no two questions run together to the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash)
    }

    fn checksum(&self, cursor: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let digest: [u8; 32] = self.0.clone().chain_update(cursor).finalize().into();
        let mut checksum = [0; CHECKSUM_BYTES];
        checksum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
        checksum
    }

    /// Makes the token of the page that starts at the cursor.
    pub fn token(&self, cursor: &impl Serialize) -> Result<String, Internal> {
        let cursor = serde_json::to_vec(cursor).map_err(Internal::new)?;
        let mut bytes = vec![VERSION];
        bytes.extend(self.checksum(&cursor));
        bytes.extend(cursor);
        let token = URL_SAFE_NO_PAD.encode(bytes);
        if token.len() > MAX_BYTES {
            return Err(Internal::new(format!(
                "a page token of {} bytes can not be read again",
                token.len()
            )));
        }
        Ok(token)
    }

    /// The cursor of a token; `None` for the empty one, which means the first page.
    pub fn cursor<C: DeserializeOwned>(&self, token: &str) -> Result<Option<C>, InvalidPageToken> {
        if token.is_empty() {
            return Ok(None);
        }
        if token.len() > MAX_BYTES {
            return Err(InvalidPageToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidPageToken)?;
        let (version, rest) = bytes.split_first().ok_or(InvalidPageToken)?;
        let (checksum, cursor) = rest.split_at_checked(CHECKSUM_BYTES).ok_or(InvalidPageToken)?;
        if *version != VERSION || checksum != self.checksum(cursor) {
            return Err(InvalidPageToken);
        }
        serde_json::from_slice(cursor).map(Some).map_err(|_| InvalidPageToken)
    }
}

#[cfg(test)]
mod tests {
    use docket_proto::v1::ListTasksRequest;

    use super::*;

    type Cursor = (i64, String);

    fn question(method: &str, user: &str, filter: &str) -> Question {
        let arguments = ListTasksRequest { filter: filter.to_owned(), ..Default::default() };
        Question::new(method, &user.parse().unwrap(), &arguments)
    }

    #[test]
    fn a_token_comes_back_as_its_cursor_for_the_same_question_only() {
        let cursor: Cursor = (42, "0192".to_owned());
        let asked = question("List", "alice", "state = OPEN");
        let token = asked.token(&cursor).unwrap();
        assert_eq!(asked.cursor::<Cursor>(&token), Ok(Some(cursor)));
        assert_eq!(asked.cursor::<Cursor>(""), Ok(None));
        for other in [
            question("List", "alice", "state = COMPLETED"),
            question("List", "bob", "state = OPEN"),
            question("ListAudit", "alice", "state = OPEN"),
            question("Lista", "lice", "state = OPEN"),
        ] {
            assert_eq!(other.cursor::<Cursor>(&token), Err(InvalidPageToken));
        }
        assert_eq!(asked.cursor::<bool>(&token), Err(InvalidPageToken), "a cursor of another shape");
    }

    #[test]
    fn any_damage_is_noticed() {
        let asked = question("List", "alice", "");
        let token = asked.token(&(7, "x".to_owned())).unwrap();
        for length in 1..token.len() {
            assert_eq!(asked.cursor::<Cursor>(&token[..length]), Err(InvalidPageToken), "cut at {length}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let token = URL_SAFE_NO_PAD.encode(damaged);
            assert_eq!(asked.cursor::<Cursor>(&token), Err(InvalidPageToken), "bit {bit}");
        }
        let long = "A".repeat(MAX_BYTES + 1);
        for garbage in ["!", "AAAA", "=", " ", "\u{e4}", long.as_str()] {
            assert_eq!(asked.cursor::<Cursor>(garbage), Err(InvalidPageToken), "{garbage}");
        }
    }

    #[test]
    fn a_token_that_could_not_be_read_again_is_not_given_out() {
        assert!(question("List", "alice", "").token(&"x".repeat(MAX_BYTES)).is_err());
    }
}
