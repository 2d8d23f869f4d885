//! Guessing of passwords and client secrets is throttled, and logins never hold refreshes up.

use std::sync::atomic::{AtomicBool, Ordering};

use remint_protocol::throttle::Bucket;
use remint_testbed::{at_once, http};

use crate::site::{Answer, As, PASSWORD, SECRET, Site, basic, eventually};

const DEMO: As<'_> = As::Client("demo");

pub(crate) fn log_in(site: &Site, source: &str, username: &str, password: &str) -> Answer {
    let form = format!("grant_type=password&username={username}&password={password}");
    let headers =
        format!("X-Forwarded-For: {source}\r\nAuthorization: {}\r\n", basic("demo", SECRET));
    site.exchange(http::form("/oauth2/token", &headers, &form))
}

/// A server behind a proxy on loopback, so that tests choose where guesses come from.
pub(crate) fn behind_a_proxy() -> Site {
    Site::with("http.trusted_proxies=127.0.0.1")
}

#[test]
fn checklist_88_passwords_are_guessed_ever_more_slowly() {
    let site = behind_a_proxy();
    for _ in 0..5 {
        log_in(&site, "9.9.9.9", "alice", "wrong").expect(400, "invalid_grant");
    }
    let mut wait = 1;
    for _ in 0..4 {
        let slow = log_in(&site, "9.9.9.9", "alice", PASSWORD);
        slow.expect(429, "temporarily_unavailable");
        assert_eq!(slow.header("retry-after"), Some(wait.to_string().as_str()));
        site.wait(wait);
        log_in(&site, "9.9.9.9", "alice", "wrong").expect(400, "invalid_grant");
        wait *= 2;
    }
    site.wait(wait);
    log_in(&site, "9.9.9.9", "alice", PASSWORD).ok();
    log_in(&site, "9.9.9.9", "alice", "wrong").expect(400, "invalid_grant");
    log_in(&site, "9.9.9.9", "alice", PASSWORD).ok();
}

#[test]
fn checklist_88_strangers_can_not_lock_out_a_source_that_signed_in_before() {
    let site = behind_a_proxy();
    log_in(&site, "1.1.1.1", "alice", PASSWORD).ok();
    for i in 0..60 {
        let stranger = format!("9.9.{i}.9");
        assert_ne!(log_in(&site, &stranger, "alice", "wrong").status, 200);
    }
    log_in(&site, "9.9.200.9", "alice", PASSWORD).expect(429, "temporarily_unavailable");
    log_in(&site, "1.1.1.1", "alice", PASSWORD).ok();
    site.wait(30);
    log_in(&site, "9.9.200.9", "alice", PASSWORD).ok();
}

#[test]
fn checklist_88_a_disabled_users_password_counts_as_wrong() {
    let site = Site::new();
    let id = site.user("alice").id;
    site.block_on(site.store.set_user_enabled(id, false, site.now())).unwrap();
    for _ in 0..5 {
        site.log_in(DEMO, &[]).expect(400, "invalid_grant");
    }
    site.log_in(DEMO, &[]).expect(429, "temporarily_unavailable");
}

#[test]
fn checklist_88_the_slips_of_a_known_source_count_against_itself_alone() {
    let site = behind_a_proxy();
    log_in(&site, "1.1.1.1", "alice", PASSWORD).ok();
    for _ in 0..60 {
        log_in(&site, "1.1.1.1", "alice", "wrong").expect(400, "invalid_grant");
        site.wait(15 * 60);
    }
    log_in(&site, "1.1.1.1", "alice", "wrong").expect(400, "invalid_grant");
    log_in(&site, "2.2.2.2", "alice", PASSWORD).ok();
    log_in(&site, "1.1.1.1", "alice", PASSWORD).expect(429, "temporarily_unavailable");
}

#[test]
fn checklist_88_wrong_guesses_are_remembered_over_a_restart() {
    let site = Site::new();
    let guess = |site: &Site, password| {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", password)];
        site.token(DEMO, &form)
    };
    for _ in 0..5 {
        guess(&site, "wrong").expect(400, "invalid_grant");
    }
    let site = site.restarted();
    guess(&site, PASSWORD).expect(429, "temporarily_unavailable");
}

#[test]
fn checklist_43_client_secrets_are_guessed_ever_more_slowly_but_not_from_elsewhere() {
    let site = Site::new();
    let credentials = [("grant_type", "client_credentials")];
    for _ in 0..20 {
        site.token(As::Basic("demo", "wrong"), &credentials).expect(401, "invalid_client");
    }
    let slow = site.token(DEMO, &credentials);
    slow.expect(429, "temporarily_unavailable");
    assert_eq!(slow.header("retry-after"), Some("1"));
    site.register("other", |_| {});
    site.token(As::Client("other"), &credentials).ok();
    site.wait(1);
    site.token(DEMO, &credentials).ok();
}

#[test]
fn checklist_43_a_right_secret_forgives_the_wrong_ones_before_it() {
    let site = Site::new();
    let credentials = [("grant_type", "client_credentials")];
    let wrong = |site: &Site| site.token(As::Basic("demo", "wrong"), &credentials).status;
    let key = Bucket::ClientFrom("demo", [127, 0, 0, 1].into()).key();
    let stored = || site.block_on(site.store.load_guesses(&[key; 3])).unwrap()[0].failures;
    for _ in 0..15 {
        assert_eq!(wrong(&site), 401);
    }
    // Both are written in the background.
    eventually(|| stored() == 15);
    site.token(DEMO, &credentials).ok();
    eventually(|| stored() == 0);
    let site = site.restarted();
    for _ in 0..15 {
        assert_eq!(wrong(&site), 401);
    }
    site.token(DEMO, &credentials).ok();
}

#[test]
fn checklist_88_guesses_made_at_once_all_count() {
    let site = Site::with("passwords.workers=1");
    let wrong = [("grant_type", "password"), ("username", "alice"), ("password", "wrong")];
    let statuses = at_once(30, |_| site.token(DEMO, &wrong).status);
    let looked_at = statuses.iter().filter(|status| **status == 400).count();
    assert_eq!(looked_at, 5, "no more than the free ones: {statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 400 | 429)), "{statuses:?}");
}

#[test]
fn checklist_42_requests_without_a_secret_do_not_tell_who_exists() {
    let site = Site::new();
    site.change("demo", |client| client.enabled = false);
    site.register("other", |_| {});
    let ask = |id| {
        let form = [("grant_type", "client_credentials"), ("client_id", id)];
        site.token(As::Nobody, &form).status
    };
    let pattern = |id| (0..25).map(|_| ask(id)).collect::<Vec<_>>();
    let unknown = pattern("nobody");
    assert!(unknown.iter().all(|status| *status == 401), "nothing was guessed: {unknown:?}");
    assert_eq!(pattern("other"), unknown);
    assert_eq!(pattern("demo"), unknown, "disabled");
}

#[test]
fn checklist_42_an_unknown_client_is_slowed_down_like_one_that_exists() {
    let site = Site::new();
    let credentials = [("grant_type", "client_credentials")];
    for _ in 0..20 {
        site.token(As::Basic("nobody", "wrong"), &credentials).expect(401, "invalid_client");
    }
    let slow = site.token(As::Basic("nobody", "wrong"), &credentials);
    slow.expect(429, "temporarily_unavailable");
}

#[test]
fn checklist_83_a_forwarded_address_counts_only_from_a_listed_proxy() {
    let site = Site::new();
    for i in 0..5 {
        log_in(&site, &format!("9.9.9.{i}"), "alice", "wrong").expect(400, "invalid_grant");
    }
    log_in(&site, "8.8.8.8", "alice", PASSWORD).expect(429, "temporarily_unavailable");
}

#[test]
fn a_full_password_queue_answers_503_and_refreshes_go_on() {
    let site = Site::with("passwords.workers=1 passwords.queue=0 passwords.memory=64MiB");
    let mut tokens = site.tokens();
    let (stop, overloaded) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = site.log_in(DEMO, &[]);
                    if answer.status == 503 {
                        answer.expect(503, "temporarily_unavailable");
                        assert_eq!(answer.header("retry-after"), Some("1"));
                        overloaded.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
        while !overloaded.load(Ordering::Relaxed) {
            tokens = site.refresh(&tokens.refresh).ok().into();
        }
        for _ in 0..100 {
            tokens = site.refresh(&tokens.refresh).ok().into();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
