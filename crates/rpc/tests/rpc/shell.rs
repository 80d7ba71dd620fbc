//! What the shell does around a handler: deadline, panics, explained errors, trace; and what it leaves open to all.

use docket_proto::v1::{GetTaskRequest, ListAuditEntriesResponse};
use docket_rpc::Port;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::StreamExt as _;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};
use tonic_types::StatusExt as _;

use crate::support::{AUDIT, LONG, MAX_MESSAGE_BYTES, Running, plain, start, token, told};

/// Calls any path with a message of our choice.
async fn raw(server: &Running, path: &'static str, message: GetTaskRequest) -> Status {
    let mut request = Request::new(message);
    *request.metadata_mut() = plain("").metadata().clone();
    let mut grpc = Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let codec: ProstCodec<GetTaskRequest, ListAuditEntriesResponse> = ProstCodec::default();
    grpc.unary(request, PathAndQuery::from_static(path), codec).await.expect_err("refused")
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up_and_says_so() {
    let mut server = start(Port::Public, LONG).await;
    // Tonic's client gives up by itself when the time it asked for is over, so this one speaks HTTP/2.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://docket/docket.v1.AuditService/ListAuditEntries")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "50m")
        .header("authorization", format!("Bearer {}", token("alice", &[])))
        .body(())
        .unwrap();
    let (answer, mut body) = client.ready().await.unwrap().send_request(request, false).unwrap();
    let message = plain("wait").into_inner().encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    body.send_data([&[0][..], &length, &message].concat().into(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let status = Status::from_header_map(answer.headers()).expect("trailers only");
    assert_eq!(told(&status), "DeadlineExceeded DEADLINE_EXCEEDED");
    assert_eq!(server.events.recv().await, Some("started"));
    assert_eq!(server.events.recv().await, Some("ended"), "the handler does not run on");
    connection.abort();
}

#[tokio::test]
async fn a_panic_is_answered_and_the_server_goes_on() {
    let server = start(Port::Public, LONG).await;
    let mut client = server.client().await;
    let status = client.list_audit_entries(plain("panic")).await.expect_err("panicked");
    assert_eq!(told(&status), "Internal INTERNAL");
    assert_eq!(status.message(), "internal error");
    client.list_audit_entries(plain("")).await.expect("the same connection serves on");
}

#[tokio::test]
async fn errors_that_tonic_makes_are_explained_too() {
    let server = start(Port::Public, LONG).await;
    let get = |task_id: &str| GetTaskRequest { task_id: task_id.to_owned() };
    for (path, method) in [
        ("/docket.v1.AuditService/Nope", "docket.v1.AuditService/Nope"),
        ("/docket.v1.NopeService/Nope", "docket.v1.NopeService/Nope"),
        ("/dapr.proto.runtime.v1.AppCallback/OnTopicEvent", "dapr.proto.runtime.v1.AppCallback/OnTopicEvent"),
        ("/grpc.health.v1.Health/Nope", "grpc.health.v1.Health/Nope"),
    ] {
        let status = raw(&server, path, get("")).await;
        assert_eq!(told(&status), format!("Unimplemented UNKNOWN_METHOD method={method}"));
    }

    // A string where a number belongs.
    let list = "/docket.v1.AuditService/ListAuditEntries";
    let long = "x".repeat(MAX_MESSAGE_BYTES);
    for (message, expect) in [(get("x"), "failed to decode"), (get(&long), "length too large")] {
        let status = raw(&server, list, message).await;
        assert_eq!(told(&status), "InvalidArgument INVALID_FIELDS");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert!(violations[0].description.contains(expect), "{violations:?}");
    }

    let status = server.client().await.list_audit_entries(plain("big")).await.expect_err("too big");
    assert_eq!(told(&status), "Internal INTERNAL");
    assert_eq!(status.message(), "internal error");
}

#[tokio::test]
async fn the_handler_learns_the_callers_trace() {
    let server = start(Port::Public, LONG).await;
    let mut request = plain("");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    let answer = server.client().await.list_audit_entries(request).await.unwrap();
    assert_eq!(answer.get_ref().entries[0].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn health_is_told_per_service_without_a_token() {
    let server = start(Port::Public, LONG).await;
    let mut client = HealthClient::new(server.channel().await);
    let mut check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        client.check(request).await.map(|answer| answer.get_ref().status()).map_err(|status| status.code())
    };
    assert_eq!(check("").await, Ok(ServingStatus::Serving));
    assert_eq!(check(AUDIT).await, Ok(ServingStatus::Serving));
    assert_eq!(check("docket.v1.Nope").await, Err(Code::NotFound));
    server.health.not_serving().await;
    assert_eq!(check("").await, Ok(ServingStatus::NotServing));
    assert_eq!(check(AUDIT).await, Ok(ServingStatus::NotServing));
}

/// Written as bytes: a client would not even send a call that is given up at once.
#[tokio::test]
async fn calls_given_up_at_once_do_not_break_the_sidecars_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const END_HEADERS: u8 = 4;
    const END_STREAM: u8 = 1;
    const LAST: u32 = 401;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    // `:method: POST` and `:scheme: http` by their numbers, `:path` in full (RFC 7541).
    let path = "/grpc.health.v1.Health/Check";
    let mut headers = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    headers.extend(path.bytes());
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in (1..LAST).step_by(2) {
        bytes.extend(frame(HEADERS, END_HEADERS, stream, &headers));
        // CANCEL
        bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, LAST, &headers));

    let server = start(Port::App, LONG).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("an answer to the last call");
        let (kind, of) = (head[3], u32::from_be_bytes(head[5..].try_into().unwrap()));
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        assert_ne!(kind, GOAWAY, "{}", String::from_utf8_lossy(&payload));
        if kind == HEADERS && of == LAST {
            return;
        }
    }
}

#[tokio::test]
async fn both_reflection_versions_list_the_services_and_know_the_error_details() {
    let server = start(Port::Public, LONG).await;
    let channel = server.channel().await;

    macro_rules! reflect {
        ($version:ident) => {{
            use $version::server_reflection_client::ServerReflectionClient;
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let asked = [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned()),
            ]
            .map(|asked| $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(asked),
            });
            let mut client = ServerReflectionClient::new(channel.clone());
            let answers =
                client.server_reflection_info(tokio_stream::iter(asked)).await.unwrap().into_inner();
            let answers: Vec<_> =
                answers.map(|answer| answer.unwrap().message_response.unwrap()).collect().await;
            let [MessageResponse::ListServicesResponse(list), MessageResponse::FileDescriptorResponse(file)] =
                &answers[..]
            else {
                panic!("{answers:?}")
            };
            assert!(!file.file_descriptor_proto.is_empty());
            list.service.iter().map(|service| service.name.clone()).collect::<Vec<_>>()
        }};
    }
    for names in [reflect!(v1), reflect!(v1alpha)] {
        for expect in [AUDIT, "docket.v1.TaskService", "grpc.health.v1.Health"] {
            assert!(names.iter().any(|name| name == expect), "{expect} is missing: {names:?}");
        }
    }
}
