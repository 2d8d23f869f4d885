//! Slow, endless and broken connections: bounded in time and memory.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;

use remint_testbed::http::rest;

use crate::site::{As, Site};

const HEAD: &str = "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-www-form-urlencoded\r\n";

fn impatient() -> Site {
    Site::with("http.header_timeout=300ms http.body_timeout=300ms")
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    let site = impatient();
    let mut stream = site.connect();
    stream.write_all(b"POST /oauth2/token HTTP/1.1\r\nHost: ").unwrap();
    // Ends only because the server closes: the read timeout would leave an error, not an end.
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    assert!(read.is_ok(), "{read:?}");
}

#[test]
fn an_idle_connection_is_closed() {
    let site = Site::with("http.idle_timeout=300ms");
    let mut stream = site.connect();
    let request = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    assert!(stream.read_to_string(&mut text).is_ok(), "closed by the server");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Reads one answer, whose end is known.
fn read_live(stream: &mut std::net::TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("live\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{text}");
        text.push(char::from(byte[0]));
    }
    text
}

#[test]
fn an_idle_connection_outlives_the_time_for_a_head() {
    let site = Site::with("http.header_timeout=100ms http.idle_timeout=1h");
    let mut stream = site.connect();
    for _ in 0..3 {
        stream.write_all(LIVE.as_bytes()).unwrap();
        read_live(&mut stream);
        // Several times as long as a head may take.
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
}

#[test]
fn a_second_head_that_never_ends_is_cut_off_as_the_first_is() {
    let site = Site::with("http.header_timeout=300ms http.idle_timeout=1h");
    let mut stream = site.connect();
    stream.write_all(LIVE.as_bytes()).unwrap();
    read_live(&mut stream);
    stream.write_all(b"GET /health/li").unwrap();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    assert!(read.is_ok() && rest.is_empty(), "{read:?}");
}

#[test]
fn a_head_that_comes_byte_by_byte_has_no_more_time_than_one_that_does_not_come() {
    let site = Site::with("http.header_timeout=300ms http.idle_timeout=1h");
    let mut stream = site.connect();
    stream.write_all(LIVE.as_bytes()).unwrap();
    read_live(&mut stream);
    let endless = std::iter::repeat_n(b'x', 1000);
    let sent = endless.take_while(|byte| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        stream.write_all(&[*byte]).is_ok()
    });
    assert!(sent.count() < 1000, "cut off long before the 20 seconds are over");
}

#[test]
fn idle_connections_make_room_when_there_is_none() {
    let site = Site::with("http.max_connections=1 http.header_timeout=300ms http.idle_timeout=1h");
    let mut idle = site.connect();
    idle.write_all(LIVE.as_bytes()).unwrap();
    read_live(&mut idle);
    let answer = site.token(As::Client("demo"), &[("grant_type", "client_credentials")]);
    answer.ok();
    drop(idle);
}

#[test]
fn requests_that_are_sent_at_once_are_all_answered() {
    let site = Site::with("http.idle_timeout=300ms");
    let answers = site.send_raw(LIVE.repeat(3));
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{answers}");
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let site = impatient();
    let mut stream = site.connect();
    write!(stream, "{HEAD}Content-Length: 100\r\n\r\ngrant_type=").unwrap();
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_body_that_breaks_off_is_no_servers_error() {
    let site = impatient();
    let mut stream = site.connect();
    write!(stream, "{HEAD}Content-Length: 100\r\n\r\ngrant_type=").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = rest(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    site.tokens();
}

#[test]
fn an_endless_chunked_body_is_cut_off_at_64_kib() {
    let site = Site::new();
    let mut stream = site.connect();
    write!(stream, "{HEAD}Transfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let mut sent = 0;
    // The server stops reading long before; what the sockets hold in between is the system's.
    while sent < 64 * 1024 * 1024 && stream.write_all(chunk.as_bytes()).is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 64 * 1024 * 1024, "the server reads for ever");
    site.tokens();
}

#[test]
fn a_head_of_more_than_16_kib_is_refused() {
    let site = Site::new();
    for length in [17 * 1024, 1024 * 1024] {
        let long = "x".repeat(length);
        let answer = site.send_raw(format!("{HEAD}X-Long: {long}\r\n\r\n"));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let many: String = (0..10_000).map(|i| format!("X-{i}: x\r\n")).collect();
    let answer = site.send_raw(format!("{HEAD}{many}\r\n"));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    site.tokens();
}

#[test]
fn a_client_that_takes_no_answers_is_cut_off() {
    let site = impatient();
    let mut stream = site.connect();
    stream.set_write_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let requests = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    // Until the server, whose answers nobody reads, takes no more requests, and then closes.
    let error = loop {
        if let Err(error) = stream.write_all(requests.as_bytes()) {
            break error;
        }
    };
    let kind = error.kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

#[test]
fn a_smuggled_second_request_is_not_served() {
    let site = Site::new();
    let smuggled = format!(
        "{HEAD}Connection: close\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    );
    let answer = site.send_raw(smuggled);
    assert!(!answer.contains("live"), "{answer}");
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let site = Site::with("http.max_connections=1 http.header_timeout=300ms");
    let idle = site.connect();
    // Served once the idle one was closed.
    let answer = site.token(As::Client("demo"), &[("grant_type", "client_credentials")]);
    answer.ok();
    drop(idle);
}
