//! The endpoints for operators: health, metrics.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use remint_server::keys::KeyFile;

use remint_protocol::response::ResponseType;
use remint_protocol::scope::Scope;

use crate::site::{As, PASSWORD, SECRET, Site, Tokens, eventually};
use crate::visitor::{Callback, head};

#[test]
fn checklist_76_what_discovery_says_of_authorization_requests_is_so() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.scope = Scope::parse("openid profile email address phone offline_access a").unwrap();
        client.authorize.response_types = ResponseType::ALL.to_vec();
    });
    let profile = r#"{"name":"Alice","email":"a@example.com"}"#;
    site.describe_alice(profile);
    let json = site.get("/.well-known/openid-configuration").ok().json();
    let words = |member: &str| -> Vec<String> {
        let all = json[member].as_array().unwrap_or_else(|| panic!("{member}"));
        all.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut visitor = site.visitor();
    for kind in words("response_types_supported") {
        let callback = visitor.obtain(&[("response_type", &kind)]);
        for part in kind.split(' ') {
            let name = if part == "token" { "access_token" } else { part };
            assert!(callback.find(name).is_some(), "{kind}: {callback:?}");
        }
    }
    for mode in words("response_modes_supported") {
        let answer = visitor.authorize(&[("response_mode", &mode)]);
        assert_eq!(answer.status == 200, mode == "form_post", "{answer:?}");
    }
    for prompt in words("prompt_values_supported") {
        let answer = visitor.authorize(&[("prompt", &prompt)]);
        assert!(answer.status == 200 || Callback::of(&answer).find("code").is_some(), "{prompt}");
    }
    let scope = words("scopes_supported").join(" ");
    visitor.code(&[("scope", &scope)]);
    assert_eq!(words("code_challenge_methods_supported"), ["S256"]);
    for alg in words("id_token_signing_alg_values_supported") {
        site.change("web", |client| client.relying_party.id_token_alg = Some(alg.clone()));
        let id_token = visitor.obtain(&[("response_type", "id_token")]).value("id_token");
        assert_eq!(head(&id_token)["alg"], alg);
    }
    for (member, parameter) in [
        ("request_parameter_supported", "request"),
        ("request_uri_parameter_supported", "request_uri"),
    ] {
        assert_eq!(json[member], false);
        let error = Callback::of(&visitor.authorize(&[(parameter, "https://x")])).value("error");
        assert_eq!(error, format!("{parameter}_not_supported"));
    }
}

#[test]
fn health_tells_alive_from_ready() {
    let site = Site::new();
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(site.get(path).status, 200);
        assert_eq!(site.get_ops(path).status, 200);
    }
    site.close_store();
    assert_eq!(site.get("/health/live").status, 200);
    assert_eq!(site.get_ops("/health/ready").status, 503);
}

#[test]
fn a_key_file_that_gets_lost_makes_the_server_unready_and_ends_no_session() {
    let site = Site::new();
    let file = site.app.config().key_file();
    let right = fs::read(&file).unwrap();
    let aside = file.with_extension("aside");
    let mut tokens = site.tokens();
    let mut wrong = |why: &str, spoil: &dyn Fn()| {
        spoil();
        eventually(|| site.get_ops("/health/ready").body.contains(why));
        assert_eq!(site.get("/health/ready").status, 503);
        assert_eq!(site.get("/health/live").status, 200);
        tokens = site.refresh(&tokens.refresh).ok().into();
        // As whole as an operator would put it back.
        fs::write(&aside, &right).unwrap();
        fs::set_permissions(&aside, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&aside, &file).unwrap();
        eventually(|| site.get("/health/ready").status == 200);
        tokens = site.refresh(&tokens.refresh).ok().into();
    };
    wrong("this node's key file cannot be used", &|| fs::remove_file(&file).unwrap());
    wrong("this node's key file cannot be used", &|| fs::write(&file, "[[key").unwrap());
    wrong("this node's key file cannot be used", &|| {
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    });
    wrong("this node's key file has none of the root keys of this store", &|| {
        fs::remove_file(&file).unwrap();
        KeyFile::create(&file).unwrap();
    });
}

#[test]
fn metrics_are_for_operators_only() {
    let site = Site::new();
    assert_eq!(site.get("/metrics").status, 404);
    let answer = site.get_ops("/metrics").ok();
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"));
}

#[test]
fn checklist_82_the_operators_plain_listener_serves_no_tokens() {
    let site = Site::new();
    for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
        assert_eq!(site.get_ops(path).status, 404, "{path}");
    }
}

#[test]
fn metrics_count_requests_rows_retries_and_commits() {
    let site = Site::with("tokens.grace_period=60s");
    let first = site.tokens();
    site.refresh(&first.refresh).ok();
    site.wait(5);
    site.refresh(&first.refresh).ok();
    site.refresh("rmrt_x");
    for (metric, value) in [
        ("remint_http_requests_total{endpoint=\"token\",outcome=\"ok\"}", 3.0),
        ("remint_http_requests_total{endpoint=\"token\",outcome=\"invalid_grant\"}", 1.0),
        ("remint_refreshes_total{row=\"current\"}", 1.0),
        ("remint_refreshes_total{row=\"retry\"}", 1.0),
        ("remint_refreshes_total{row=\"garbage\"}", 1.0),
        ("remint_rejects_total{cause=\"refresh_garbage\"}", 1.0),
        ("remint_refresh_generation_distance_sum", 1.0),
        ("remint_refresh_retry_age_seconds_sum", 5.0),
        ("remint_http_request_duration_seconds_count{endpoint=\"token\",outcome=\"ok\"}", 3.0),
        ("remint_passwords_busy", 0.0),
        ("remint_store_queued", 0.0),
    ] {
        assert!((site.metric(metric) - value).abs() < 1e-9, "{metric} is {}", site.metric(metric));
    }
    assert!(site.metric("remint_store_commits_total") > 0.5);
    assert!(site.metric("remint_store_commit_groups_total{up_to=\"1\"}") > 0.5);
}

#[test]
fn checklist_86_no_label_carries_a_secret_a_user_or_a_token() {
    let site = Site::new();
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    site.token(As::Basic("who-is-this", "hush-hush"), &[("grant_type", "nonsense")]);
    site.get("/alice/wonderland");
    let metrics = site.get_ops("/metrics").ok().body;
    for canary in [
        "alice",
        PASSWORD,
        SECRET,
        "demo",
        "who-is-this",
        "hush-hush",
        &first.refresh,
        &first.access,
        &next.refresh,
        &next.access,
        "rmrt_",
        "rmat_",
        "ses_",
        "usr_",
    ] {
        assert!(!metrics.contains(canary), "{canary}");
    }
}
