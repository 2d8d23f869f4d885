//! Secrets stay where they belong.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::home::{Home, PASSWORD, SECRET, free_address, metrics};

#[test]
fn checklist_86_no_secret_is_logged_or_measured() {
    let home = Home::furnished();
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    home.set("tokens.grace_period", "\"60s\"");
    let server = home.serve_with(|command| {
        command.env("REMINT_LOG_LEVEL", "trace").env("REMINT_LOG_FORMAT", "json");
    });
    let login = server.log_in().ok();
    let (access, first) = (login.text("access_token"), login.text("refresh_token"));
    let second = server.refresh(&first).ok().text("refresh_token");
    server.refresh(&first).ok();
    let third = server.refresh(&second).ok().text("refresh_token");
    server.refresh(&first);
    server.refresh(&third);
    server.is_active(&access);
    server.post("/oauth2/revoke", &[("token", &access)]).ok();
    let wrong = [("grant_type", "password"), ("username", "alice"), ("password", "canary-guess")];
    server.post("/oauth2/token", &wrong);
    server.try_post_as("shop:canary-secret", "/oauth2/token", &wrong);
    let metrics = metrics(ops);
    server.stop();
    let log = home.log();
    for event in ["refresh.rotated", "refresh.retried", "refresh.reuse_detected", "login.failed"] {
        assert!(log.contains(event), "{event} is not in the log:\n{log}");
    }
    let keys = fs::read_to_string(home.file("remint.keys")).unwrap();
    let key = keys.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap();
    for canary in [
        access.as_str(),
        &first,
        &second,
        &third,
        SECRET,
        PASSWORD,
        "canary-guess",
        "canary-secret",
        key.trim_matches('"'),
        "rmrt_",
        "rmat_",
    ] {
        assert!(!log.contains(canary) && !metrics.contains(canary), "{canary} in\n{log}");
    }
}

#[test]
fn checklist_87_a_dump_of_the_database_yields_no_credential() {
    let home = Home::furnished();
    let server = home.serve();
    let mut tokens = vec![];
    let login = server.log_in().ok();
    tokens.push(login.text("access_token"));
    tokens.push(login.text("refresh_token"));
    tokens.push(server.refresh(&tokens[1]).ok().text("refresh_token"));
    server.post("/oauth2/revoke", &[("token", &tokens[0])]).ok();
    let dump = || {
        let files = ["remint.db", "remint.db-wal"].map(|name| home.file(name));
        files.iter().filter_map(|file| fs::read(file).ok()).flatten().collect::<Vec<u8>>()
    };
    let running = dump();
    server.stop();
    for dump in [running, dump()] {
        assert!(dump.len() > 10_000);
        let holds = |needle: &[u8]| dump.windows(needle.len()).any(|window| window == needle);
        assert!(holds(b"alice") && holds(b"$argon2id$v=19$"), "the dump is one");
        for token in &tokens {
            assert!(!holds(token.as_bytes()), "{token}");
            // Nor what is inside of it: the sealed bytes, base64 or not.
            let body = &token[5..token.len() - 6];
            let sealed = URL_SAFE_NO_PAD.decode(body).unwrap();
            assert!(!holds(&sealed[2..18]), "{token}");
        }
        for secret in [SECRET, PASSWORD] {
            assert!(!holds(secret.as_bytes()), "{secret}");
        }
        let keys = fs::read_to_string(home.file("remint.keys")).unwrap();
        let key = keys.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap();
        assert!(!holds(key.trim_matches('"').as_bytes()), "keys are not in the database");
    }
}
