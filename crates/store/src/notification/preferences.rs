//! How users want to be told: one row for each who has ever said so, or was ever told.

use std::collections::HashMap;
use std::str::FromStr as _;

use chrono_tz::Tz;
use docket_domain::{
    Channel, ClockTime, Digest, EmailAddress, Instant, Locale, Preferences, QuietHours, UserId, WebhookUrl,
};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select,
};

use super::deliveries::{channel, readable};
use crate::among::among_texts;
use crate::entity::preferences::{ActiveModel, Column, Entity, Model};
use crate::{Error, Store, Tx, inserted, instant, micros};

/// A user's preferences, and what is kept with them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredPreferences {
    /// What the user has said.
    pub preferences: Preferences,
    /// Counts the changes, from 1.
    pub version: i64,
    /// Signs the requests to the user's webhook.
    pub webhook_secret: Option<[u8; 32]>,
    /// Names the user in the links of messages; nobody can guess it.
    pub unsubscribe: [u8; 16],
    /// When the next digest is due.
    pub next_digest_time: Option<Instant>,
    /// When they last changed.
    pub update_time: Instant,
}

impl Store {
    /// The user's preferences, if there are any.
    pub async fn preferences(&self, user: &UserId) -> Result<Option<StoredPreferences>, Error> {
        self.told("get preferences", one(Entity::find_by_id(user.as_str()), &self.read)).await
    }

    /// The preferences of those of these users who have any; none of one whose preferences can not be read. One statement.
    pub async fn preferences_of(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Option<StoredPreferences>>, Error> {
        many(users, &self.read).await
    }

    /// Whose messages have this in their links.
    pub async fn unsubscribe_owner(&self, token: &[u8; 16]) -> Result<Option<UserId>, Error> {
        let owner: Option<String> = owner_query(token).into_tuple().one(&self.read).await?;
        owner.map(|owner| user_of(&owner)).transpose()
    }
}

impl Tx<'_> {
    /// The preferences of those of these users who have any; none of one whose preferences can not be read. One statement.
    pub async fn preferences_of(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Option<StoredPreferences>>, Error> {
        many(users, &self.0).await
    }

    /// The user's preferences, if there are any. One statement.
    pub async fn preferences(&self, user: &UserId) -> Result<Option<StoredPreferences>, Error> {
        one(Entity::find_by_id(user.as_str()), &self.0).await
    }

    /// The user's preferences, if there are any; nobody else changes them until the transaction has ended.
    pub async fn preferences_lock(&self, user: &UserId) -> Result<Option<StoredPreferences>, Error> {
        one(Entity::find_by_id(user.as_str()).lock_exclusive(), &self.0).await
    }

    /// Writes preferences in the place of the version `expect`, or as the first ones; false when that is not what is there.
    /// Who has not locked them may set back when the next digest is due.
    pub async fn preferences_put(
        &self,
        user: &UserId,
        stored: &StoredPreferences,
        expect: Option<i64>,
    ) -> Result<bool, Error> {
        let row = row(user, stored);
        let Some(version) = expect else {
            let insert = Entity::insert(row).on_conflict_do_nothing_on([Column::UserId]);
            return Ok(inserted(insert.exec_without_returning(&self.0).await?));
        };
        let update = Entity::update_many()
            .set(row)
            .filter(Column::UserId.eq(user.as_str()))
            .filter(Column::Version.eq(version));
        Ok(update.exec(&self.0).await?.rows_affected > 0)
    }
}

async fn one(
    query: Select<Entity>,
    connection: &impl ConnectionTrait,
) -> Result<Option<StoredPreferences>, Error> {
    let row = query.one(connection).await?;
    Ok(row.map(stored).transpose()?.map(|(_, stored)| stored))
}

async fn many(
    users: &[UserId],
    connection: &impl ConnectionTrait,
) -> Result<HashMap<UserId, Option<StoredPreferences>>, Error> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let users = users.iter().map(|user| user.as_str().to_owned()).collect();
    let among = among_texts(connection.get_database_backend(), Column::UserId, users);
    let mut found = HashMap::new();
    for row in Entity::find().filter(among).all(connection).await? {
        let user = user_of(&row.user_id)?;
        let stored = readable("preferences", &user, stored(row)).map(|(_, stored)| stored);
        found.insert(user, stored);
    }
    Ok(found)
}

pub(crate) fn owner_query(token: &[u8; 16]) -> Select<Entity> {
    let mine = Column::UnsubscribeToken.eq(token.to_vec());
    Entity::find().select_only().column(Column::UserId).filter(mine)
}

fn row(user: &UserId, stored: &StoredPreferences) -> ActiveModel {
    let preferences = &stored.preferences;
    let digest = preferences.digest.as_ref();
    ActiveModel {
        user_id: Set(user.to_string()),
        version: Set(stored.version),
        time_zone: Set(preferences.time_zone.name().to_owned()),
        all_day_time: Set(preferences.all_day_time.to_string()),
        channels: Set(names(&preferences.channels)),
        email: Set(preferences.email.as_ref().map(|email| email.as_str().to_owned())),
        push_tokens: Set(serde_json::json!(preferences.push_tokens)),
        webhook_url: Set(preferences.webhook.as_ref().map(|url| url.as_str().to_owned())),
        webhook_secret: Set(stored.webhook_secret.map(|secret| secret.to_vec())),
        quiet_start: Set(preferences.quiet_hours.map(|hours| hours.start().to_string())),
        quiet_end: Set(preferences.quiet_hours.map(|hours| hours.end().to_string())),
        digest_time: Set(digest.map(|digest| digest.time.to_string())),
        digest_channels: Set(digest.map(|digest| names(&digest.channels))),
        locale: Set(preferences.locale.name().to_owned()),
        unsubscribed: Set(names(&preferences.unsubscribed)),
        unsubscribe_token: Set(stored.unsubscribe.to_vec()),
        next_digest_time: Set(stored.next_digest_time.map(micros)),
        update_time: Set(micros(stored.update_time)),
    }
}

/// A row, checked, and whose it is.
pub(super) fn stored(row: Model) -> Result<(UserId, StoredPreferences), Error> {
    let quiet_hours = match (row.quiet_start, row.quiet_end) {
        (Some(start), Some(end)) => {
            let hours = QuietHours::new(clock("quiet_start", &start)?, clock("quiet_end", &end)?);
            Some(hours.ok_or_else(|| Error::corrupt("quiet_start", "it is the end, too"))?)
        }
        (None, None) => None,
        _ => return Err(Error::corrupt("quiet_start", "a start or an end is missing")),
    };
    let digest = match (row.digest_time, row.digest_channels) {
        (Some(time), Some(names)) => {
            Some(Digest { time: clock("digest_time", &time)?, channels: channels("digest_channels", names)? })
        }
        (None, None) => None,
        _ => return Err(Error::corrupt("digest_time", "a part of the digest is missing")),
    };
    let email = row.email.map(|email| EmailAddress::parse(&email));
    let webhook = row.webhook_url.map(|url| WebhookUrl::parse(&url));
    let preferences = Preferences {
        time_zone: Tz::from_str(&row.time_zone).map_err(|_| Error::corrupt("time_zone", &row.time_zone))?,
        all_day_time: clock("all_day_time", &row.all_day_time)?,
        channels: channels("channels", row.channels)?,
        email: email.transpose().map_err(|error| Error::corrupt("email", error.0))?,
        push_tokens: texts("push_tokens", row.push_tokens)?,
        webhook: webhook.transpose().map_err(|error| Error::corrupt("webhook_url", error.0))?,
        quiet_hours,
        digest,
        locale: Locale::from_name(&row.locale).ok_or_else(|| Error::corrupt("locale", &row.locale))?,
        unsubscribed: channels("unsubscribed", row.unsubscribed)?,
    };
    let secret = row.webhook_secret.map(|secret| bytes("webhook_secret", secret));
    let stored = StoredPreferences {
        preferences,
        version: row.version,
        webhook_secret: secret.transpose()?,
        unsubscribe: bytes("unsubscribe_token", row.unsubscribe_token)?,
        next_digest_time: row.next_digest_time.map(instant).transpose()?,
        update_time: instant(row.update_time)?,
    };
    Ok((user_of(&row.user_id)?, stored))
}

pub(super) fn user_of(name: &str) -> Result<UserId, Error> {
    name.parse().map_err(|_| Error::corrupt("user_id", name))
}

fn names(channels: &[Channel]) -> serde_json::Value {
    channels.iter().map(|channel| channel.name()).collect()
}

fn channels(what: &'static str, names: serde_json::Value) -> Result<Vec<Channel>, Error> {
    texts(what, names)?.iter().map(|name| channel(name)).collect()
}

fn texts(what: &'static str, json: serde_json::Value) -> Result<Vec<String>, Error> {
    serde_json::from_value(json).map_err(|error| Error::corrupt(what, error.to_string()))
}

fn clock(what: &'static str, text: &str) -> Result<ClockTime, Error> {
    text.parse().map_err(|_| Error::corrupt(what, text))
}

/// What is wrong with a secret is not told.
fn bytes<const N: usize>(what: &'static str, bytes: Vec<u8>) -> Result<[u8; N], Error> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| Error::corrupt(what, format!("{length} bytes")))
}
