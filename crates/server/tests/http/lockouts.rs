//! Attacks from a shared address, or at one name from everywhere, lock nobody else out.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use remint_protocol::throttle::{
    Bucket, DeviceId, KNOW_DEVICE_FOR, Pace, PasswordBuckets, TRUST_FOR, client_buckets,
};
use remint_testbed::{at_once, http};

use crate::guesses::{behind_a_proxy, log_in};
use crate::site::{Answer, As, PASSWORD, Site, basic, eventually};
use crate::visitor::{Visitor, encode, hidden};

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Registers a client with a secret that Remint made.
fn with_generated_secret(site: &Site, id: &str) -> String {
    let secret = remint_server::entropy::client_secret().unwrap();
    site.register(id, |client| client.secret = site.keys.hash_client_secret(&secret));
    secret
}

#[test]
fn a_public_client_with_a_stray_secret_is_never_throttled_and_shuts_nobody_out() {
    let site = Site::new();
    site.register_public("app");
    let id = ("client_id", "app");
    let login = [id, ("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let token = site.token(As::Nobody, &login).ok().text("refresh_token");
    for path in ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"] {
        for _ in 0..30 {
            let stray =
                [id, ("client_secret", "x"), ("grant_type", "refresh_token"), ("token", "x")];
            site.post(path, As::Nobody, &stray).expect(401, "invalid_client");
            site.post(path, As::Basic("app", "x"), &stray[2..]).expect(401, "invalid_client");
            assert_ne!(site.post(path, As::Basic("app", ""), &stray[2..]).status, 429);
        }
    }
    let form = [id, ("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    site.token(As::Nobody, &form).ok();
}

#[test]
fn where_nothing_is_guessed_nothing_is_counted() {
    let site = Site::new();
    for id in ["demo", "nobody"] {
        for _ in 0..30 {
            site.token(As::Basic(id, ""), &CREDENTIALS).expect(401, "invalid_client");
            let form = [("grant_type", "client_credentials"), ("client_id", id)];
            site.token(As::Nobody, &form).expect(401, "invalid_client");
        }
    }
    site.token(As::Client("demo"), &CREDENTIALS).ok();
}

#[test]
fn a_right_generated_secret_never_waits_for_wrong_ones() {
    let site = Site::new();
    let secret = with_generated_secret(&site, "shop");
    let free = Bucket::ClientFrom("shop", [127, 0, 0, 1].into()).limit().free;
    let mut throttled = 0;
    for _ in 0..3 * free {
        let wrong = site.token(As::Basic("shop", "wrong"), &CREDENTIALS);
        throttled += u32::from(wrong.status == 429);
    }
    assert_eq!(throttled, 2 * free);
    site.token(As::Basic("shop", &secret), &CREDENTIALS).ok();
    // The same at the other endpoints that take a secret.
    for _ in 0..3 * free {
        site.token(As::Basic("shop", "wrong"), &CREDENTIALS);
    }
    let token = [("token", "x")];
    assert_eq!(site.post("/oauth2/introspect", As::Basic("shop", &secret), &token).status, 200);
    for _ in 0..3 * free {
        site.post("/oauth2/introspect", As::Basic("shop", "wrong"), &token);
    }
    assert_eq!(site.post("/oauth2/revoke", As::Basic("shop", &secret), &token).status, 200);
}

#[test]
fn a_right_secret_by_the_other_method_is_no_guess() {
    let site = Site::new();
    let only = remint_protocol::client::AuthMethod::ClientSecretBasic;
    site.change("demo", |client| client.auth_methods = vec![only]);
    let posted = [CREDENTIALS[0], ("client_id", "demo"), ("client_secret", crate::site::SECRET)];
    for _ in 0..30 {
        site.token(As::Nobody, &posted).expect(401, "invalid_client");
    }
    site.token(As::Client("demo"), &CREDENTIALS).ok();
    let wrong = [CREDENTIALS[0], ("client_id", "demo"), ("client_secret", "wrong")];
    let statuses: Vec<_> = (0..30).map(|_| site.token(As::Nobody, &wrong).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "a wrong one is");
}

#[test]
fn secrets_guessed_at_once_are_judged_no_more_than_the_free_ones() {
    let site = Site::new();
    let ask = |_| site.token(As::Basic("demo", "wrong"), &CREDENTIALS).status;
    let statuses = at_once(60, ask);
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 40, "{statuses:?}");
}

/// A request to the token endpoint from somewhere.
fn ask(site: &Site, source: &str, authorization: &str, form: &[(&str, &str)]) -> u16 {
    let headers = format!("X-Forwarded-For: {source}\r\nAuthorization: {authorization}\r\n");
    site.exchange(http::form("/oauth2/token", &headers, &encode(form))).status
}

#[test]
fn who_has_a_whole_ipv6_48_does_not_get_a_budget_for_each_64() {
    let site = behind_a_proxy();
    let wrong = basic("demo", "wrong");
    let widest = client_buckets("demo", "2001:db8:7::1".parse().unwrap());
    let most = widest.iter().map(|bucket| bucket.limit().free).max().unwrap();
    let judged = (0..2 * most).filter(|i| {
        let source = format!("2001:db8:7:{i:x}00::1");
        ask(&site, &source, &wrong, &CREDENTIALS) == 401
    });
    assert_eq!(u32::try_from(judged.count()).unwrap(), most, "of a client's secret");
    assert_eq!(ask(&site, "2001:db8:8::1", &wrong, &CREDENTIALS), 401, "others have their own");

    let judged = (0..100).filter(|i| {
        let source = format!("2001:db8:9:{i:x}00::1");
        log_in(&site, &source, "alice", "wrong").status == 400
    });
    assert_eq!(judged.count(), 20, "of a password");
    // And so it does not hold the account's own bucket shut for everyone.
    log_in(&site, "192.0.2.1", "alice", PASSWORD).ok();
}

#[test]
fn an_office_gets_in_while_somebody_there_tries_a_name_a_minute() {
    let site = behind_a_proxy();
    let free = Bucket::Source([192, 0, 2, 1].into()).limit().free;
    let wrong =
        |site: &Site, i: u32| log_in(site, "192.0.2.1", &format!("name{i}"), "wrong").status;
    for i in 0..free {
        assert_eq!(wrong(&site, i), 400);
    }
    let full = log_in(&site, "192.0.2.1", "alice", PASSWORD);
    full.expect(429, "temporarily_unavailable");
    assert_eq!(full.header("retry-after"), Some("30"), "the bound");
    for i in 0..10 {
        site.wait(30);
        assert_eq!(wrong(&site, free + i), 400);
        site.wait(30);
        // Each of them new to this address.
        let name = format!("bob{i}");
        site.create_user(&name);
        log_in(&site, "192.0.2.1", &name, PASSWORD).ok();
    }
}

#[test]
fn right_passwords_take_nothing_from_the_address_that_they_come_from() {
    let site = behind_a_proxy();
    let free = Bucket::Source([192, 0, 2, 1].into()).limit().free;
    let held = |bucket: Bucket<'_>| {
        site.block_on(site.store.load_guesses(&[bucket.key()])).unwrap()[0].failures
    };
    for i in 0..4 {
        site.create_user(&format!("bob{i}"));
        log_in(&site, "192.0.2.1", &format!("bob{i}"), PASSWORD).ok();
    }
    assert_eq!(held(Bucket::Source([192, 0, 2, 1].into())), 0);
    for i in 0..free {
        log_in(&site, "192.0.2.1", &format!("name{i}"), "wrong").expect(400, "invalid_grant");
    }
    for i in 0..4 {
        log_in(&site, "192.0.2.1", &format!("bob{i}"), PASSWORD).ok();
    }
}

#[test]
fn right_passwords_of_one_account_at_once_do_not_throttle_one_another() {
    let site = Site::with("passwords.workers=2");
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| site.log_in(As::Client("demo"), &[]).ok());
        }
    });
}

/// Fills in the sign-in page of the account page.
fn try_sign_in(visitor: &mut Visitor<'_>, username: &str, password: &str) -> Answer {
    let csrf = hidden(&visitor.get("/login"), "csrf");
    visitor.post("/login", &[("csrf", &csrf), ("username", username), ("password", password)])
}

fn signed_in(site: &Site) -> Visitor<'_> {
    let mut visitor = site.visitor();
    assert_eq!(try_sign_in(&mut visitor, "alice", PASSWORD).status, 303);
    visitor
}

fn sign_out(visitor: &mut Visitor<'_>) {
    let csrf = hidden(&visitor.get("/account"), "csrf");
    assert_eq!(visitor.post("/account/sign-out", &[("csrf", &csrf)]).status, 303);
}

#[test]
fn a_flood_at_many_names_takes_no_place_from_who_signed_in_before() {
    let site = Site::with(
        "http.trusted_proxies=127.0.0.1 passwords.workers=1 passwords.queue=3 passwords.memory=32MiB",
    );
    log_in(&site, "1.1.1.1", "alice", PASSWORD).ok();
    let (stop, overloaded) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for flood in 0..8 {
            let (site, stop, overloaded) = (&site, &stop, &overloaded);
            scope.spawn(move || {
                for i in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let source = format!("9.{flood}.{}.{}", i / 256, i % 256);
                    let answer = log_in(site, &source, &format!("name{flood}.{i}"), "wrong");
                    overloaded.fetch_add(u32::from(answer.status == 503), Ordering::Relaxed);
                }
            });
        }
        eventually(|| overloaded.load(Ordering::Relaxed) > 0);
        let answers: Vec<_> =
            (0..20).map(|_| log_in(&site, "1.1.1.1", "alice", PASSWORD).status).collect();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(answers, [200; 20]);
    });
}

#[test]
fn strangers_behind_the_same_address_do_not_shut_out_a_browser_that_signed_in_before() {
    let site = Site::new();
    let mut own = signed_in(&site);
    sign_out(&mut own);
    assert!(own.cookie("__Host-remint-session").is_none());
    assert!(own.cookie("__Host-remint-device").is_some(), "it outlives the session");
    let mut stranger = site.visitor();
    let statuses: Vec<_> =
        (0..8).map(|_| try_sign_in(&mut stranger, "alice", "wrong").status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(
        try_sign_in(&mut site.visitor(), "alice", PASSWORD).status,
        429,
        "another browser waits"
    );
    // The mark is of this account alone, and slips count against itself.
    assert_eq!(try_sign_in(&mut own, "bob", "wrong").status, 400);
    for _ in 0..5 {
        assert_eq!(try_sign_in(&mut own, "alice", "wrong").status, 400);
    }
    assert_eq!(try_sign_in(&mut own, "alice", PASSWORD).status, 429);
    site.wait(1);
    assert_eq!(try_sign_in(&mut own, "alice", PASSWORD).status, 303);
}

#[test]
fn a_mark_that_was_tampered_with_or_is_over_is_none() {
    let site = Site::new();
    let mut own = signed_in(&site);
    sign_out(&mut own);
    let mut stranger = site.visitor();
    for _ in 0..8 {
        try_sign_in(&mut stranger, "alice", "wrong");
    }
    let mark = own.cookie("__Host-remint-device").unwrap().to_owned();
    for tampered in [
        mark.replacen(&mark[..1], if mark.starts_with('A') { "B" } else { "A" }, 1),
        mark[..mark.len() - 1].to_owned(),
        String::new(),
        "AAAA".into(),
    ] {
        let mut other = site.visitor();
        other.set_cookie("__Host-remint-device", &tampered);
        assert_eq!(try_sign_in(&mut other, "alice", PASSWORD).status, 429, "{tampered}");
    }
    let mut same = site.visitor();
    same.set_cookie("__Host-remint-device", &mark);
    assert_eq!(try_sign_in(&mut same, "alice", PASSWORD).status, 303);
    site.wait(i64::try_from(KNOW_DEVICE_FOR.as_secs()).unwrap());
    let mut stranger = site.visitor();
    for _ in 0..8 {
        try_sign_in(&mut stranger, "alice", "wrong");
    }
    let mut late = site.visitor();
    late.set_cookie("__Host-remint-device", &mark);
    assert_eq!(try_sign_in(&mut late, "alice", PASSWORD).status, 429, "over");
}

#[test]
fn who_is_signed_in_changes_the_password_while_strangers_guess_at_it() {
    let site = behind_a_proxy();
    let mut own = signed_in(&site);
    // Signed in before there were marks.
    own.set_cookie("__Host-remint-device", "");
    for i in 0..60 {
        log_in(&site, &format!("9.9.{i}.9"), "alice", "wrong");
        log_in(&site, "127.0.0.1", "alice", "wrong");
    }
    let new = "through the looking-glass";
    let csrf = hidden(&own.get("/account"), "csrf");
    let fields = [
        ("csrf", &*csrf),
        ("current_password", PASSWORD),
        ("new_password", new),
        ("repeated_password", new),
    ];
    let changed = own.post("/account/password", &fields);
    assert_eq!(changed.header("location"), Some("/account?done=password"), "{changed:?}");
}

/// What the documentation says of a bucket.
fn documented(what: &str, bucket: Bucket<'_>) -> String {
    let limit = bucket.limit();
    let span = |time: Duration| match time.as_millis() {
        millis if millis % 60_000 == 0 => format!("{} min", millis / 60_000),
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        millis => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
    };
    let then = match limit.pace {
        Pace::Doubling => format!(
            "a wait of {} that doubles up to {}",
            span(limit.first_wait),
            span(limit.max_wait)
        ),
        Pace::Leaking => format!("one every {}", span(limit.first_wait)),
    };
    format!("| {what} | {} | {then} |", limit.free)
}

#[test]
fn the_limits_are_those_of_the_documentation() {
    let docs = include_str!("../../../../docs/operations.md");
    let ip = "2001:db8::1".parse().unwrap();
    let device = PasswordBuckets::of("alice", ip, Some(DeviceId([1; 16])));
    let passwords: Vec<_> = PasswordBuckets::of("alice", ip, None).all().collect();
    let clients = client_buckets("shop", ip);
    let [own, account_56, any_56, account_48, any_48, everywhere, any] = passwords[..] else {
        panic!("{passwords:?}")
    };
    let table = [
        documented("an account, in a browser where it signed in before", device.own()),
        documented("an account, from one source", own),
        documented("an account, from one IPv6 /56", account_56),
        documented("an account, from one IPv6 /48", account_48),
        documented("an account, from everywhere", everywhere),
        documented("any account, from one source", any),
        documented("any account, from one IPv6 /56", any_56),
        documented("any account, from one IPv6 /48", any_48),
        documented("a client's secret, from one source", clients[0]),
        documented("a client's secret, from one IPv6 /56", clients[1]),
        documented("a client's secret, from one IPv6 /48", clients[2]),
    ];
    assert!(docs.contains(&table.join("\n")), "docs/operations.md lacks\n{}", table.join("\n"));
    let days = |time: Duration| time.as_secs() / 86_400;
    assert!(docs.contains(&format!("a cookie of {} days", days(KNOW_DEVICE_FOR))));
    assert!(docs.contains(&format!("known to an account for {} days", days(TRUST_FOR))));
}
