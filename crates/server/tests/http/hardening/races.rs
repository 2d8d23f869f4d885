//! Several requests at once.

use std::sync::Mutex;

use remint_protocol::client_id::ClientId;
use remint_protocol::family::RevokeReason;
use remint_testbed::at_once;

use super::{SESSION, at_consent, known};
use crate::site::{Answer, As, PASSWORD, Site};
use crate::visitor::{Callback, hidden, is_sign_in};

/// How often a code is presented by several at once.
const ROUNDS: usize = 1_000;
/// How many rounds go on beside each other.
const LANES: usize = 4;
/// How many present one code.
const AT_ONCE: usize = 3;

#[test]
fn checklist_48_a_thousand_codes_presented_by_several_at_once_begin_a_family_each_and_end_it() {
    let site = Site::new();
    site.register_web("web", |_| {});
    let visitor = known(&site);
    let refresh = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            let (mut visitor, site, refresh) = (visitor.clone(), &site, &refresh);
            scope.spawn(move || {
                for _ in 0..ROUNDS / LANES {
                    let code = Callback::of(&visitor.authorize(&[("scope", "a")])).value("code");
                    let answers = at_once(AT_ONCE, |_| site.redeem(&code));
                    let won: Vec<_> = answers.iter().filter(|a| a.status == 200).collect();
                    assert_eq!(won.len(), 1, "{answers:?}");
                    assert!(answers.iter().all(|a| matches!(a.status, 200 | 400)), "{answers:?}");
                    refresh.lock().unwrap().push(won[0].text("refresh_token"));
                }
            });
        }
    });
    let families = site.families();
    assert_eq!(families.len(), ROUNDS);
    for loaded in &families {
        let why = loaded.family.revoked.map(|(_, why)| why);
        assert_eq!((why, loaded.family.generation), (Some(RevokeReason::CodeReuse), 0));
    }
    for token in refresh.into_inner().unwrap().iter().step_by(100) {
        site.refresh_as(As::Client("web"), token, &[]).expect(400, "invalid_grant");
    }
}

#[test]
fn within_grace_all_who_present_a_code_at_once_get_the_same_session() {
    let site = Site::with("tokens.grace_period=60s");
    site.register_web("web", |_| {});
    let mut visitor = known(&site);
    for round in 1..=20 {
        let code = Callback::of(&visitor.authorize(&[])).value("code");
        let answers = at_once(8, |_| site.redeem(&code));
        let mut refresh: Vec<_> =
            answers.into_iter().map(|answer| answer.ok().text("refresh_token")).collect();
        refresh.dedup();
        assert_eq!(refresh.len(), 1);
        assert_eq!(site.families().len(), round);
    }
    assert!(site.families().iter().all(|l| l.family.revoked.is_none()));
}

#[test]
fn a_sign_in_that_is_posted_twice_at_once_signs_in() {
    let site = super::site();
    for _ in 0..10 {
        let mut visitor = site.visitor();
        let page = visitor.authorize(&[]);
        let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
        let fields =
            [("csrf", &*csrf), ("flow", &*flow), ("username", "alice"), ("password", PASSWORD)];
        let both = at_once(2, |_| {
            let mut window = visitor.clone();
            let answer = window.post("/login", &fields);
            (answer, window)
        });
        for (answer, window) in both {
            assert_eq!(answer.status, 303, "{answer:?}");
            assert!(window.cookie(SESSION).is_some());
        }
    }
}

#[test]
fn of_two_proofs_for_one_session_at_once_both_count_and_the_last_cookie_works() {
    let site = super::site();
    let mut visitor = known(&site);
    let mut both_counted = 0;
    for _ in 0..50 {
        site.wait(10);
        let page = visitor.authorize(&[("prompt", "login")]);
        let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
        let fields =
            [("csrf", &*csrf), ("flow", &*flow), ("username", "alice"), ("password", PASSWORD)];
        let before = visitor.cookie(SESSION).unwrap().to_owned();
        let both = at_once(2, |_| {
            let mut window = visitor.clone();
            let answer = window.post("/login", &fields);
            (answer, window)
        });
        // One that arrives when the other is done has the cookie of before, and so nobody's form.
        let is_late = |answer: &Answer| answer.status != 303;
        assert!(both.iter().all(|(a, _)| !is_late(a) || is_sign_in(a)), "{:?}", both[0].0);
        both_counted += u32::from(!both.iter().any(|(answer, _)| is_late(answer)));
        let alive = both.into_iter().filter(|(_, w)| w.clone().get("/account").status == 200);
        let alive: Vec<_> = alive.map(|(_, window)| window).collect();
        assert_eq!(alive.len(), 1);
        let mut old = site.visitor();
        old.set_cookie(SESSION, &before);
        assert_eq!(old.get("/account").status, 303, "the cookie before is worth nothing");
        visitor = alive.into_iter().next().unwrap();
        if both_counted == 5 {
            return;
        }
    }
    panic!("hardly ever were two sign-ins under way at once");
}

#[test]
fn of_two_password_changes_at_once_one_counts_and_nothing_of_before_is_left() {
    let site = super::site();
    let mut visitor = known(&site);
    let tokens = site.redeem(&visitor.code(&[])).ok();
    let csrf = hidden(&visitor.get("/account"), "csrf");
    let new = ["through the looking glass", "down the rabbit hole"];
    site.wait(1);
    let both = at_once(2, |at| {
        let mut window = visitor.clone();
        let fields = [
            ("csrf", &*csrf),
            ("current_password", PASSWORD),
            ("new_password", new[at]),
            ("repeated_password", new[at]),
        ];
        let answer = window.post("/account/password", &fields);
        (answer, window)
    });
    let done =
        |(answer, _): &&(Answer, _)| answer.header("location") == Some("/account?done=password");
    assert_eq!(both.iter().filter(done).count(), 1, "{:?}", [&both[0].0, &both[1].0]);
    for (at, (answer, window)) in both.iter().enumerate() {
        let counts = answer.header("location") == Some("/account?done=password");
        let alive = window.clone().get("/account").status == 200;
        assert_eq!(alive, counts, "the session that the change began, and no other");
        let mut anew = site.visitor();
        let page = anew.authorize(&[]);
        assert_eq!(!is_sign_in(&anew.sign_in(&page, "alice", new[at])), counts);
    }
    let refresh = tokens.text("refresh_token");
    site.refresh_as(As::Client("web"), &refresh, &[]).expect(400, "invalid_grant");
}

#[test]
fn a_consent_that_is_posted_twice_at_once_gives_codes_and_is_remembered_once() {
    let site = super::site();
    let (visitor, page) = at_consent(&site, &[]);
    let answers = at_once(4, |_| visitor.clone().decide(&page, "allow"));
    let mut codes: Vec<_> =
        answers.iter().map(|answer| Callback::of(answer).value("code")).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), 4, "each is a session of its own");
    let user = site.user("alice").id;
    assert_eq!(site.block_on(site.store.list_consents(user, "", 10)).unwrap().len(), 1);
}

#[test]
fn whichever_comes_first_a_sign_out_and_a_code_leave_no_session() {
    let site = super::site();
    for _ in 0..30 {
        let mut visitor = known(&site);
        let code = Callback::of(&visitor.authorize(&[])).value("code");
        let page = visitor.get("/account");
        let csrf = hidden(&page, "csrf");
        let answers: Vec<Answer> = at_once(2, |at| match at {
            0 => visitor.clone().post("/account/sign-out", &[("csrf", &csrf)]),
            _ => site.redeem(&code),
        });
        assert_eq!(answers[0].status, 303);
        assert!(site.families().iter().all(|l| l.family.revoked.is_some()));
        assert!(is_sign_in(&visitor.authorize(&[])));
    }
}

/// What was allowed before is taken back: a page that adds to it does not bring it back.
#[test]
fn whichever_comes_first_the_end_of_an_application_and_a_consent_bring_nothing_back() {
    let site = super::site();
    let mut visitor = known(&site);
    let (user, web) = (site.user("alice").id, ClientId::parse("web").unwrap());
    for _ in 0..100 {
        site.wait(1);
        visitor.obtain(&[("scope", "openid a")]);
        let page = visitor.authorize(&[("scope", "openid b")]);
        let csrf = hidden(&page, "csrf");
        at_once(2, |at| match at {
            0 => visitor
                .clone()
                .post("/account/applications/end", &[("csrf", &csrf), ("application", "web")]),
            _ => visitor.clone().decide(&page, "allow"),
        });
        let left = site.block_on(site.store.load_consent(user, &web)).unwrap();
        assert!(left.is_none_or(|left| !left.scope.contains("a")));
        site.block_on(site.store.revoke_consent((user, &web), RevokeReason::User, site.now()))
            .unwrap();
    }
}

/// Nobody was asked about a first-party client: there is no consent that could be missing.
#[test]
fn whichever_comes_first_the_end_of_an_application_and_a_code_leave_no_session() {
    for first_party in [false, true] {
        let site = Site::new();
        site.register_web("web", |client| client.authorize.first_party = first_party);
        let mut visitor = site.visitor();
        for _ in 0..30 {
            // Codes that were issued at the moment of the end before are dead with those before them.
            site.wait(1);
            let code = visitor.code(&[]);
            let csrf = hidden(&visitor.get("/account"), "csrf");
            at_once(2, |at| match at {
                0 => visitor
                    .clone()
                    .post("/account/applications/end", &[("csrf", &csrf), ("application", "web")]),
                _ => site.redeem(&code),
            });
            assert!(site.families().iter().all(|l| l.family.revoked.is_some()));
            site.redeem(&code).expect(400, "invalid_grant");
        }
    }
}

#[test]
fn whichever_comes_first_the_end_of_an_application_and_a_token_from_the_browser_leave_no_session() {
    let site = super::site();
    let mut visitor = site.visitor();
    for _ in 0..100 {
        site.wait(1);
        visitor.code(&[("scope", "a")]);
        let csrf = hidden(&visitor.get("/account"), "csrf");
        at_once(2, |at| match at {
            0 => visitor
                .clone()
                .post("/account/applications/end", &[("csrf", &csrf), ("application", "web")]),
            _ => visitor.clone().authorize(&[("scope", "a"), ("response_type", "token")]),
        });
        assert!(site.families().iter().all(|l| l.family.revoked.is_some()));
    }
    assert!(!site.families().is_empty(), "hardly ever was the token first");
}

#[test]
fn whichever_comes_first_the_end_of_an_application_and_a_refresh_leave_no_session() {
    let site = super::site();
    let mut visitor = known(&site);
    for _ in 0..20 {
        site.wait(1);
        let tokens = site.redeem(&visitor.code(&[])).ok();
        let csrf = hidden(&visitor.get("/account"), "csrf");
        let refresh = tokens.text("refresh_token");
        at_once(2, |at| match at {
            0 => visitor
                .clone()
                .post("/account/applications/end", &[("csrf", &csrf), ("application", "web")]),
            _ => site.refresh_as(As::Client("web"), &refresh, &[]),
        });
        assert!(site.families().iter().all(|l| l.family.revoked.is_some()));
    }
}
