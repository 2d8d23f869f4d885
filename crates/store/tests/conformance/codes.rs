//! The rows that codes begin, when several present one code at the same moment or its client was ended since:
//! what the token endpoint does in the store, on each engine.

use remint_protocol::browser_session::BrowserSession;
use remint_protocol::code::{SessionStanding, Standing};
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::secret::SecretHash;
use remint_protocol::user::UserId;
use remint_store::Outcome;

use crate::backend::on_every_backend;
use crate::samples::{
    FIRST, USER, at, browser, consent, create_user, family, family_at, insert, load, open_browsers,
    register,
};

const BOB: UserId = UserId([8; 16]);

/// How often a code is presented by several at once.
const ROUNDS: u32 = 1_000;
/// How many present one code.
const AT_ONCE: usize = 4;
/// How many rounds go on beside each other.
const LANES: u32 = 10;

#[test]
fn checklist_48_of_several_who_begin_the_family_of_one_code_one_does_and_the_others_end_it() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        for lanes in 0..ROUNDS / LANES {
            let rounds = (1..=LANES).map(|lane| {
                let one = family(lanes * LANES + lane, &shop, USER);
                let racers = (0..AT_ONCE).map(|_| {
                    let (store, one) = (store.clone(), one.clone());
                    tokio::spawn(async move {
                        let outcome = store.insert_family(&one, None).await.unwrap();
                        if outcome == Outcome::Conflict {
                            let reason = RevokeReason::CodeReuse;
                            store.revoke_family(one.id, reason, at(1)).await.unwrap();
                        }
                        outcome
                    })
                });
                let racers: Vec<_> = racers.collect();
                (one, racers)
            });
            for (one, racers) in rounds.collect::<Vec<_>>() {
                let mut done = 0;
                for racer in racers {
                    done += usize::from(racer.await.unwrap() == Outcome::Done);
                }
                assert_eq!(done, 1);
                let ended = load(&store, one.id).await.revoked;
                assert_eq!(ended, Some((at(1), RevokeReason::CodeReuse)));
            }
        }
        assert_eq!(place.dump("families").len(), ROUNDS as usize);
    });
}

/// The family is younger than the end, its code is not.
#[test]
fn checklist_89_a_code_that_was_issued_before_its_clients_sessions_were_ended_begins_nothing() {
    on_every_backend(async |place| {
        for ended_at in [at(-90_000), at(50), at(90_000)] {
            let place = place.another();
            let store = place.open().await;
            let shop = register(&store).await;
            let here = open_browsers(&store, 1).await.remove(0);
            let of_before = store.ends().await.unwrap();
            store.end_client_sessions(&shop.id, ended_at).await.unwrap();
            let late = |born| Family { born, created_at: at(100), ..family_at(1, &shop, &here) };
            assert_eq!(insert(&store, &late(of_before)).await, Outcome::Conflict);
            assert_eq!(place.dump("families").len(), 0);
            let of_now = store.ends().await.unwrap();
            assert_eq!(
                insert(&store, &late(of_now)).await,
                Outcome::Done,
                "single sign-on goes on"
            );
        }
    });
}

/// What the key file and everything that is shown of a session tell is not enough.
#[test]
fn nothing_begins_at_a_browser_but_in_a_session_that_is_there_as_it_was() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        create_user(&store, BOB, "bob").await;
        let here = open_browsers(&store, 1).await.remove(0);
        let there = browser(7, USER);
        let own = family_at(1, &shop, &here);
        let begin = async |family: &Family, hash: SecretHash| {
            store.insert_family_at_browser(family, hash).await.unwrap()
        };
        assert_eq!(begin(&own, SecretHash([0; 32])).await, Outcome::Conflict, "another secret");
        let unknown = family_at(1, &shop, &there);
        assert_eq!(begin(&unknown, there.secret_hash).await, Outcome::Conflict, "never was");
        let of_bob = Family { user_id: BOB, ..own.clone() };
        assert_eq!(begin(&of_bob, here.secret_hash).await, Outcome::Conflict, "another person's");
        let none = store.insert_family(&own, None).await.unwrap();
        assert_eq!(none, Outcome::Conflict, "no secret at all");
        let anew = SecretHash([5; 32]);
        let renewed = BrowserSession { secret_hash: anew, ..here.clone() };
        store.renew_browser_session(here.secret_hash, &renewed, None).await.unwrap();
        assert_eq!(begin(&own, here.secret_hash).await, Outcome::Conflict, "signed in anew");
        assert_eq!(begin(&own, anew).await, Outcome::Done);
        store.end_browser_session((USER, here.id), at(5)).await.unwrap();
        let next = family_at(2, &shop, &here);
        assert_eq!(begin(&next, anew).await, Outcome::Conflict, "signed out");
        assert_eq!(place.dump("families").len(), 1);
    });
}

#[test]
fn what_a_code_stands_on_is_read_as_of_one_moment() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let here = open_browsers(&store, 1).await.remove(0);
        let read = async || store.load_code_standing(here.id, (USER, &shop.id)).await.unwrap();
        let session = SessionStanding {
            user_id: USER,
            secret_hash: here.secret_hash,
            proven: FIRST,
            is_ended: false,
        };
        let epoch = store.epoch().await.unwrap();
        let bare = Standing { browser_session: Some(session), epoch, ..Standing::default() };
        assert_eq!(read().await, bare);
        let given = consent(USER, &shop);
        store.save_consent(&given, None).await.unwrap();
        assert_eq!(read().await, Standing { consent: Some(given.clone()), ..bare.clone() });
        store.revoke_consent((USER, &shop.id), RevokeReason::User, at(5)).await.unwrap();
        let ended = store.ends().await.unwrap();
        assert_eq!(read().await, Standing { consent_ended: ended, ..bare.clone() });
        store.save_consent(&given, None).await.unwrap();
        store.end_browser_session((USER, here.id), at(5)).await.unwrap();
        let session = Some(SessionStanding { is_ended: true, ..session });
        let over = Standing {
            browser_session: session,
            consent: Some(given),
            consent_ended: ended,
            epoch,
        };
        assert_eq!(read().await, over);
        let other = store.load_code_standing(browser(9, USER).id, (BOB, &shop.id)).await.unwrap();
        assert_eq!(other, Standing { epoch, ..Standing::default() });
    });
}
