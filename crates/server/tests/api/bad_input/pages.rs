//! Page tokens that were not given out for the question that they come with.

use docket_proto::v1::{ListAuditEntriesRequest, ListTasksRequest};

use super::call::Call;
use super::{Row, World, good, row};

const WRONG: &str = "InvalidArgument INVALID_PAGE_TOKEN [page_token]";

pub(super) fn rows(world: &World) -> Vec<Row> {
    let token = world.page_token.as_str();
    let asked = |page_token: &str| ListTasksRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        ..ListTasksRequest::default()
    };
    let with = |name: &str, page_token: &str| {
        row(format!("a page token {name}"), world.list(&asked(page_token)), WRONG)
    };
    let mut rows = vec![
        with("of one letter", "A"),
        with("of zeros", "AAAA"),
        with("that is no base64", "!!!!"),
        with("of another alphabet", &format!("+/{token}")),
        with("with padding", &format!("{token}==")),
        with("with a letter more", &format!("{token}A")),
        with("with a space", &format!(" {token}")),
        with("with a line break", &format!("{token}\n")),
        with("with NUL", &format!("{token}\0")),
        with("twice", &format!("{token}{token}")),
        with("in capitals", &token.to_uppercase()),
        with("of 1,025 bytes", &"A".repeat(1_025)),
        with("of 900,000 bytes", &"A".repeat(900_000)),
        with("with umlauts", "ä"),
        with("that is JSON", "{\"key\":null,\"task_id\":\"0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f\"}"),
        with("of somebody else's", &world.foreign_page_token),
    ];
    for kept in [1, 4, 22, token.len() / 2, token.len() - 1] {
        rows.push(with(&format!("cut to {kept} letters"), &token[..kept]));
    }
    for place in [0, 1, 5, 20, token.len() / 2, token.len() - 3] {
        let mut damaged = token.to_owned().into_bytes();
        damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
        rows.push(with(&format!("with another letter at {place}"), &String::from_utf8(damaged).unwrap()));
    }
    let other = |name: &str, request: ListTasksRequest| {
        row(format!("a page token for {name}"), world.list(&request), WRONG)
    };
    let entries =
        ListAuditEntriesRequest { page_size: 1, page_token: token.to_owned(), ..Default::default() };
    let theirs = Call::of("/docket.v1.TaskService/ListTasks", &asked(token)).bearer(&world.bob);
    rows.extend([
        other("another filter", ListTasksRequest { filter: "state = OPEN".to_owned(), ..asked(token) }),
        other("another order", ListTasksRequest { order_by: "create_time".to_owned(), ..asked(token) }),
        other("another zone", ListTasksRequest { time_zone: "UTC".to_owned(), ..asked(token) }),
        other("deleted tasks, too", ListTasksRequest { show_deleted: true, ..asked(token) }),
        row("a page token in the hands of somebody else", theirs, WRONG),
        row(
            "a page token for another list",
            Call::of("/docket.v1.AuditService/ListAuditEntries", &entries).bearer(&world.alice),
            WRONG,
        ),
        good(
            "a page token for pages of another size",
            world.list(&ListTasksRequest { page_size: 500, ..asked(token) }),
        ),
    ]);
    rows
}
