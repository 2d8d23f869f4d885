//! Whoever reads what the server writes may stand still: requests, and the end, do not wait for it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::process::Stdio;

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Home, Server, client, eventually, free_address, metric};

/// More lines than the queue and the pipe have room for.
const REFUSED: usize = 6_000;
const DROPPED: &str = "remint_log_lines_dropped_total";

/// Refused refreshes, each told in the log.
fn refuse(server: &Server) {
    let token = server.log_in().ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &token)]).ok();
    for _ in 0..REFUSED {
        assert_eq!(server.refresh(&token).status, 400);
    }
}

/// A server that logs into a named pipe, which nobody reads.
fn stalled(home: &Home) -> (Server, File) {
    let pipe = home.file("log.pipe");
    mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    // Opened for both, so that neither opening waits for the other.
    let reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let server = home.serve_in_shell(&format!("exec 2>'{}'", pipe.display()));
    (server, reader)
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let home = Home::furnished();
    let (server, _reader) = stalled(&home);
    refuse(&server);
    server.get("/health/ready").ok();
    let token = server.log_in().ok().text("refresh_token");
    server.refresh(&token).ok();
    assert!(server.stop().success());
}

#[test]
fn lines_that_were_lost_are_counted_and_told_once_the_log_is_read_again() {
    let home = Home::furnished();
    home.set("log.format", "\"json\"");
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    let (server, reader) = stalled(&home);
    refuse(&server);
    let counted = metric(ops, DROPPED).unwrap();
    let mut lines = BufReader::new(reader).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let (mut told, mut dropped, mut of_first) = (0, 0, 0);
    let mut first = None;
    // What is told of each refusal comes in the same number of lines.
    while dropped == 0 || told + dropped < of_first * REFUSED as u64 {
        let line = next();
        match line["event"].as_str() {
            Some("log.dropped") => dropped += line["count"].as_u64().unwrap(),
            Some("refresh.denied" | "request.refused") => {
                let id = line["request_id"].clone();
                of_first += u64::from(*first.get_or_insert_with(|| id.clone()) == id);
                told += 1;
            }
            _ => {}
        }
    }
    assert_eq!(told + dropped, of_first * REFUSED as u64);
    assert_eq!(dropped, counted);
    // The log goes on.
    assert_eq!(server.refresh("rmrt_nothing").status, 400);
    assert!(server.stop().success());
}

#[test]
fn no_line_is_lost_where_the_log_is_read() {
    let home = Home::furnished();
    home.set("log.format", "\"json\"");
    let server = home.serve();
    let token = server.log_in().ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &token)]).ok();
    for _ in 0..5000 {
        assert_eq!(server.refresh(&token).status, 400);
    }
    // The last ones are written before the end.
    assert!(server.stop().success());
    let log = home.log();
    let denied: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("refresh.denied"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(denied.len(), 5000);
    // One request came after the other.
    assert!(denied.is_sorted_by_key(|line| line["timestamp"].as_str().unwrap().to_owned()));
    assert!(!log.contains("log.dropped"), "{log}");
}

#[test]
fn a_ready_line_that_nobody_takes_holds_up_neither_requests_nor_the_end() {
    let home = Home::furnished();
    let address = free_address();
    home.set("http.listen", &format!("\"{address}\""));
    let (_reader, mut full) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(full.as_fd()).unwrap();
    fcntl_setfl(full.as_fd(), flags | OFlags::NONBLOCK).unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    while full.write(b"x").is_ok() {}
    fcntl_setfl(full.as_fd(), flags).unwrap();
    let mut command = home.command(&["serve"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(full).stderr(Stdio::null()).spawn().unwrap();
    let url = format!("http://{address}/health/ready");
    let is_ready = || client().get(&url, &[]).is_ok_and(|answer| answer.status == 200);
    eventually("it is ready", is_ready);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_that_cannot_be_written_counts_as_lost() {
    let home = Home::furnished();
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    let server = home.serve_in_shell("exec 2>/dev/full");
    let token = server.log_in().ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &token)]).ok();
    for _ in 0..10 {
        assert_eq!(server.refresh(&token).status, 400);
    }
    eventually("every refusal's line counts", || metric(ops, DROPPED).unwrap() >= 10);
    assert!(server.stop().success());
}
