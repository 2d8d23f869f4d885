//! The sessions of browsers.

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::ends::LastEnd;
use remint_protocol::family::{Family, Origin, RevokeReason};
use remint_protocol::secret::SecretHash;
use remint_protocol::user::{UserId, UserStanding};
use remint_store::{Outcome, Store};

use crate::backend::{Place, on_every_backend};
use crate::samples::{
    USER, at, begin, browser, bytes, create_user, family_at, load, name, open_browsers, proven,
    race, register,
};

const BOB: UserId = UserId([8; 16]);

async fn find(store: &Store, id: BrowserSessionId) -> Option<BrowserSession> {
    store.load_browser_session(id).await.unwrap().map(|visitor| visitor.session)
}

#[test]
fn a_session_reads_back_with_every_field_and_with_its_user() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let plain = browser(1, USER);
        let other = BrowserSession {
            auth_time: at(1),
            expires_at: at(i64::from(u32::MAX)),
            amr: "pwd otp".into(),
            created_at: at(2),
            seen_at: at(3),
            user_agent: String::new(),
            source: "2001:db8::1".into(),
            ..browser(2, USER)
        };
        for session in [plain, other] {
            let inserted = store.insert_browser_session(&session, None).await.unwrap();
            assert_eq!(inserted, Outcome::Done);
            let visitor = store.load_browser_session(session.id).await.unwrap().unwrap();
            assert_eq!(visitor.session, session);
            let standing = UserStanding { enabled: true, ended: LastEnd::default() };
            assert_eq!(visitor.user, Some((name("alice"), standing)));
        }
        store.set_user_enabled(USER, false, at(5)).await.unwrap();
        store.end_user_sessions(USER, at(6)).await.unwrap();
        let visitor = store.load_browser_session(browser(1, USER).id).await.unwrap().unwrap();
        let ended = LastEnd { number: store.ends().await.unwrap(), at: at(6) };
        let standing = UserStanding { enabled: false, ended };
        assert_eq!(visitor.user, Some((name("alice"), standing)), "as they are today");
        assert_eq!(find(&store, BrowserSessionId([0; 16])).await, None);
    });
}

#[test]
fn a_right_password_is_remembered_with_the_session_that_it_opens_and_not_without() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let trust = |bucket: u8| Some(proven(([bucket; 16], at(100))));
        let session = browser(1, USER);
        store.insert_browser_session(&session, trust(1)).await.unwrap();
        let once = place.dump("guesses");
        assert_eq!(once.len(), 1);
        let again = store.insert_browser_session(&session, trust(2)).await.unwrap();
        assert_eq!(again, Outcome::Conflict);
        let unseen = SecretHash([0; 32]);
        let renewed = store.renew_browser_session(unseen, &session, trust(3)).await.unwrap();
        assert_eq!(renewed, Outcome::Conflict);
        assert_eq!(place.dump("guesses"), once);
        store.renew_browser_session(session.secret_hash, &session, trust(4)).await.unwrap();
        assert_eq!(place.dump("guesses").len(), 2);
    });
}

/// What may happen between the proof of a password and the write of the session.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Disabled,
    Deleted,
    SignedOutEverywhere,
    PasswordChanged,
}

impl Meanwhile {
    const ALL: [Self; 4] =
        [Self::Disabled, Self::Deleted, Self::SignedOutEverywhere, Self::PasswordChanged];

    async fn happen(self, store: &Store) {
        let outcome = match self {
            Self::Disabled => store.set_user_enabled(USER, false, at(50)).await,
            Self::Deleted => store.delete_user(USER).await,
            Self::SignedOutEverywhere => store.end_user_sessions(USER, at(50)).await,
            Self::PasswordChanged => store.set_password(USER, "new", at(50)).await,
        };
        assert_eq!(outcome.unwrap(), Outcome::Done);
    }
}

#[test]
fn no_session_begins_or_is_renewed_for_a_user_who_ended_meanwhile() {
    on_every_backend(async |place| {
        for meanwhile in Meanwhile::ALL {
            let place = place.another();
            let store = place.open().await;
            create_user(&store, USER, "alice").await;
            let old = open_browsers(&store, 1).await.remove(0);
            meanwhile.happen(&store).await;
            let before = place.dump("browser_sessions");
            // At the very moment of it.
            let new = BrowserSession { auth_time: at(50), ..browser(1, USER) };
            let inserted = store.insert_browser_session(&new, None).await.unwrap();
            assert_eq!(inserted, Outcome::Conflict, "{meanwhile:?}");
            let renewed = BrowserSession { auth_time: at(50), ..old.clone() };
            let renewed = store.renew_browser_session(old.secret_hash, &renewed, None).await;
            assert_eq!(renewed.unwrap(), Outcome::Conflict, "{meanwhile:?}");
            assert_eq!(place.dump("browser_sessions"), before, "{meanwhile:?}");
        }
    });
}

#[test]
fn nobody_who_never_was_signs_in_and_an_id_is_taken_once() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let nobody = browser(1, BOB);
        let inserted = store.insert_browser_session(&nobody, None).await.unwrap();
        assert_eq!(inserted, Outcome::Conflict);
        let first = open_browsers(&store, 1).await.remove(0);
        let second = BrowserSession { secret_hash: SecretHash([1; 32]), ..first.clone() };
        let inserted = store.insert_browser_session(&second, None).await.unwrap();
        assert_eq!(inserted, Outcome::Conflict);
        assert_eq!(find(&store, first.id).await, Some(first));
    });
}

/// A session as the next sign-in leaves it.
fn renewal(of: &BrowserSession, secret: u8) -> BrowserSession {
    BrowserSession {
        secret_hash: SecretHash([secret; 32]),
        auth_time: at(60),
        expires_at: at(20_000),
        amr: "pwd otp".into(),
        seen_at: at(60),
        user_agent: "Another/1".into(),
        source: "192.0.2.9".into(),
        ..of.clone()
    }
}

#[test]
fn checklist_84_every_sign_in_changes_the_secret_and_the_one_before_is_worth_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let [first, other] = &open_browsers(&store, 2).await[..] else { panic!() };
        let second = renewal(first, 1);
        let renewed = store.renew_browser_session(first.secret_hash, &second, None).await;
        assert_eq!(renewed.unwrap(), Outcome::Done);
        assert_eq!(find(&store, first.id).await, Some(second.clone()));
        let third = renewal(first, 2);
        let late = store.renew_browser_session(first.secret_hash, &third, None).await;
        assert_eq!(late.unwrap(), Outcome::Conflict, "somebody signed in with it before");
        assert_eq!(find(&store, first.id).await, Some(second));
        assert_eq!(
            find(&store, other.id).await.as_ref(),
            Some(other),
            "the other one is as it was"
        );
    });
}

#[test]
fn checklist_84_of_many_who_sign_in_with_one_secret_at_once_one_does() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let first = open_browsers(&store, 1).await.remove(0);
        let race = |secret: u8| {
            let (store, seen, next) = (store.clone(), first.secret_hash, renewal(&first, secret));
            tokio::spawn(async move {
                let renewed = store.renew_browser_session(seen, &next, None).await.unwrap();
                (renewed == Outcome::Done).then_some(next)
            })
        };
        let racers: Vec<_> = (1..=64).map(race).collect();
        let mut winners = Vec::new();
        for racer in racers {
            winners.extend(racer.await.unwrap());
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(find(&store, first.id).await, winners.pop());
    });
}

#[test]
fn a_session_is_seen_later_and_never_earlier() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let first = open_browsers(&store, 1).await.remove(0);
        // The last but one by a clock that was a day ahead, and is so no more.
        for (seen, expected) in [(70, 70), (65, 70), (90_000, 90_000), (90, 90)] {
            store.see_browser_session(first.id, at(seen)).await.unwrap();
            let session = find(&store, first.id).await.unwrap();
            assert_eq!(session, BrowserSession { seen_at: at(expected), ..first.clone() });
        }
        store.end_browser_session((USER, first.id), at(91)).await.unwrap();
        store.see_browser_session(first.id, at(92)).await.unwrap();
        assert_eq!(find(&store, first.id).await.unwrap().seen_at, at(90), "it is over");
    });
}

#[test]
fn checklist_77_signing_out_ends_what_does_not_outlive_the_session_and_nothing_else() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        create_user(&store, BOB, "bob").await;
        let [here, there] = &open_browsers(&store, 2).await[..] else { panic!() };
        let online = family_at(1, &shop, here);
        let offline = family_at(2, &shop, here);
        let offline = Family { origin: Origin { offline: true, ..offline.origin }, ..offline };
        let elsewhere = family_at(3, &shop, there);
        let without = crate::samples::family(4, &shop, USER);
        // Ids are random; one that another person has as well must not end what is theirs.
        let others = Family { kid: 9, ..family_at(5, &shop, here) };
        let before = family_at(6, &shop, here);
        for family in [&online, &offline, &elsewhere, &without, &others, &before] {
            begin(&store, family).await;
        }
        let of_bob = "(SELECT id FROM users WHERE username = 'bob')";
        place.execute(&format!("UPDATE families SET user_id = {of_bob} WHERE kid = 9"));
        store.revoke_family(before.id, RevokeReason::Reuse, at(10)).await.unwrap();
        let end = async |user, secs| store.end_browser_session((user, here.id), at(secs)).await;

        assert_eq!(end(BOB, 20).await.unwrap(), Outcome::Done);
        assert_eq!(find(&store, here.id).await.as_ref(), Some(here), "it is not bob's to end");
        assert_eq!(load(&store, online.id).await.revoked, None);
        assert_eq!(
            load(&store, others.id).await.revoked,
            Some((at(20), RevokeReason::SignOut)),
            "but what he has"
        );
        assert_eq!(end(USER, 30).await.unwrap(), Outcome::Done);
        assert_eq!(end(USER, 40).await.unwrap(), Outcome::Done, "ended is ended");
        let ended = BrowserSession { ended_at: Some(at(30)), ..here.clone() };
        assert_eq!(find(&store, here.id).await, Some(ended));
        assert_eq!(find(&store, there.id).await.as_ref(), Some(there));
        let revoked = Some((at(30), RevokeReason::SignOut));
        assert_eq!(load(&store, online.id).await, Family { revoked, ..online });
        let first = Some((at(10), RevokeReason::Reuse));
        assert_eq!(load(&store, before.id).await.revoked, first, "the first reason counts");
        for living in [offline, elsewhere, without] {
            assert_eq!(load(&store, living.id).await, living);
        }
    });
}

#[test]
fn checklist_46_no_family_begins_at_a_browser_that_was_signed_out() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let [here, there] = &open_browsers(&store, 2).await[..] else { panic!() };
        store.end_browser_session((USER, here.id), at(1)).await.unwrap();
        let late = family_at(1, &shop, here);
        let late_offline = family_at(2, &shop, here);
        let origin = Origin { offline: true, ..late_offline.origin };
        let late_offline = Family { origin, ..late_offline };
        for family in [late, late_offline] {
            let inserted = store.insert_family(&family, None).await.unwrap();
            assert_eq!(inserted, Outcome::Conflict);
        }
        assert_eq!(place.dump("families").len(), 0);
        begin(&store, &family_at(3, &shop, there)).await;
        let renewed = store.renew_browser_session(here.secret_hash, &renewal(here, 1), None).await;
        assert_eq!(renewed.unwrap(), Outcome::Conflict, "nor does anybody sign in with it");
    });
}

/// A code that is redeemed while its person signs out: either there is no family, or it is over.
#[test]
fn checklist_46_a_code_redeemed_while_its_browser_signs_out_leaves_nothing_alive() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        for (number, here) in (0..).zip(open_browsers(&store, 200).await) {
            let family = family_at(number, &shop, &here);
            let (redeeming, signing_out) = (store.clone(), store.clone());
            let (late, id) = (family.clone(), here.id);
            let insert = async move { redeeming.insert_family(&late, None).await.unwrap() };
            let end =
                async move { signing_out.end_browser_session((USER, id), at(1)).await.unwrap() };
            race(&store, (number, family.id), insert, end).await;
        }
    });
}

#[test]
fn sessions_of_a_user_are_listed_page_by_page() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        create_user(&store, BOB, "bob").await;
        let all = open_browsers(&store, 7).await;
        store.insert_browser_session(&browser(100, BOB), None).await.unwrap();
        for limit in [1, 3, 7, 8] {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let page = store.list_browser_sessions(USER, after, limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                listed.extend(page);
            }
            assert_eq!(listed, all, "in pages of {limit}");
        }
    });
}

#[test]
fn the_sessions_of_a_deleted_user_go_with_them_and_no_others() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        create_user(&store, BOB, "bob").await;
        fill(&place, &store, 1_100).await;
        let kept = browser(5_000, BOB);
        store.insert_browser_session(&kept, None).await.unwrap();
        store.delete_user(USER).await.unwrap();
        assert_eq!(place.dump("browser_sessions").len(), 1);
        assert_eq!(find(&store, kept.id).await, Some(kept));
    });
}

/// So many sessions of alice, the first half of which has expired at second 20,000.
async fn fill(place: &Place, store: &Store, numbers: u32) {
    let insert = |number: u32| {
        let expires_at = if number < numbers / 2 { at(10_000) } else { at(30_000) };
        let session = BrowserSession { expires_at, ..browser(number, USER) };
        let store = store.clone();
        tokio::spawn(async move { store.insert_browser_session(&session, None).await.unwrap() })
    };
    let all: Vec<_> = (0..numbers).map(insert).collect();
    for one in all {
        assert_eq!(one.await.unwrap(), Outcome::Done);
    }
    assert_eq!(place.dump("browser_sessions").len(), numbers as usize);
}

#[test]
fn expired_sessions_are_swept_in_pieces_and_living_ones_stay() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        fill(&place, &store, 2_400).await;
        let mut left = 2_400;
        let mut pieces = 0;
        while store.delete_expired_browser_sessions(at(20_000)).await.unwrap() {
            pieces += 1;
            let now = place.dump("browser_sessions").len();
            assert!((1..=500).contains(&(left - now)), "{left} to {now}");
            left = now;
        }
        assert_eq!((left, pieces), (1_200, 3));
        let first = BrowserSessionId(bytes(1_200));
        assert!(find(&store, first).await.is_some());
        let at_the_very_end = store.delete_expired_browser_sessions(at(30_000)).await.unwrap();
        assert!(!at_the_very_end, "nothing is over that ends now");
    });
}
