//! Many requests for one token at the same moment.

use std::collections::HashSet;

use remint_testbed::at_once;

use crate::site::{Answer, Site, Tokens};

const MANY: usize = 64;

/// Presents one token from [`MANY`] connections at once.
fn present_at_once(site: &Site, token: &str) -> Vec<Answer> {
    at_once(MANY, |_| site.refresh(token))
}

#[test]
fn without_grace_one_of_64_wins_and_the_family_ends() {
    let site = Site::new();
    for _ in 0..3 {
        let tokens = site.tokens();
        let answers = present_at_once(&site, &tokens.refresh);
        let won: Vec<_> = answers.iter().filter(|a| a.status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|a| matches!(a.status, 200 | 400)), "{answers:?}");
        let families = site.families();
        let family = &families.iter().find(|l| l.family.generation == 1).unwrap().family;
        assert!(family.revoked.is_some(), "a copy exists, whoever holds it");
        site.refresh(&won[0].text("refresh_token")).expect(400, "invalid_grant");
        site.block_on(site.store.delete_user(site.user("alice").id)).unwrap();
        site.create_user("alice");
    }
}

#[test]
fn within_grace_all_64_get_the_same_successor_by_one_increment() {
    let site = Site::with("tokens.grace_period=60s");
    let mut tokens = site.tokens();
    for generation in 1..=3 {
        let answers = present_at_once(&site, &tokens.refresh);
        let given: Vec<Tokens> = answers.into_iter().map(|a| a.ok().into()).collect();
        let refresh: HashSet<_> = given.iter().map(|t| t.refresh.as_str()).collect();
        let access: HashSet<_> = given.iter().map(|t| t.access.as_str()).collect();
        assert_eq!((refresh.len(), access.len()), (1, MANY));
        let families = site.families();
        assert_eq!(families.len(), 1);
        assert_eq!(families[0].family.generation, generation);
        assert_eq!(families[0].family.revoked, None);
        tokens = given[0].clone();
    }
}

#[test]
fn sessions_do_not_stand_in_each_others_way() {
    let site = Site::new();
    let sessions: Vec<_> = (0..16).map(|_| site.tokens()).collect();
    std::thread::scope(|scope| {
        for mut tokens in sessions {
            let site = &site;
            scope.spawn(move || {
                for _ in 0..20 {
                    tokens = site.refresh(&tokens.refresh).ok().into();
                }
            });
        }
    });
    assert!(
        site.families().iter().all(|l| l.family.generation == 20 && l.family.revoked.is_none())
    );
}

#[test]
fn a_revocation_that_was_answered_holds_against_refreshes_at_the_same_moment() {
    let site = Site::with("tokens.grace_period=60s");
    for _ in 0..10 {
        let tokens = site.tokens();
        at_once(2, |number| {
            if number == 0 {
                let demo = crate::site::As::Client("demo");
                site.post("/oauth2/revoke", demo, &[("token", &tokens.refresh)]).ok();
            } else {
                let answer = site.refresh(&tokens.refresh);
                assert!(matches!(answer.status, 200 | 400), "{answer:?}");
            }
        });
        site.refresh(&tokens.refresh).expect(400, "invalid_grant");
        assert!(!site.is_active(&tokens.access));
    }
}
