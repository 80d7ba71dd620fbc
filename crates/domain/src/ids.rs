//! Identifiers, one type each, so that none is passed for another.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text that does not name what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidId {
    what: &'static str,
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Takes the 36-character form of RFC 9562 section 4, in either letter case, of any UUID but the nil one.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match Uuid::try_parse(text) {
                    Ok(uuid) if text.len() == 36 && !uuid.is_nil() => Ok(Self(uuid)),
                    _ => Err(InvalidId { what: "must be a UUID, for example 0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f" }),
                }
            }
        }
    )*};
}

uuid_ids! {
    /// Names a dead letter.
    DeadLetterId,
    /// Names a message to a user on one channel: a row of the ledger.
    DeliveryId,
    /// Names an event: the CloudEvents `id`, the same for every delivery.
    EventId,
    /// Names the firing of a reminder: the id of its event `com.todo.reminder.due`.
    ReminderId,
    /// Makes a mutation repeatable (AIP-155).
    RequestId,
    /// Names a series of occurrences.
    SeriesId,
    /// Names a task.
    TaskId,
}

/// Names a user: the `sub` of a token.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserId(String);

impl UserId {
    /// The most bytes that a user's name may have.
    pub const MAX_BYTES: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    /// Takes 1 to 255 printable ASCII characters (RFC 7519 section 4.1.2 calls `sub` a case-sensitive string; ASCII,
    /// because it travels in gRPC metadata).
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > Self::MAX_BYTES || !printable {
            return Err(InvalidId { what: "must be 1 to 255 printable ASCII characters without spaces" });
        }
        Ok(Self(text.to_owned()))
    }
}
