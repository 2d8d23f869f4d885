//! `remint serve` as a process: one per data directory, an orderly end, limits.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use remint_testbed::http::{Answer, connect, form, rest};
use rustix::process::Signal;

use crate::home::{Home, remint, run};

#[test]
fn a_second_server_on_the_same_data_directory_is_refused_by_name() {
    let home = Home::furnished();
    let server = home.serve();
    let error = home.run(&["serve"]).failed();
    let pid = server.pid().as_raw_nonzero();
    assert!(error.contains(&format!("another remint serve (process {pid})")), "{error}");
    assert!(error.contains(&home.dir().display().to_string()), "{error}");
    server.log_in().ok();
    server.kill();
    home.serve().log_in().ok();
}

#[test]
fn sigterm_lets_a_running_request_finish() {
    let home = Home::furnished();
    let mut server = home.serve();
    let address = server.address();
    let mut slow = connect(address);
    let body = "grant_type=client_credentials&client_id=shop&client_secret=shop-secret";
    let request = form("/oauth2/token", "Expect: 100-continue\r\n", body);
    let (first, second) = request.split_at(request.len() - 40);
    slow.write_all(first.as_bytes()).unwrap();
    // Said once the server waits for the rest of the body.
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.signal(Signal::TERM);
    crate::home::eventually("it says that it stops", || home.log().contains("stopping"));
    slow.write_all(second.as_bytes()).unwrap();
    let answer = Answer::parse(&rest(slow));
    // A post with a secret in the body needs a client that is registered for it: this one is not,
    // and being told so is a whole answer.
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(server.wait().success());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_second_signal_ends_what_is_still_running() {
    let home = Home::furnished();
    home.set("http.drain_timeout", "\"1h\"");
    let mut server = home.serve();
    let mut slow = connect(server.address());
    write!(slow, "POST /oauth2/token HTTP/1.1\r\n").unwrap();
    assert_eq!(server.get("/health/live").status, 200);
    server.signal(Signal::INT);
    crate::home::eventually("it says that it stops", || home.log().contains("stopping"));
    server.signal(Signal::INT);
    assert!(server.wait().success());
    assert!(!home.file("remint.db-wal").exists(), "in an orderly way all the same");
}

#[test]
fn ctrl_c_is_an_orderly_end_that_leaves_one_file_of_the_database() {
    let home = Home::furnished();
    let mut server = home.serve();
    server.log_in().ok();
    server.signal(Signal::INT);
    assert!(server.wait().success());
    assert!(!home.file("remint.db-wal").exists(), "folded into the database");
}

#[test]
fn sighup_without_a_certificate_ends_nothing() {
    let home = Home::furnished();
    let server = home.serve();
    server.signal(Signal::HUP);
    crate::home::eventually("the log tells", || {
        home.log().contains("no certificate to read again")
    });
    server.log_in().ok();
}

#[test]
fn a_taken_port_is_named() {
    let home = Home::furnished();
    let server = home.serve();
    let other = Home::furnished();
    let address = server.url.strip_prefix("http://").unwrap();
    let error = other.run(&["serve", "--listen", address]).failed();
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
}

#[test]
fn flags_stand_over_variables_over_the_file() {
    let home = Home::furnished();
    home.set("issuer", "\"https://file.example\"");
    let issuer = |edit: &dyn Fn(&mut std::process::Command)| {
        let server = home.serve_with(|command| edit(command));
        server.get("/.well-known/oauth-authorization-server").text("issuer")
    };
    assert_eq!(issuer(&|_| {}), "https://file.example");
    let variable = |command: &mut std::process::Command| {
        command.env("REMINT_ISSUER", "https://variable.example");
    };
    assert_eq!(issuer(&variable), "https://variable.example");
    let both = |command: &mut std::process::Command| {
        variable(command);
        command.args(["--issuer", "https://flag.example"]);
    };
    assert_eq!(issuer(&both), "https://flag.example");
}

#[test]
fn a_database_of_something_else_is_refused() {
    let home = Home::new();
    let file = home.file("remint.db");
    std::fs::remove_file(&file).unwrap();
    let error = home.run(&["serve"]).failed();
    assert!(error.contains("there is no database") && error.contains("remint init"), "{error}");
    std::fs::write(&file, "this is no database, but a text that is long enough for a head")
        .unwrap();
    let error = home.run(&["serve"]).failed();
    assert!(error.contains("remint.db"), "{error}");
}

#[test]
fn the_version_is_told() {
    let mut command = remint();
    command.arg("--version");
    assert_eq!(run(command, "").ok().stdout, format!("remint {}\n", env!("CARGO_PKG_VERSION")));
}
