//! How users want to be told: what was said is kept whole, by one writer at a time, and a digest is begun once.

use docket_domain::{
    Channel, ClockTime, Digest, EmailAddress, Locale, Preferences, QuietHours, UserId, WebhookUrl,
};
use docket_store::notification::{NextDigest, StoredPreferences, Wake};
use docket_store::{Error, Schema, Store};
use sea_orm::ConnectionTrait as _;

use super::{Data, POSTGRES, at, user};

/// Preferences in which nothing was said.
fn plain(token: u8) -> StoredPreferences {
    StoredPreferences {
        preferences: Preferences::default(),
        version: 1,
        webhook_secret: None,
        unsubscribe: [token; 16],
        next_digest_time: None,
        update_time: at(1),
    }
}

/// Preferences in which everything was said.
fn whole(token: u8) -> StoredPreferences {
    let clock = |text: &str| text.parse::<ClockTime>().unwrap();
    StoredPreferences {
        preferences: Preferences {
            time_zone: chrono_tz::Europe::Berlin,
            all_day_time: clock("07:30"),
            channels: vec![Channel::Webhook, Channel::Email],
            email: Some(EmailAddress::parse("alice+docket@example.com").unwrap()),
            push_tokens: vec!["token \"1\"".to_owned(), "2".to_owned()],
            webhook: Some(WebhookUrl::parse("https://hooks.example.com/a?b=c").unwrap()),
            quiet_hours: QuietHours::new(clock("22:00"), clock("06:15")),
            digest: Some(Digest { time: clock("08:00"), channels: vec![Channel::Push] }),
            locale: Locale::De,
            unsubscribed: vec![Channel::Push],
        },
        version: 1,
        webhook_secret: Some([0xfe; 32]),
        unsubscribe: [token; 16],
        next_digest_time: Some(at(50)),
        update_time: at(2),
    }
}

async fn put(store: &Store, name: &str, stored: &StoredPreferences, expect: Option<i64>) -> bool {
    let name = user(name);
    let written: Result<bool, Error> = store
        .transaction(|tx| {
            let (name, stored) = (name.clone(), stored.clone());
            Box::pin(async move { tx.preferences_put(&name, &stored, expect).await })
        })
        .await;
    written.unwrap()
}

pub(crate) async fn preferences_are_kept_whole_and_changed_in_their_version(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let of = async |name: &str| store.preferences(&user(name)).await.unwrap();
    assert_eq!(of("alice").await, None);
    assert!(put(&store, "alice", &whole(1), None).await);
    assert!(put(&store, "bob", &plain(2), None).await);
    assert_eq!((of("alice").await, of("bob").await), (Some(whole(1)), Some(plain(2))));
    assert!(!put(&store, "alice", &plain(3), None).await, "they are there already");

    let second = StoredPreferences { version: 2, update_time: at(3), ..plain(1) };
    assert!(!put(&store, "alice", &second, Some(2)).await, "that is not the version");
    assert!(!put(&store, "carol", &second, Some(1)).await, "there are none");
    assert_eq!(of("alice").await, Some(whole(1)));
    assert!(put(&store, "alice", &second, Some(1)).await);
    assert!(!put(&store, "alice", &second, Some(1)).await, "who comes second");
    assert_eq!(of("alice").await, Some(second.clone()), "what is not said any more is gone");

    let names = ["alice", "carol", "bob", "bob"].map(user);
    let before = store.statements().count();
    let mut found = store.preferences_of(&names).await.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(found.remove(&user("alice")), Some(Some(second.clone())));
    assert_eq!(found.remove(&user("bob")), Some(Some(plain(2))));
    assert!(found.is_empty() && store.preferences_of(&[]).await.unwrap().is_empty());
    let inside: Result<_, Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let locked = tx.preferences_lock(&user("alice")).await?;
                assert_eq!(tx.preferences_lock(&user("carol")).await?, None);
                Ok((locked, tx.preferences_of(&[user("bob")]).await?.remove(&user("bob")).flatten()))
            })
        })
        .await;
    assert_eq!(inside.unwrap(), (Some(second), Some(plain(2))));

    assert_eq!(store.unsubscribe_owner(&[2; 16]).await.unwrap(), Some(user("bob")));
    assert_eq!(store.unsubscribe_owner(&[3; 16]).await.unwrap(), None, "nobody has it");
}

pub(crate) async fn preferences_that_nobody_can_have_said_are_an_error(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    assert!(put(&store, "alice", &whole(1), None).await);
    let table = if data.kind == POSTGRES { "notification.preferences" } else { "preferences" };
    for column in [
        "time_zone = 'Moon'",
        "all_day_time = '25:00'",
        "channels = '[\"PIGEON\"]'",
        "push_tokens = '{}'",
        "email = 'a@b, c@d'",
        "webhook_url = 'ftp://a'",
        "quiet_start = NULL",
        "quiet_end = quiet_start",
        "digest_channels = NULL",
        "locale = 'tlh'",
        "webhook_secret = unsubscribe_token",
    ] {
        data.raw.execute_unprepared(&format!("UPDATE {table} SET {column}")).await.unwrap();
        let error = store.preferences(&user("alice")).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{column}: {error}");
        data.raw.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
        assert!(put(&store, "alice", &whole(1), None).await);
    }
}

async fn set(store: &Store, digests: Vec<NextDigest>) -> Vec<UserId> {
    let set: Result<Vec<UserId>, Error> = store
        .transaction(|tx| {
            let digests = digests.clone();
            Box::pin(async move { tx.digests_set(&digests).await })
        })
        .await;
    let mut set = set.unwrap();
    set.sort();
    set
}

pub(crate) async fn a_digest_that_is_due_is_begun_once(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let due = |token, second| StoredPreferences { next_digest_time: Some(at(second)), ..whole(token) };
    for (name, stored) in
        [("alice", due(1, 20)), ("bob", due(2, 10)), ("carol", due(3, 30)), ("dave", plain(4))]
    {
        assert!(put(&store, name, &stored, None).await);
    }
    assert_eq!(store.notification_wake().await.unwrap(), Wake { delivery: None, digest: Some(at(10)) });
    let before = store.statements().count();
    assert_eq!(store.digests_due(at(9), 10).await.unwrap(), []);
    assert_eq!(store.statements().count() - before, 1);
    let found = store.digests_due(at(29), 10).await.unwrap();
    assert_eq!(found, [(user("bob"), due(2, 10)), (user("alice"), due(1, 20))], "who waits longest first");
    assert_eq!(store.digests_due(at(100), 1).await.unwrap().len(), 1);

    let next = |name: &str, expect, next: Option<i64>| NextDigest {
        user_id: user(name),
        expect: at(expect),
        next: next.map(at),
    };
    let before = store.statements().count();
    let moves = vec![
        next("alice", 20, Some(120)),
        next("bob", 10, None),
        next("carol", 29, Some(130)),
        next("dave", 1, Some(140)),
        next("eve", 1, Some(1)),
    ];
    assert_eq!(
        set(&store, moves.clone()).await,
        [user("alice"), user("bob")],
        "the others are not as expected"
    );
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(set(&store, moves).await, [], "they are begun");
    assert_eq!(set(&store, vec![]).await, []);
    let moved = StoredPreferences { next_digest_time: Some(at(120)), ..whole(1) };
    assert_eq!(store.preferences(&user("alice")).await.unwrap(), Some(moved), "that is no other version");
    let found = store.digests_due(at(1_000), 10).await.unwrap();
    assert_eq!(found.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), [user("carol"), user("alice")]);
}
