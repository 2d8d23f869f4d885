//! Streams whose reader stands still, which is no reason to wait.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Home, Server, eventually};

const REFUSALS: usize = 4000;

/// A home whose server tells every request in JSON, and the port of its metrics.
fn talkative() -> (Home, u16) {
    let home = Home::furnished();
    home.set("log.level", "\"debug\"");
    home.set("log.format", "\"json\"");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    home.set("ops.listen", &format!("\"127.0.0.1:{port}\""));
    (home, port)
}

fn serve_into_a_pipe(home: &Home) -> (Server, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = home.command(&["serve"]);
    command.stderr(writer);
    (Server::start_logged(command), reader)
}

/// Has refreshes of an ended session refused, which each leave two lines.
fn refuse(server: &Server, count: usize) {
    let token = server.log_in().ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &token)]).ok();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..count / 4 {
                    assert_eq!(server.refresh(&token).status, 400);
                }
            });
        }
    });
}

fn dropped(port: u16) -> u64 {
    let mut response = ureq::get(format!("http://127.0.0.1:{port}/metrics")).call().unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("remint_log_lines_dropped_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

fn events(text: &str, name: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["event"] == name).collect()
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let (home, port) = talkative();
    let (mut server, _reader) = serve_into_a_pipe(&home);
    refuse(&server, REFUSALS);
    assert_eq!(server.get("/health/live").status, 200);
    assert!(dropped(port) > 0);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn a_second_signal_ends_a_server_whose_log_nobody_reads() {
    let (home, _) = talkative();
    let (mut server, _reader) = serve_into_a_pipe(&home);
    refuse(&server, 1000);
    server.signal(Signal::TERM);
    server.signal(Signal::TERM);
    server.wait();
}

#[test]
fn a_reader_that_reads_again_is_told_how_many_lines_were_lost() {
    let (home, port) = talkative();
    let (mut server, reader) = serve_into_a_pipe(&home);
    refuse(&server, REFUSALS);
    assert!(dropped(port) > 0);
    let text = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&text);
    let reading = thread::spawn(move || {
        for line in BufReader::new(reader).lines() {
            let mut text = heard.lock().unwrap();
            text.push_str(&line.unwrap());
            text.push('\n');
        }
    });
    eventually("it is told", || text.lock().unwrap().contains("\"log.dropped\""));
    // What was lost while nobody read, the probe above included: nothing is lost from here on.
    let lost = dropped(port);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    reading.join().unwrap();
    let text = text.lock().unwrap();
    let told: Vec<_> = events(&text, "log.dropped");
    assert!(told.iter().all(|line| line["level"] == "WARN"), "{told:?}");
    let counts = told.iter().map(|line| line["count"].as_u64().unwrap());
    let kept = events(&text, "refresh.denied").len() + events(&text, "http.request").len();
    assert!(kept > 1000, "{kept}");
    assert_eq!(counts.sum::<u64>(), lost);
}

#[test]
fn a_log_with_an_ordinary_reader_has_every_line_in_order() {
    let (home, port) = talkative();
    let (mut server, reader) = serve_into_a_pipe(&home);
    let reading = thread::spawn(move || {
        BufReader::new(reader).lines().collect::<Result<Vec<_>, _>>().unwrap()
    });
    let token = server.log_in().ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &token)]).ok();
    for _ in 0..2500 {
        assert_eq!(server.refresh(&token).status, 400);
    }
    assert_eq!(dropped(port), 0);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let text = reading.join().unwrap().join("\n");
    let ids = |name: &str| -> Vec<Value> {
        events(&text, name).iter().map(|line| line["request_id"].clone()).collect()
    };
    let denied = ids("refresh.denied");
    assert_eq!(denied.len(), 2500);
    let requests = ids("http.request");
    assert!(requests.ends_with(&denied), "each request's line stands behind its refusal");
    assert!(!text.contains("log.dropped"));
}

#[test]
fn a_ready_line_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let home = Home::furnished();
    let (_reader, mut writer) = std::io::pipe().unwrap();
    // As full as it gets: the next byte waits for a reader.
    let filler = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&filler, true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filler, false).unwrap();
    drop(filler);
    let log = home.file("stalled.log");
    let mut command = home.command(&["serve"]);
    command.stdin(Stdio::null()).stdout(writer).stderr(File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let port = || {
        // Nothing else says where it listens: its line waits.
        let files = fs::read_dir(format!("/proc/{}/fd", child.id())).ok()?;
        files.flatten().find_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            let table = fs::read_to_string("/proc/net/tcp").ok()?;
            table.lines().skip(1).find_map(|line| {
                let columns: Vec<_> = line.split_whitespace().collect();
                let is_ours = columns[9] == inode && columns[3] == "0A";
                let port = columns[1].split_once(':')?.1;
                is_ours.then(|| u16::from_str_radix(port, 16).unwrap())
            })
        })
    };
    eventually("it listens", || port().is_some());
    let url = format!("http://127.0.0.1:{}/health/live", port().unwrap());
    eventually("it serves", || ureq::get(&url).call().is_ok_and(|r| r.status() == 200));
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
