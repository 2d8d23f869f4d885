//! Listings of families and of what is alive, and the sweep that removes expired families.

use std::time::Duration;

use remint_protocol::browser_session::BrowserSession;
use remint_protocol::client::Client;
use remint_protocol::client_id::ClientId;
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_protocol::user::UserId;
use remint_store::{Filter, Outcome, Store};

use crate::backend::on_every_backend;
use crate::samples::{USER, at, begin, browser, bytes, client, create_user, family, register};

const BOB: UserId = UserId([8; 16]);

/// Families of two users at two clients, inserted in no order.
async fn sign_in_mixed(store: &Store) -> [Client; 2] {
    let clients = [register(store).await, client("other")];
    store.create_client(&clients[1]).await.unwrap();
    create_user(store, BOB, "bob").await;
    for n in 0..24 {
        let number = n * 7 % 24;
        let (client, user) = owners(number);
        let family = family(number, &clients[client], user);
        assert_eq!(store.insert_family(&family, None).await.unwrap(), Outcome::Done);
    }
    clients
}

fn owners(number: u32) -> (usize, UserId) {
    (usize::from(number.is_multiple_of(3)), if number.is_multiple_of(4) { BOB } else { USER })
}

/// All pages of a listing, joined.
async fn list(store: &Store, filter: Filter<'_>, limit: u32) -> Vec<FamilyId> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_families(filter, after, limit).await.unwrap();
        assert!(page.families.len() <= limit as usize);
        assert!(page.families.iter().all(|loaded| loaded.user.is_some()));
        listed.extend(page.families.into_iter().map(|loaded| loaded.family.id));
        after = page.next;
        if after.is_none() {
            return listed;
        }
    }
}

#[test]
fn families_are_listed_page_by_page_by_user_by_client_and_all() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let clients = sign_in_mixed(&store).await;
        let expect = |keep: &dyn Fn(u32) -> bool| -> Vec<_> {
            (0..24).filter(|n| keep(*n)).map(|n| FamilyId(bytes(n))).collect()
        };
        let nobody = ClientId::parse("ghost").unwrap();
        let cases = [
            (Filter::All, expect(&|_| true)),
            (Filter::Client(&clients[0].id), expect(&|n| owners(n).0 == 0)),
            (Filter::Client(&clients[1].id), expect(&|n| owners(n).0 == 1)),
            (Filter::Client(&nobody), Vec::new()),
            (Filter::User(USER), expect(&|n| owners(n).1 == USER)),
            (Filter::User(BOB), expect(&|n| owners(n).1 == BOB)),
            (Filter::User(UserId([9; 16])), Vec::new()),
        ];
        for (filter, expected) in cases {
            for limit in [1, 5, 8, 24, 1_000] {
                assert_eq!(list(&store, filter, limit).await, expected, "{filter:?} by {limit}");
            }
        }
    });
}

/// Families of two clients that ended in one way or another, or not: the statement says what the rule says.
#[test]
fn the_living_families_of_a_user_are_those_that_the_rule_calls_alive_the_last_used_first() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let clients = sign_in_mixed(&store).await;
        let now = at(60);
        for number in 100..200 {
            let of = |places: u32| (number / places) % 3;
            let made = at(i64::from(of(1)) * 20);
            let family = Family {
                auth_time: made,
                created_at: made,
                rotated_at: made.after(Duration::from_millis((number * 7 % 100).into())),
                expires_at: at(59 + i64::from(of(3))),
                max_expires_at: at(59 + i64::from(of(9))),
                ..family(number, &clients[number as usize % 2], USER)
            };
            begin(&store, &family).await;
            if number % 7 == 0 {
                store.revoke_family(family.id, RevokeReason::User, at(50)).await.unwrap();
            }
        }
        let shop_ended = async |secs| store.end_client_sessions(&clients[0].id, at(secs)).await;
        let check = async || {
            let all = store.list_families(Filter::User(USER), None, 1_000).await.unwrap().families;
            let mut alive: Vec<_> = all.into_iter().filter(|loaded| loaded.is_alive(now)).collect();
            let mut listed = store.list_live_families(USER, now, 1_000).await.unwrap();
            let used: Vec<_> = listed.iter().map(|loaded| loaded.family.rotated_at).collect();
            assert!(used.is_sorted_by(|a, b| a >= b), "{used:?}");
            let first = store.list_live_families(USER, now, 1).await.unwrap();
            let first = first.first().map(|first| first.family.rotated_at);
            assert_eq!(first, used.first().copied());
            listed.sort_by_key(|loaded| loaded.family.id);
            alive.sort_by_key(|loaded| loaded.family.id);
            assert_eq!(listed, alive);
            alive.len()
        };
        let mut alive = vec![check().await];
        shop_ended(20).await.unwrap();
        alive.push(check().await);
        for enabled in [false, true] {
            store.set_user_enabled(USER, enabled, at(60)).await.unwrap();
            alive.push(check().await);
        }
        store.end_user_sessions(USER, at(20)).await.unwrap();
        alive.push(check().await);
        assert!(alive[0] > alive[1] && alive[1] > 0, "{alive:?}");
        assert_eq!(alive[2..], [0, alive[1], 0]);
    });
}

#[test]
fn the_living_browsers_of_a_user_are_those_that_the_rule_calls_alive_the_last_used_first() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        create_user(&store, BOB, "bob").await;
        let (now, idle) = (at(600), Duration::from_mins(5));
        for number in 0..54 {
            let of = |places: u32| i64::from((number / places) % 3);
            let session = BrowserSession {
                auth_time: at(100 * of(1)),
                seen_at: at(299 + of(3)),
                expires_at: at(599 + of(9)),
                ..browser(number, if number % 5 == 0 { BOB } else { USER })
            };
            store.insert_browser_session(&session, None).await.unwrap();
            if number % 7 == 0 {
                let whose = (session.user_id, session.id);
                store.end_browser_session(whose, at(400)).await.unwrap();
            }
        }
        let check = async || {
            let mut alive = Vec::new();
            for session in store.list_browser_sessions(USER, None, 1_000).await.unwrap() {
                let visitor = store.load_browser_session(session.id).await.unwrap().unwrap();
                let standing = visitor.user.as_ref().map(|(_, standing)| *standing);
                if session.is_alive(standing, idle, now) {
                    alive.push(visitor);
                }
            }
            let list = async |limit| {
                store.list_live_browser_sessions(USER, (now, idle), limit).await.unwrap()
            };
            let mut listed = list(1_000).await;
            let seen: Vec<_> = listed.iter().map(|visitor| visitor.session.seen_at).collect();
            assert!(seen.is_sorted_by(|a, b| a >= b), "{seen:?}");
            let first = list(1).await.first().map(|first| first.session.seen_at);
            assert_eq!(first, seen.first().copied());
            listed.sort_by_key(|visitor| visitor.session.id);
            assert_eq!(listed, alive);
            alive.len()
        };
        let mut alive = vec![check().await];
        for enabled in [false, true] {
            store.set_user_enabled(USER, enabled, at(600)).await.unwrap();
            alive.push(check().await);
        }
        store.end_user_sessions(USER, at(100)).await.unwrap();
        alive.push(check().await);
        assert!(alive[0] > 0, "{alive:?}");
        assert_eq!(alive[1..], [0, alive[0], 0]);
    });
}

#[test]
fn a_listing_goes_on_after_a_family_that_is_gone() {
    on_every_backend(async |place| {
        let store = place.open().await;
        sign_in_mixed(&store).await;
        let page = store.list_families(Filter::All, None, 4).await.unwrap();
        assert_eq!(page.next, Some(FamilyId(bytes(3))));
        store.delete_expired_families(None, FamilyId(bytes(3)), at(100_000)).await.unwrap();
        let next = store.list_families(Filter::All, page.next, 1).await.unwrap();
        assert_eq!(next.families[0].family.id, FamilyId(bytes(4)));
    });
}

#[test]
fn the_sweep_removes_only_what_is_expired_and_only_in_its_range() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        for number in 0..10 {
            // Every second one expires; at(50) itself is not before at(50).
            let expires_at = at(if number % 2 == 0 { 49 } else { 50 });
            let family = Family { expires_at, ..family(number, &shop, USER) };
            store.insert_family(&family, None).await.unwrap();
        }
        let remaining = async || {
            let all = list(&store, Filter::All, 100).await;
            all.iter().map(|id| u32::from(id.0[3])).collect::<Vec<_>>()
        };
        let id = |number| FamilyId(bytes(number));
        let sweep = async |after: Option<u32>, to| {
            store.delete_expired_families(after.map(id), id(to), at(50)).await.unwrap()
        };
        // The range leaves its grant out and its end in.
        sweep(Some(2), 6).await;
        assert_eq!(remaining().await, [0, 1, 2, 3, 5, 7, 8, 9]);
        sweep(None, 2).await;
        assert_eq!(remaining().await, [1, 3, 5, 7, 8, 9]);
        sweep(None, 9).await;
        assert_eq!(remaining().await, [1, 3, 5, 7, 9]);
        sweep(None, 9).await;
        assert_eq!(remaining().await, [1, 3, 5, 7, 9]);
    });
}
