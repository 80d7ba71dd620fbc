//! What Docket's own services call with.

use std::fs;
use std::sync::Arc;

use docket_rpc::auth::{ACT_AS, Config};
use docket_rpc::{Secret, ServiceToken};

use crate::support::{SECRET, Stopped, authenticator, now};

#[tokio::test]
async fn a_file_that_was_replaced_counts_from_the_next_call_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let config = Config { service_token: Some(file.clone()), ..Config::default() };
    let open = || ServiceToken::open(&config, None, Arc::new(Stopped));
    let refused = async || open().await.err().expect("no token").to_string();
    assert!(refused().await.contains("auth.service_token: can not read"), "missing");
    for content in ["", " \n", "two words", "two\nlines", "\u{e4}"] {
        fs::write(&file, content).unwrap();
        assert!(refused().await.contains("auth.service_token: "), "{content:?}");
    }

    fs::write(&file, "first.token\n").unwrap();
    let token = open().await.unwrap();
    let bearer = async || {
        let bearer = token.bearer(&"docket-recurrence".parse().unwrap()).await.unwrap();
        assert!(bearer.is_sensitive() && !format!("{bearer:?}").contains("token"), "it is not shown");
        bearer.to_str().unwrap().to_owned()
    };
    assert_eq!(bearer().await, "Bearer first.token");
    fs::write(&file, "second.token").unwrap();
    assert_eq!(bearer().await, "Bearer second.token");
    // Half a rotation is no reason to stop.
    fs::write(&file, "").unwrap();
    assert_eq!(bearer().await, "Bearer second.token");
    fs::remove_file(&file).unwrap();
    assert_eq!(bearer().await, "Bearer second.token");
    fs::write(&file, "third.token").unwrap();
    assert_eq!(bearer().await, "Bearer third.token");
}

#[tokio::test]
async fn without_a_file_it_is_signed_if_there_is_a_secret() {
    let (config, secret) = (Config::default(), Secret::new(SECRET).unwrap());
    let token = ServiceToken::open(&config, Some(&secret), Arc::new(Stopped)).await.unwrap();
    let bearer = token.bearer(&"docket-recurrence".parse().unwrap()).await.unwrap();
    let claims =
        authenticator().verify(bearer.to_str().unwrap().trim_start_matches("Bearer "), now()).unwrap();
    assert_eq!(claims.subject.as_str(), "docket-recurrence");
    assert!(claims.scopes.contains(ACT_AS));
    let none = ServiceToken::open(&config, None, Arc::new(Stopped)).await.err().expect("no token");
    assert!(none.to_string().starts_with("auth.service_token: "), "{none}");
}
