//! Processes whose clocks differ, as before and after NTP has set one right: what is ended is over, and whoever
//! signs in anew gets in. `faketime` (Debian's package of that name) gives a process another clock; without it
//! nothing is tested, unless `REMINT_TEST_REQUIRE_FAKETIME` is set.

use std::env;
use std::process::Command;

use crate::home::{Answer, Home, Ran, Server, run};
use crate::support::{CREATE_ALICE, CREATE_SHOP, PASSWORD, SECRET};

/// A command whose process sees another time. The program `faketime` itself would stand between a server and
/// its signals.
fn by_clock(offset: &str, mut command: Command) -> Command {
    let library = library().unwrap_or_default();
    command.env("LD_PRELOAD", library).env("FAKETIME", offset);
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    command
}

/// What `faketime` has its processes load.
fn library() -> Option<String> {
    let shown = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    Some(String::from_utf8(shown.ok()?.stdout).ok()?.trim_end().to_owned())
}

fn has_faketime() -> bool {
    let is_here = library().is_some();
    assert!(
        is_here || env::var_os("REMINT_TEST_REQUIRE_FAKETIME").is_none(),
        "REMINT_TEST_REQUIRE_FAKETIME is set, but there is no faketime (Debian's package faketime)"
    );
    if !is_here {
        eprintln!("left out: there is no faketime here (Debian's package faketime)");
    }
    is_here
}

fn serve(home: &Home, offset: &str) -> Server {
    let command = by_clock(offset, home.command(&["serve"]));
    Server::start(command, &home.file("serve.log"))
}

fn command(home: &Home, offset: &str, arguments: &[&str], input: &str) -> Ran {
    run(by_clock(offset, home.command(arguments)), input)
}

fn own_token(server: &Server) -> Answer {
    server.post("/oauth2/token", &[("grant_type", "client_credentials")]).ok()
}

/// The clock of the server that signed alice in, and that of the command that ends it.
const CLOCKS: [(&str, &str); 4] = [("+5m", "+0"), ("+1d", "+0"), ("+0", "-1d"), ("-30m", "+20h")];

#[test]
fn what_a_command_says_it_ended_is_over_by_whichever_clock_it_began() {
    if !has_faketime() {
        return;
    }
    for (serving, ending) in CLOCKS {
        for which in [["--client", "shop"].as_slice(), &["--all"], &["--user", "alice"]] {
            let home = Home::new();
            command(&home, "+0", &CREATE_SHOP, SECRET).ok();
            command(&home, "+0", &CREATE_ALICE, PASSWORD).ok();
            let server = serve(&home, serving);
            let (tokens, own) = (server.log_in().ok(), own_token(&server));
            assert!(server.stop().success());

            let server = serve(&home, "+0");
            let is_client = which.first() != Some(&"--user");
            let said = command(&home, ending, &[&["session", "revoke"], which].concat(), "").ok();
            assert!(said.stdout.contains("ended: 1 was live"), "{}", said.stdout);
            let refused = server.refresh(&tokens.text("refresh_token"));
            assert_eq!(refused.status, 400, "{serving} {ending} {which:?}: {refused:?}");
            assert!(!server.is_active(&tokens.text("access_token")));
            assert_eq!(server.is_active(&own.text("access_token")), !is_client);
            let listed = home.json(&["session", "list"]);
            assert_eq!(listed.as_array().unwrap().len(), 0, "{listed}");
            let again = server.log_in().ok();
            server.refresh(&again.text("refresh_token")).ok();
            assert!(server.is_active(&own_token(&server).text("access_token")));
            let again = command(&home, ending, &[&["session", "revoke"], which].concat(), "").ok();
            assert!(again.stdout.contains("ended: 1 was live"), "{}", again.stdout);
        }
    }
}

#[test]
fn what_a_clock_that_is_ahead_registers_or_ends_shuts_nobody_out() {
    if !has_faketime() {
        return;
    }
    let home = Home::new();
    command(&home, "+1d", &CREATE_SHOP, SECRET).ok();
    command(&home, "+1d", &CREATE_ALICE, PASSWORD).ok();
    let server = home.serve();
    let gets_in = |when: &str| {
        let tokens = server.try_post(
            "/oauth2/token",
            &[("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)],
        );
        let tokens = tokens.unwrap();
        assert_eq!(tokens.status, 200, "{when}: {tokens:?}");
        server.refresh(&tokens.text("refresh_token")).ok();
        assert!(server.is_active(&own_token(&server).text("access_token")), "{when}");
    };
    gets_in("registered");
    for which in [["--client", "shop"].as_slice(), &["--all"], &["--user", "alice"]] {
        command(&home, "+1d", &[&["session", "revoke"], which].concat(), "").ok();
        gets_in(&format!("{which:?}"));
    }
    let password = "another wonderland";
    command(&home, "+1d", &["user", "set-password", "alice", "--password-stdin"], password).ok();
    let form = [("grant_type", "password"), ("username", "alice"), ("password", password)];
    let tokens = server.post("/oauth2/token", &form).ok();
    server.refresh(&tokens.text("refresh_token")).ok();
}
