//! `remint user`.

use crate::home::{Home, eventually};

#[test]
fn users_are_made_listed_shown_and_deleted() {
    let home = Home::furnished();
    let alice = home.json(&["user", "show", "alice"]);
    assert!(alice["sub"].as_str().unwrap().starts_with("usr_"), "{alice}");
    assert_eq!(alice["enabled"], true);
    assert_eq!(home.json(&["user", "list"]).as_array().unwrap().len(), 1);
    let again = ["user", "create", "--username", "alice", "--password-stdin"];
    assert!(home.run_with(&again, "x").failed().contains("there is a user alice already"));
    home.run(&["user", "delete", "alice"]).ok();
    assert!(home.run(&["user", "show", "alice"]).failed().contains("there is no user alice"));
    home.run_with(&again, "x").ok();
    assert_ne!(home.json(&["user", "show", "alice"])["sub"], alice["sub"], "another person");
}

#[test]
fn passwords_are_never_taken_from_the_command_line_or_from_nothing() {
    let home = Home::new();
    let create = ["user", "create", "--username", "bob"];
    let error = home.run_with(&create, "typed").failed();
    assert!(error.contains("there is no terminal to ask"), "{error}");
    let piped = [create.as_slice(), &["--password-stdin"]].concat();
    assert!(home.run_with(&piped, "").failed().contains("standard input has no password"));
    let flag = home.run(&[create.as_slice(), &["--password", "x"]].concat());
    assert_eq!(flag.status.code(), Some(2));
}

#[test]
fn checklist_61_a_new_password_ends_the_sessions_in_a_running_server() {
    let home = Home::furnished();
    let server = home.serve();
    let first = server.log_in().ok().text("refresh_token");
    home.run_with(&["user", "set-password", "alice", "--password-stdin"], "looking-glass").ok();
    eventually("the session is over", || server.refresh(&first).status == 400);
    assert_eq!(server.log_in().status, 400, "the old password");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "looking-glass")];
    server.post("/oauth2/token", &form).ok();
}

#[test]
fn a_disabled_user_is_refused_until_enabled_again() {
    let home = Home::furnished();
    let server = home.serve();
    let answer = server.log_in().ok();
    let access = answer.text("access_token");
    home.run(&["user", "disable", "alice"]).ok();
    eventually("the access token is dead", || !server.is_active(&access));
    assert_eq!(server.log_in().status, 400);
    home.run(&["user", "enable", "alice"]).ok();
    eventually("the access token lives", || server.is_active(&access));
    server.refresh(&answer.text("refresh_token")).ok();
}
