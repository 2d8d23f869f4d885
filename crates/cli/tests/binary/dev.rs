//! `remint serve --dev`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::home::{Answer, Home, Server, remint, run};

fn dev(edit: impl FnOnce(&mut Command)) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = remint();
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).env("TMPDIR", dir.path());
    // Spoken without TLS, so that this test needs no client that takes any certificate.
    command.env("REMINT_HTTP_PLAIN", "true").env("REMINT_OPS_LISTEN", "off");
    edit(&mut command);
    let mut server = Server::start(command, &dir.path().join("log"));
    server.credentials = "demo:demo-secret".to_owned();
    (server, dir)
}

/// The value between two texts of the greeting.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

#[test]
fn what_is_printed_can_be_pasted() {
    let (server, _dir) = dev(|_| {});
    let greeting = &server.greeting;
    for part in
        ["DEVELOPMENT MODE", "Not for production", "demo-secret", "alice", "wonderland", "Ctrl-C"]
    {
        assert!(greeting.contains(part), "{greeting}");
    }
    let form: Vec<_> = between(greeting, "-d \"", "\"")
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    let given = server.post("/oauth2/token", &form).ok();
    assert!(given.text("refresh_token").starts_with("rmrt_"));
    let printed = between(greeting, "refresh_token&refresh_token=", "\"");
    server.refresh(printed).ok();
    assert_eq!(server.refresh(printed).status, 400, "it works once");
    assert!(greeting.contains("Basic ZGVtbzpkZW1vLXNlY3JldA=="), "{greeting}");
    assert!(greeting.contains(&format!("{}/oauth2/token", server.url)), "{greeting}");
}

/// Goes where a link leads.
fn follow(server: &Server, path: &str) -> Answer {
    let answer = server.get(path);
    match answer.location() {
        Some(to) => follow(server, to.strip_prefix(&server.url).unwrap_or(to)),
        None => answer,
    }
}

#[test]
fn the_playground_is_named_first_and_can_sign_people_in() {
    let (server, _dir) = dev(|_| {});
    let (greeting, url) = (&server.greeting, &server.url);
    let first = format!("Open {url}/playground and sign in as alice / wonderland\n");
    let at = greeting.find(&first).unwrap_or_else(|| panic!("{greeting}"));
    assert!(greeting.find("demo-secret").is_some_and(|other| at < other), "{greeting}");
    let page = server.get("/playground").ok().body;
    let link = between(&page, "id=\"playground-begin\" href=\"", "\"").replace("&#38;", "&");
    let page = follow(&server, &link).ok().body;
    assert!(page.contains("id=\"login-submit\"") && page.contains("Playground"), "{page}");
    // Nobody is signed in, so the server leads straight back; there, no browser has begun anything.
    let back = format!("{url}/playground/signed-out");
    let leave = format!("/oidc/logout?client_id=playground&post_logout_redirect_uri={back}");
    let page = follow(&server, &leave);
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("This form is no longer valid"), "{page:?}");
}

#[test]
fn the_playgrounds_client_follows_the_issuer_and_demo_serves_its_api() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    // The second server listens on another port.
    for _ in 0..2 {
        let (server, _dir) = dev(|command| {
            command.arg("--data-dir").arg(&kept);
        });
        let show = |id: &str| {
            let mut command = remint();
            command.args(["client", "show", id, "--json", "--data-dir"]).arg(&kept);
            run(command, "").ok().json()
        };
        let (app, api) = (show("playground"), show("demo"));
        assert!(app["resources"].to_string().contains("https://"), "{app}");
        assert_eq!(app["resources"], api["serves"]);
        for path in ["callback", "signed-out"] {
            let uri = format!("{}/playground/{path}", server.url);
            assert!(app.to_string().contains(&uri), "{uri} is not in {app}");
        }
        server.stop();
    }
}

#[test]
fn an_installation_has_no_playground_whatever_is_set() {
    let home = Home::furnished();
    for variable in ["REMINT_PLAYGROUND", "REMINT_DEV"] {
        let mut command = home.command(&["serve"]);
        command.env(variable, "true");
        let error = run(command, "").failed();
        assert!(error.contains(&format!("{variable}: there is no such variable")), "{error}");
    }
    let server = home.serve();
    for path in ["/playground", "/playground/callback", "/playground/signed-out"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert!(!server.greeting.contains("playground"));
    server.stop();
    home.set("data_dir", "\".\"\nplayground = true");
    let error = home.run(&["config", "check"]).failed();
    assert!(error.contains("playground"), "{error}");
}

#[test]
fn the_temporary_directory_goes_away_at_exit_and_a_kept_one_stays() {
    let (server, dir) = dev(|_| {});
    let made = || {
        let all = std::fs::read_dir(dir.path()).unwrap().map(|one| one.unwrap().file_name());
        all.filter(|name| name.to_string_lossy().starts_with("remint-dev-")).count()
    };
    assert_eq!(made(), 1);
    let is_private = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap).all(|one| {
        let is_dir = one.file_type().unwrap().is_dir();
        !is_dir || one.metadata().unwrap().permissions().mode() & 0o777 == 0o700
    });
    assert!(is_private, "nobody else can look into it");
    assert!(server.stop().success());
    assert_eq!(made(), 0);

    let kept = dir.path().join("kept");
    let token = {
        let (server, _dir) = dev(|command| {
            command.arg("--data-dir").arg(&kept);
        });
        let printed = between(&server.greeting, "refresh_token&refresh_token=", "\"").to_owned();
        server.stop();
        printed
    };
    let (server, _dir) = dev(|command| {
        command.arg("--data-dir").arg(&kept);
    });
    server.refresh(&token).ok();
    let mut command = remint();
    command.args(["session", "list", "--json", "--data-dir"]).arg(&kept);
    let sessions = run(command, "").ok().json();
    assert_eq!(sessions.as_array().unwrap().len(), 2, "commands work on it as on any other");
}

#[test]
fn known_passwords_are_for_loopback_only() {
    let mut command = remint();
    command.args(["serve", "--dev", "--listen", "0.0.0.0:0"]);
    let error = run(command, "").failed();
    assert!(error.contains("loopback addresses only"), "{error}");
    let home = Home::new();
    let mut command = remint();
    command.args(["serve", "--dev", "--config"]).arg(home.file("remint.toml"));
    assert!(run(command, "").failed().contains("leave out --config"));
}

#[test]
fn known_passwords_do_not_get_into_a_real_installation() {
    let home = Home::new();
    let mut command = remint();
    command.args(["serve", "--dev", "--data-dir"]).arg(home.dir());
    let error = run(command, "").failed();
    assert!(error.contains("is a real installation"), "{error}");
    let (server, _dir) = dev(|command| {
        command.env("REMINT_DATA_DIR", home.dir()).env("REMINT_KEY_FILE", home.file("remint.keys"));
    });
    server.stop();
    assert!(home.json(&["user", "list"]).as_array().unwrap().is_empty());
}
