//! Damage below the fields: protobuf, the frames of gRPC, compression, HTTP.

use std::io::Write as _;

use docket_proto::v1::{CreateTaskRequest, GetTaskRequest};
use docket_testkit::once;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use prost::Message as _;

use super::call::{Call, frame};
use super::{Row, World, at_fault, good, row};

const CREATE: &str = "/docket.v1.TaskService/CreateTask";

pub(super) fn rows(world: &World) -> Vec<Row> {
    [protobuf(world), frames(world), compression(world), paths(world), headers(world)]
        .into_iter()
        .flatten()
        .collect()
}

/// What is wrong with the message as a whole.
fn request() -> String {
    at_fault(&["request"])
}

/// A field with a length: texts, bytes and messages.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [tag(number, 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// What stands before the content of a field; the wire type says how long that is.
fn tag(number: u64, wire_type: u64) -> Vec<u8> {
    varint(number << 3 | wire_type)
}

/// The number of a field that no message has.
const UNKNOWN: u64 = 1_000;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A request to create a task with these fields beside its title; nothing is stored.
fn task(fields: &[u8]) -> Vec<u8> {
    let task = [field(3, b"Raw").as_slice(), fields].concat();
    [field(1, &task).as_slice(), &[3 << 3, 1]].concat()
}

fn protobuf(world: &World) -> Vec<Row> {
    let create = |message: &[u8]| Call::encoded(CREATE, message).bearer(&world.alice);
    let broken = |name: &str, message: &[u8]| row(name, create(message), request());
    let inside = |name: &str, fields: &[u8]| broken(name, &task(fields));
    let title = |bytes: &[u8]| field(1, &field(3, bytes));
    let whole = CreateTaskRequest { task: Some(once("Whole")), ..Default::default() }.encode_to_vec();
    // Unknown groups in one another, each with its end.
    let groups = |depth| [tag(UNKNOWN, 3).repeat(depth), tag(UNKNOWN, 4).repeat(depth)].concat();
    // Unknown messages in one another are bytes to whoever does not know them.
    let messages = (0..1_000).fold(Vec::new(), |inner, _| field(UNKNOWN, &inner));
    let unknown = [
        [tag(UNKNOWN, 0), varint(u64::MAX)].concat(),
        field(UNKNOWN, b"\xff"),
        [tag(UNKNOWN, 1), vec![1; 8]].concat(),
        [tag(UNKNOWN, 5), vec![1; 4]].concat(),
        groups(20),
    ]
    .concat();
    let minus_one = [6 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let twice = [field(3, b"").as_slice(), &field(3, b"Last")].concat();
    let both_dues = [field(9, b"2027-02-30").as_slice(), &field(8, &[8, 7])].concat();
    let both_dues_reversed = [field(8, &[8, 7]).as_slice(), &field(9, b"2027-02-30")].concat();
    vec![
        broken("a title that is no UTF-8", &title(b"\xff\xfe")),
        broken("a title with half a letter", &title(b"gr\xc3")),
        broken("a title with an overlong NUL", &title(b"\xc0\x80")),
        broken("a title with half a surrogate pair", &title(b"\xed\xa0\x80")),
        broken("a title beyond Unicode", &title(b"\xf4\x90\x80\x80")),
        broken("a title in Latin-1", &title(b"M\xfcll")),
        inside("a tag that is no UTF-8", &field(7, b"\x80")),
        inside("a day that is no UTF-8", &field(9, b"\x80")),
        inside("a zone that is no UTF-8", &field(10, b"\x80")),
        broken("a request id that is no UTF-8", &field(2, b"\x80")),
        broken("a message that is cut", &whole[..whole.len() - 1]),
        broken("a message of one byte", &[0x0a]),
        broken("a field that is longer than the message", &[0x0a, 0x7f, 0x1a]),
        broken("a field of 4 GiB", &[[0x0a].as_slice(), &varint(u32::MAX.into())].concat()),
        broken("a field of 16 EiB", &[[0x0a].as_slice(), &varint(u64::MAX)].concat()),
        broken("a number of 11 bytes", &[[3 << 3].as_slice(), &[0xff; 10], &[1]].concat()),
        broken("the field 0", &[0, 0]),
        broken("a field beyond the last", &[0xf8, 0xff, 0xff, 0xff, 0x7f, 0]),
        broken("the wire type 6", &[tag(UNKNOWN, 6), vec![0]].concat()),
        broken("the wire type 7", &[tag(UNKNOWN, 7), vec![0]].concat()),
        broken("a task that is a number", &[1 << 3, 7]),
        broken("a switch that is a text", &field(3, b"true")),
        inside("a title that is a number", &[3 << 3, 7]),
        inside("a priority that is a text", &field(6, b"HIGH")),
        inside("a due time that is a text", &field(8, b"2027-01-31T08:00:00Z")),
        broken("a group without an end", &tag(UNKNOWN, 3)),
        broken("the end of no group", &tag(UNKNOWN, 4)),
        broken("a group with the end of another", &[tag(UNKNOWN, 3), tag(UNKNOWN + 1, 4)].concat()),
        broken("10,000 groups in one another", &groups(10_000)),
        broken("random bytes", &(0..=255).rev().collect::<Vec<u8>>()),
        row("a negative priority of 10 bytes", create(&task(&minus_one)), at_fault(&["task.priority"])),
        row("an empty message", create(&[]), at_fault(&["task"])),
        row(
            "the second of two due times is wrong",
            create(&task(&both_dues_reversed)),
            at_fault(&["task.due_date"]),
        ),
        good("the first of two due times is wrong, and the last counts", create(&task(&both_dues))),
        good("the last of two titles counts", create(&task(&twice))),
        good("unknown fields of all kinds", create(&[task(&unknown), unknown.clone()].concat())),
        good("unknown messages in one another", create(&task(&messages))),
    ]
}

fn frames(world: &World) -> Vec<Row> {
    let message = GetTaskRequest { task_id: world.task.task_id.clone() }.encode_to_vec();
    let framed = |body: Vec<u8>| Call::framed("/docket.v1.TaskService/GetTask", body).bearer(&world.alice);
    let broken = |name: &str, body: Vec<u8>| row(name, framed(body), request());
    let with_length = |length: u32| [&[0], length.to_be_bytes().as_slice(), &message].concat();
    let exact = u32::try_from(message.len()).unwrap();
    vec![
        broken("no message", Vec::new()),
        broken("half the head of a frame", vec![0, 0, 0]),
        broken("a head without its message", with_length(exact)[..5].to_vec()),
        broken("a length that promises more", with_length(exact + 1)),
        broken("a length that promises less", with_length(exact - 1)),
        broken("a length of a megabyte and a byte", with_length((1 << 20) + 1)),
        broken("a length of 4 GiB", with_length(u32::MAX)),
        broken("the flag 2", frame(2, &message)),
        broken("the flag 255", frame(255, &message)),
        broken("a message that says it is compressed, and not how", frame(1, &message)),
        broken("a message without a frame", message.clone()),
        good("a whole frame", framed(frame(0, &message))),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn compression(world: &World) -> Vec<Row> {
    let message = task(&[]);
    let sent = |flag: u8, message: &[u8]| Call::framed(CREATE, frame(flag, message)).bearer(&world.alice);
    let gzipped = |message: &[u8]| sent(1, message).header("grpc-encoding", "gzip");
    let broken = |name: &str, message: &[u8]| row(name, gzipped(message), request());
    let named = |name: &str, encoding: &'static str| {
        let refused = format!("Unimplemented UNSUPPORTED_COMPRESSION encoding={encoding}");
        row(name, sent(1, &gzip(&message)).header("grpc-encoding", encoding), refused)
    };
    let whole = gzip(&message);
    // 16 MiB of a title's letters in 16 KB, and the same once more in a few hundred bytes.
    let bomb = gzip(&field(1, &field(3, &vec![b'x'; 16 << 20])));
    let nested = gzip(&bomb);
    vec![
        broken("16 MiB in 16 KB", &bomb),
        broken("a bomb in a bomb", &nested),
        broken("a megabyte and a bit", &gzip(&field(1, &field(3, &vec![b'x'; 1 << 20])))),
        broken("what is not compressed and says so", &message),
        broken("half of what was compressed", &whole[..whole.len() / 2]),
        broken("a wrong checksum", &[&whole[..whole.len() - 8], &[0; 8]].concat()),
        broken("nothing, compressed", &[]),
        row("an empty message, compressed", gzipped(&gzip(&[])), at_fault(&["task"])),
        row(
            "900,000 letters, compressed",
            gzipped(&gzip(&field(1, &field(3, &vec![b'x'; 900_000])))),
            at_fault(&["task.title"]),
        ),
        named("a compression that is not known", "br"),
        named("a compression that is known elsewhere", "deflate"),
        named("a compression in capitals", "GZIP"),
        good("a message that is compressed", gzipped(&whole)),
        good(
            "a message that is not, though others might be",
            sent(0, &message).header("grpc-encoding", "gzip"),
        ),
        good("no compression, by name", sent(0, &message).header("grpc-encoding", "identity")),
    ]
}

fn paths(world: &World) -> Vec<Row> {
    let get = GetTaskRequest { task_id: world.task.task_id.clone() };
    let mut rows = Vec::new();
    for path in [
        "/docket.v1.TaskService/NoSuchMethod",
        "/docket.v1.TaskService/getTask",
        "/docket.v1.TaskService/GetTask/",
        "/docket.v1.TaskService/",
        "/docket.v1.NoSuchService/GetTask",
        "/docket.v2.TaskService/GetTask",
        "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent",
        "/etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ] {
        let refused = format!("Unimplemented UNKNOWN_METHOD method={}", &path[1..]);
        rows.push(row(format!("the path {path}"), Call::of(path, &get).bearer(&world.alice), refused));
    }
    let long = format!("/docket.v1.TaskService/{}", "x".repeat(3_000));
    let told = format!("Unimplemented UNKNOWN_METHOD method={}", &long[1..257]);
    rows.push(row("a path of 3,000 letters", Call::of(&long, &get).bearer(&world.alice), told));
    let stranger = Call::of("/docket.v1.TaskService/NoSuchMethod", &get);
    rows.push(row("a path that is not there, for a stranger", stranger, "Unauthenticated MISSING_TOKEN"));
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS, Method::PATCH] {
        let call =
            Call::of("/docket.v1.TaskService/GetTask", &get).bearer(&world.alice).method(method.clone());
        rows.push(row(format!("the method {method}"), call, "HTTP 405"));
    }
    rows
}

fn headers(world: &World) -> Vec<Row> {
    let get = GetTaskRequest { task_id: world.task.task_id.clone() };
    let call = || Call::of("/docket.v1.TaskService/GetTask", &get).bearer(&world.alice);
    let mut rows = Vec::new();
    for content_type in
        ["application/json", "text/plain", "application/x-protobuf", "application/grpc-web", "grpc", ""]
    {
        let call = call().without("content-type").header("content-type", content_type);
        rows.push(row(format!("the content type {content_type:?}"), call, "HTTP 415"));
    }
    let long = "x".repeat(20_000);
    rows.extend([
        row("no content type", call().without("content-type"), "HTTP 415"),
        row("a header of 20,000 bytes", call().header("x-long", &long), "HTTP 431"),
        row(
            "500 headers",
            (0..500).fold(call(), |call, n| call.header("x-many", format!("{n:032}"))),
            "HTTP 431",
        ),
        row(
            "a compression of 10,000 letters",
            call().header("grpc-encoding", "x".repeat(10_000)),
            format!("Unimplemented UNSUPPORTED_COMPRESSION encoding={}", "x".repeat(64)),
        ),
        good("a deadline that is none", call().header("grpc-timeout", "soon")),
        good("a negative deadline", call().header("grpc-timeout", "-1S")),
        good("a deadline after the end of time", call().header("grpc-timeout", "99999999H")),
        good("a trace that is none", call().header("traceparent", "00-zz-zz-01")),
        good(
            "a trace of bytes",
            call().header("traceparent", b"\xff\xfe").header("tracestate", b"\x80=\x81"),
        ),
        good("no word of trailers", call().without("te")),
        good(
            "a content type with what follows it",
            call().without("content-type").header("content-type", "application/grpc+proto"),
        ),
    ]);
    rows
}
