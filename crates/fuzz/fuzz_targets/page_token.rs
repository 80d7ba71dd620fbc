//! Any text as a page token, and good tokens with damage: only what was given out is taken.
#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use docket_domain::UserId;
use docket_proto::v1::ListTasksRequest;
use docket_rpc::page::{MAX_BYTES, Question};
use libfuzzer_sys::{Corpus, fuzz_target};

/// In the form of the cursors of listings.
type Cursor = (Option<i64>, String);

/// A listing, the cursor of one of its tokens, and what becomes of the token.
#[derive(Arbitrary, Debug)]
struct Input {
    method: String,
    user: String,
    filter: String,
    cursor: Cursor,
    /// Presented as it is.
    text: String,
    /// Bytes to change in the token: where, and with what it is xored.
    text_damage: Vec<(u16, u8)>,
    /// The same inside, before it is encoded.
    damage: Vec<(u16, u8)>,
    other_user: String,
    other_filter: String,
}

fuzz_target!(|input: Input| -> Corpus {
    let (Ok(user), Ok(other_user)) = (input.user.parse::<UserId>(), input.other_user.parse::<UserId>())
    else {
        return Corpus::Reject;
    };
    let question = |user: &UserId, filter: &str| {
        let arguments = ListTasksRequest { filter: filter.to_owned(), ..Default::default() };
        Question::new(&input.method, user, &arguments)
    };
    let asked = question(&user, &input.filter);
    let first_page = asked.cursor::<Cursor>("");
    assert_eq!(first_page, Ok(None));

    let Ok(token) = asked.token(&input.cursor) else {
        // JSON writes a control character with six, and base64 makes four of three.
        assert!(input.cursor.1.len() > MAX_BYTES / 10, "a short cursor has no token: {:?}", input.cursor);
        return Corpus::Keep;
    };
    assert!(token.len() <= MAX_BYTES);
    assert_eq!(asked.cursor::<Cursor>(&token).as_ref(), Ok(&Some(input.cursor.clone())));

    // A text may happen to be a token that was given out before, and then it opens to the cursor that it was made of.
    let refuses = |asked: &Question, presented: &str| match asked.cursor::<Cursor>(presented) {
        Err(_) => assert!(asked.cursor::<serde_json::Value>(presented).is_err(), "{presented:?} was taken"),
        Ok(None) => assert_eq!(presented, ""),
        Ok(Some(cursor)) => assert_eq!(asked.token(&cursor).ok().as_deref(), Some(presented)),
    };
    refuses(&asked, &input.text);
    let mut text = token.clone().into_bytes();
    damage(&mut text, &input.text_damage);
    refuses(&asked, &String::from_utf8_lossy(&text));
    let mut inside = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
    damage(&mut inside, &input.damage);
    refuses(&asked, &URL_SAFE_NO_PAD.encode(inside));

    if (&other_user, &input.other_filter) != (&user, &input.filter) {
        let other = question(&other_user, &input.other_filter);
        assert!(other.cursor::<Cursor>(&token).is_err(), "a foreign token was taken");
    }
    Corpus::Keep
});

fn damage(bytes: &mut [u8], changes: &[(u16, u8)]) {
    for (place, mask) in changes {
        let length = bytes.len();
        if let Some(byte) = bytes.get_mut(usize::from(*place) % length.max(1)) {
            *byte ^= mask;
        }
    }
}
