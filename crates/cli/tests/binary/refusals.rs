//! Every refused request leaves one line that says why, and that line is found by the request's id.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use remint_testbed::http::{self, FORM, request};
use serde_json::Value;

use crate::home::{Home, PASSWORD, SECRET, Server, eventually, free_address, metrics};
use crate::support::bare;

/// A value that must never come into the log, wherever a request has it.
const CANARY: &str = "CANARY";

/// The rest of an authorization request, where it is right.
const CHALLENGE: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
const CALLBACK: &str = "redirect_uri=https%3A%2F%2Fapp.example%2Fcb";

fn furnished() -> (Home, Server) {
    let home = Home::furnished();
    home.set("log.format", "\"json\"");
    let create = |id: &str, more: &[&str], input| {
        let mut arguments = vec!["client", "create", "--id", id, "--scope", "a b"];
        arguments.extend_from_slice(more);
        home.run_with(&arguments, input).ok();
    };
    let callback = ["--grant", "authorization_code", "--redirect-uri", "https://app.example/cb"];
    create("web", &[&callback[..], &["--secret-stdin"]].concat(), SECRET);
    create("spa", &[&callback[..], &["--public"]].concat(), "");
    let server = home.serve();
    (home, server)
}

/// Sends bytes as they are; gives the status and the request's id.
fn send(server: &Server, request: &str) -> (u16, String) {
    let answer = http::exchange(server.address(), request);
    (answer.status, answer.header("x-request-id").unwrap_or_default().to_owned())
}

fn get(path: &str) -> String {
    request("GET", path, "", "")
}

fn post(path: &str, body: &str) -> String {
    http::form(path, "", body)
}

fn basic(pair: &str) -> String {
    format!("Authorization: {}\r\n{FORM}", http::basic(pair))
}

fn post_as_shop(path: &str, body: &str) -> String {
    request("POST", path, &basic(&format!("shop:{SECRET}")), body)
}

fn authorize(parameters: &str) -> String {
    get(&format!("/oauth2/authorize?{parameters}"))
}

/// The lines of the log about a request.
fn lines(home: &Home, id: &str) -> Vec<Value> {
    let log = home.log();
    let lines =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line: &Value| line["request_id"] == id).collect()
}

/// The same, once there are any: lines are written by a thread of their own.
fn told(home: &Home, id: &str) -> Vec<Value> {
    for _ in 0..100 {
        if lines(home, id).iter().any(|line| line["event"] == "request.refused") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    lines(home, id)
}

/// A request, its status and cause, and what else its line says.
type Row = (String, u16, &'static str, Vec<(&'static str, &'static str)>);

fn of_who_asks() -> Vec<Row> {
    let token = "/oauth2/token";
    let wrong = basic("shop:wrong");
    let shop = ("client_id", "shop");
    vec![
        (post(token, ""), 401, "client_missing", vec![("endpoint", "token")]),
        (post(token, "client_id=nobody"), 401, "client_unknown", vec![("client_id", "nobody")]),
        (
            request("POST", token, &wrong, "grant_type=password"),
            401,
            "client_secret_wrong",
            vec![shop, ("grant_type", "password"), ("error", "invalid_client")],
        ),
        (request("POST", token, &basic("shop"), ""), 401, "basic_malformed", vec![]),
        (post_as_shop(token, "client_secret=x"), 400, "client_auth_twice", vec![shop]),
        (post_as_shop(token, "client_id=other"), 400, "clients_differ", vec![shop]),
    ]
}

fn of_what_is_asked_for() -> Vec<Row> {
    let token = "/oauth2/token";
    let shop = ("client_id", "shop");
    vec![
        (post_as_shop(token, ""), 400, "grant_type_missing", vec![shop]),
        (
            post_as_shop(token, "grant_type=magic"),
            400,
            "grant_type_unknown",
            vec![shop, ("grant_type", "magic")],
        ),
        (
            post_as_shop(token, "grant_type=authorization_code"),
            400,
            "grant_not_registered",
            vec![("grant_type", "authorization_code")],
        ),
        (post_as_shop(token, "grant_type=refresh_token"), 400, "refresh_missing", vec![]),
        (
            post_as_shop(token, "grant_type=refresh_token&refresh_token=rmrt_CANARY"),
            400,
            "refresh_garbage",
            vec![shop, ("error", "invalid_grant")],
        ),
        (
            post_as_shop(token, "grant_type=client_credentials&scope=a+c"),
            400,
            "scope_not_registered",
            vec![("scope", "a c")],
        ),
        (
            post_as_shop(
                token,
                "grant_type=client_credentials&resource=https://api.example/v1?CANARY",
            ),
            400,
            "resource_not_granted",
            vec![("resource", "https://api.example/v1")],
        ),
    ]
}

fn of_how_it_is_sent() -> Vec<Row> {
    let token = "/oauth2/token";
    let shop = ("client_id", "shop");
    vec![
        (
            post_as_shop(token, "grant_type=password&grant_type=password"),
            400,
            "parameter_twice",
            vec![("client_id", "shop"), ("parameter", "grant_type")],
        ),
        (
            post_as_shop(token, "grant_type=%zz"),
            400,
            "parameter_malformed",
            vec![("client_id", "shop")],
        ),
        (
            post_as_shop(token, "grant_type=password&username=alice&password=CANARY"),
            400,
            "password_wrong",
            vec![shop, ("grant_type", "password")],
        ),
        (
            post_as_shop(token, "grant_type=password&username=CANARY&password=CANARY"),
            400,
            "user_unknown",
            vec![shop],
        ),
        (
            post_as_shop(&format!("{token}?code=CANARY"), "grant_type=password"),
            400,
            "parameters_in_query",
            vec![],
        ),
        (request("POST", token, "", "{}"), 415, "content_type_wrong", vec![]),
        (post_as_shop(token, &"x".repeat(70_000)), 413, "body_too_large", vec![]),
        (get(token), 405, "method_not_allowed", vec![("endpoint", "token")]),
    ]
}

fn at_the_other_endpoints() -> Vec<Row> {
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    vec![
        (
            post("/oauth2/introspect", "token=CANARY"),
            401,
            "client_missing",
            vec![("endpoint", "introspect")],
        ),
        (post_as_shop("/oauth2/introspect", ""), 400, "token_missing", vec![("client_id", "shop")]),
        (
            post("/oauth2/introspect", "token=x&client_id=spa"),
            401,
            "caller_public",
            vec![("client_id", "spa")],
        ),
        (
            post("/oauth2/revoke", "token=CANARY&client_id=nobody"),
            401,
            "client_unknown",
            vec![("endpoint", "revoke"), ("client_id", "nobody")],
        ),
        (post_as_shop("/oauth2/revoke", ""), 400, "token_missing", vec![]),
        (get("/oauth2/userinfo"), 401, "access_token_missing", vec![("endpoint", "userinfo")]),
        (
            request("GET", "/oauth2/userinfo", &bearer("CANARY"), ""),
            401,
            "access_token_dead",
            vec![("error", "invalid_token")],
        ),
        (
            request("GET", "/oauth2/userinfo", &bearer("!"), ""),
            400,
            "access_token_malformed",
            vec![],
        ),
        (get("/nothing/CANARY"), 404, "not_found", vec![("endpoint", "other")]),
        (
            request("DELETE", "/oauth2/jwks", "", ""),
            405,
            "method_not_allowed",
            vec![("endpoint", "jwks")],
        ),
        (
            get(
                "/oidc/logout?client_id=web&post_logout_redirect_uri=https://evil.example/x?CANARY",
            ),
            400,
            "post_logout_redirect_uri_unknown",
            vec![("client_id", "web"), ("redirect_uri", "https://evil.example/x")],
        ),
    ]
}

fn at_the_pages() -> Vec<Row> {
    let good =
        format!("client_id=web&{CALLBACK}&response_type=code&scope=a&state=CANARY&{CHALLENGE}");
    let of_web = |rest: &str| authorize(&format!("client_id=web&{CALLBACK}&{rest}"));
    let web = ("client_id", "web");
    vec![
        (authorize(""), 400, "authorize_client_missing", vec![("endpoint", "authorize")]),
        (
            authorize("client_id=nobody"),
            400,
            "authorize_client_unknown",
            vec![("client_id", "nobody")],
        ),
        (
            authorize(
                "client_id=web&redirect_uri=https://evil.example/cb?x=CANARY&response_type=code",
            ),
            400,
            "redirect_uri_unknown",
            vec![web, ("redirect_uri", "https://evil.example/cb"), ("response_type", "code")],
        ),
        (
            authorize("client_id=web&client_id=web"),
            400,
            "parameter_twice",
            vec![web, ("parameter", "client_id")],
        ),
        // Told to the client by a redirect, which is no success all the same.
        (
            of_web("response_type=magic"),
            303,
            "response_type_unknown",
            vec![web, ("response_type", "magic"), ("redirect_uri", "https://app.example/cb")],
        ),
        (
            of_web(&format!("response_type=code&scope=a+x&{CHALLENGE}")),
            303,
            "scope_not_registered",
            vec![web, ("scope", "a x"), ("error", "invalid_scope")],
        ),
        (of_web("response_type=code&scope=a&nonce=CANARY"), 303, "challenge_missing", vec![web]),
        (
            authorize(&format!("{good}&prompt=none")),
            303,
            "login_required",
            vec![web, ("error", "login_required")],
        ),
        (get("/oauth2/authorize/continue?flow=CANARY"), 403, "form_expired", vec![]),
        (
            post("/login", "username=CANARY&password=CANARY"),
            400,
            "form_expired",
            vec![("endpoint", "authorize")],
        ),
        (post("/consent", "decision=allow"), 403, "form_expired", vec![]),
        (request("POST", "/login", "", "{}"), 400, "content_type_wrong", vec![]),
    ]
}

#[test]
fn every_refused_request_leaves_one_line_that_says_why() {
    let (home, server) = furnished();
    let rows = [
        of_who_asks(),
        of_what_is_asked_for(),
        of_how_it_is_sent(),
        at_the_other_endpoints(),
        at_the_pages(),
    ]
    .concat();
    assert!(rows.len() >= 44);
    let mut wrong = Vec::new();
    for (request, status, cause, fields) in rows {
        let (got, id) = send(&server, &request);
        let head = request.lines().next().unwrap().to_owned();
        let lines = told(&home, &id);
        let told: Vec<_> = lines.iter().filter(|l| l["event"] == "request.refused").collect();
        let is_told = match told.as_slice() {
            [line] => {
                line["level"] == "INFO"
                    && line["status"] == status
                    && line["cause"] == cause
                    && line["source"] == "127.0.0.1"
                    && fields.iter().all(|(name, value)| line[*name] == *value)
            }
            _ => false,
        };
        if got != status || !is_told {
            wrong.push(format!(
                "{head}\n  expected {status} {cause} {fields:?}\n  got {got} {lines:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Before it has an id.
    assert_eq!(send(&server, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").0, 400);
    eventually("it is told", || home.log().contains(r#""cause":"host_malformed""#));
    let log = server.log();
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn no_secret_of_a_request_is_logged_at_any_level() {
    let (home, server) = furnished();
    drop(server);
    home.set("log.level", "\"trace\"");
    let server = home.serve();
    let form = |names: &[&str]| {
        names.iter().map(|name| format!("{name}={CANARY}{name}")).collect::<Vec<_>>().join("&")
    };
    let all = form(&[
        "client_secret",
        "code",
        "code_verifier",
        "password",
        "username",
        "refresh_token",
        "token",
        "state",
        "nonce",
        "id_token_hint",
        "login_hint",
        "assertion",
        "csrf",
        "flow",
        "new",
        "current",
    ]);
    let cookies = format!(
        "Cookie: session={CANARY}; __Host-remint={CANARY}\r\nAuthorization: Basic {CANARY}\r\n"
    );
    for path in [
        "/oauth2/token",
        "/oauth2/introspect",
        "/oauth2/revoke",
        "/oauth2/userinfo",
        "/login",
        "/consent",
        "/oauth2/authorize",
        "/oidc/logout",
        "/account/password",
        "/account/sign-out",
    ] {
        for grant in ["password", "refresh_token", "authorization_code", "client_credentials"] {
            let body = format!("grant_type={grant}&client_id=web&{all}");
            send(&server, &request("POST", path, &format!("{FORM}{cookies}"), &body));
            send(&server, &post(path, &body));
            send(&server, &post_as_shop(path, &body));
        }
        send(&server, &request("GET", &format!("{path}?client_id=web&{all}"), &cookies, ""));
    }
    assert!(server.stop().success());
    let log = home.log();
    assert!(log.contains("request.refused") && log.contains("http.request"), "{log}");
    let told: Vec<_> = log.lines().filter(|l| l.contains(CANARY) || l.contains(SECRET)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_failed_sign_in_names_the_client_and_the_user_who_is_known() {
    let (home, server) = furnished();
    let form = |name: &str, password: &str| {
        post_as_shop(
            "/oauth2/token",
            &format!("grant_type=password&username={name}&password={password}"),
        )
    };
    let (status, id) = send(&server, &form("alice", "wrong"));
    assert_eq!(status, 400);
    let failed = |id: &str| {
        told(&home, id);
        lines(&home, id).into_iter().find(|line| line["event"] == "login.failed").unwrap()
    };
    let known = failed(&id);
    assert_eq!((&known["client_id"], &known["cause"]), (&"shop".into(), &"password_wrong".into()));
    assert!(known["sub"].as_str().unwrap().starts_with("usr_"), "{known}");
    let (_, id) = send(&server, &form("mallory", "wrong"));
    let unknown = failed(&id);
    assert_eq!((&unknown["sub"], &unknown["cause"]), (&Value::Null, &"user_unknown".into()));
    assert_eq!(send(&server, &form("alice", PASSWORD)).0, 200);
}

/// The command of the guide, as it stands there.
#[test]
fn the_guide_finds_the_line_of_a_request_by_its_id_and_the_reference_knows_its_cause() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let guide = fs::read_to_string(docs.join("operations.md")).unwrap();
    let (_, chapter) = guide.split_once("### Why was this request refused?").unwrap();
    let command = chapter.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let example = chapter.split_once("```text\n").unwrap().1.split_once("```").unwrap().0;
    let home = Home::furnished();
    let create = ["client", "create", "--id", "web", "--grant", "authorization_code", "--public"];
    home.run(&[&create[..], &["--redirect-uri", "https://app.example/callback"]].concat()).ok();
    let server = home.serve();
    let (_, id) = send(
        &server,
        &authorize("client_id=web&response_type=code&redirect_uri=https://app.example/callback/?x"),
    );
    assert!(server.stop().success());
    let mut shell = bare("/bin/sh");
    shell.arg("-c").arg(command).current_dir(home.dir()).env("REQUEST_ID", &id);
    let found = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    assert_eq!(found.lines().count(), 1, "{found}");
    // What the guide shows is what there is, but for the id and the address.
    let (shown, _) = example.split_once(" source=").unwrap();
    let (_, shown) = shown.split_once("event=").unwrap();
    assert!(found.contains(&format!("event={shown} source=127.0.0.1 request_id={id}")), "{found}");
    let causes = fs::read_to_string(docs.join("errors.md")).unwrap();
    let cause = found.split("cause=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(causes.contains(&format!("| `{cause}` |")), "{cause}");
}

/// The names that `/metrics` shows and those that the guide lists.
#[test]
fn every_metric_is_in_the_guide_and_every_one_of_the_guide_is_there() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let guide = fs::read_to_string(docs.join("operations.md")).unwrap();
    let listed: BTreeSet<_> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `remint_")?.split('`').next())
        .map(|name| name.trim_end_matches("_total").to_owned())
        .collect();
    let home = Home::furnished();
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    let server = home.serve();
    send(&server, &get("/oauth2/authorize"));
    let metrics = metrics(ops);
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE remint_"));
    let mut shown: BTreeSet<_> =
        types.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    for endpoint in remint_server::ENDPOINT_LABELS {
        assert!(guide.contains(&format!("`{endpoint}`")), "{endpoint} is not in the guide");
    }
    // Only with a certificate, and once there was a logout to tell of.
    shown.insert("tls_certificate_expiry_timestamp_seconds".into());
    shown.insert("logout_notices".into());
    assert_eq!(shown, listed);
}

/// Whoever goes on to the sign-in page is no failure, and a refusal that a redirect tells is no success.
#[test]
fn a_redirect_counts_as_what_it_says() {
    let home = Home::furnished();
    let create = ["client", "create", "--id", "web", "--grant", "authorization_code", "--public"];
    let callback = ["--redirect-uri", "https://app.example/cb", "--scope", "a b"];
    home.run(&[&create[..], &callback].concat()).ok();
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    let server = home.serve();
    let good = format!("client_id=web&{CALLBACK}&response_type=code&scope=a&{CHALLENGE}");
    assert_eq!(send(&server, &authorize(&good)).0, 303);
    assert_eq!(send(&server, &authorize(&format!("{good}&prompt=none"))).0, 303);
    let metrics = metrics(ops);
    for line in [
        "remint_http_requests_total{endpoint=\"authorize\",outcome=\"ok\"} 1",
        "remint_http_requests_total{endpoint=\"authorize\",outcome=\"login_required\"} 1",
        "remint_rejects_total{cause=\"login_required\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
}
