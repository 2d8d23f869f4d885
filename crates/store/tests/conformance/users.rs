//! Users.

use std::time::Duration;

use remint_protocol::browser_session::BrowserSession;
use remint_protocol::ends::LastEnd;
use remint_protocol::family::Family;
use remint_protocol::user::{UserId, UserStanding};
use remint_store::{Outcome, User, VerifiedPassword};

use crate::backend::{on_every_backend, together};
use crate::samples::{
    FIRST, USER, at, browser, bytes, create_user, family, load, name, register, sign_in,
};

fn alice() -> User {
    User {
        id: USER,
        username: name("alice"),
        password_hash: "hash".into(),
        disabled_at: None,
        ended: LastEnd::default(),
        ends: FIRST,
        created_at: at(-1_000),
        updated_at: at(-1_000),
        profile: "{}".into(),
    }
}

#[test]
fn a_user_is_found_by_name_and_loaded_by_id() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        assert_eq!(store.find_user(&name("alice")).await.unwrap(), Some(alice()));
        assert_eq!(store.load_user(USER).await.unwrap(), Some(alice()));
        assert_eq!(store.find_user(&name("Alice")).await.unwrap(), None, "compared byte for byte");
        assert_eq!(store.load_user(UserId([8; 16])).await.unwrap(), None);
    });
}

#[test]
fn a_taken_name_and_a_taken_id_are_conflicts_and_change_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let before = place.dump("users");
        let other = UserId([8; 16]);
        let same_name = store.create_user(other, &name("alice"), "x", at(0)).await.unwrap();
        let same_id = store.create_user(USER, &name("bob"), "x", at(0)).await.unwrap();
        assert_eq!((same_name, same_id), (Outcome::Conflict, Outcome::Conflict));
        assert_eq!(place.dump("users"), before);
    });
}

#[test]
fn users_are_listed_page_by_page_in_the_order_of_their_names() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let names = ["zoe", "Ünal Ö.", "alice", "Alice", "bob", "a b", "10", "9"];
        for (n, text) in (0..).zip(names) {
            create_user(&store, UserId(bytes(100 - n)), text).await;
        }
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        for limit in [1, 3, 8, 9] {
            let (mut listed, mut after) = (Vec::new(), String::new());
            loop {
                let page = store.list_users(&after, limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                after = last.username.as_str().to_owned();
                listed.extend(page.into_iter().map(|user| user.username.as_str().to_owned()));
            }
            assert_eq!(listed, sorted, "in pages of {limit}");
        }
    });
}

#[test]
fn a_new_password_ends_the_users_sessions() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        assert_eq!(store.set_password(USER, "new", at(100)).await.unwrap(), Outcome::Done);
        let ends = store.ends().await.unwrap();
        let ended = LastEnd { number: ends, at: at(100) };
        let password_hash = "new".into();
        let expected = User { password_hash, ended, ends, updated_at: at(100), ..alice() };
        assert_eq!(store.load_user(USER).await.unwrap(), Some(expected));
        let loaded = store.load_family(family.id).await.unwrap().unwrap();
        assert_eq!(loaded.user, Some(UserStanding { enabled: true, ended }));
        assert!(!loaded.is_alive(at(1)));
    });
}

#[test]
fn of_two_who_change_a_profile_at_once_the_second_is_refused_and_changes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        create_user(&store, UserId([8; 16]), "bob").await;
        let set = async |seen: &str, next: &str, secs| {
            store.set_user_profile(USER, (seen, next), at(secs)).await.unwrap()
        };
        let (first, second) = (r#"{"name":"Zoë"}"#, r#"{"name":"Zoe"}"#);
        assert_eq!(set("{}", first, 5).await, Outcome::Done);
        let expected = User { profile: first.into(), updated_at: at(5), ..alice() };
        assert_eq!(store.load_user(USER).await.unwrap(), Some(expected));
        let before = place.dump("users");
        assert_eq!(set("{}", second, 6).await, Outcome::Conflict);
        assert_eq!(place.dump("users"), before);
        assert_eq!(set(first, second, 6).await, Outcome::Done);
    });
}

#[test]
fn a_new_password_does_not_enable_a_disabled_user() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        store.set_user_enabled(USER, false, at(1)).await.unwrap();
        store.set_password(USER, "new", at(2)).await.unwrap();
        store.replace_password_hash(USER, "new", "stronger").await.unwrap();
        store.end_user_sessions(USER, at(3)).await.unwrap();
        assert_eq!(store.load_user(USER).await.unwrap().unwrap().disabled_at, Some(at(1)));
    });
}

#[test]
fn a_new_password_under_a_clock_that_went_backwards_brings_no_ended_session_back() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        store.end_user_sessions(USER, at(10)).await.unwrap();
        store.set_password(USER, "new", at(5)).await.unwrap();
        let user = store.load_user(USER).await.unwrap().unwrap();
        let risen = at(10).after(Duration::from_millis(1));
        assert_eq!(user.ended.at, risen, "what was proven before holds no more");
        assert_eq!(user.ended.number, store.ends().await.unwrap());
        assert_eq!(user.password_hash, "new");
    });
}

/// Clocks of nodes differ, and a login takes a while.
#[test]
fn what_ends_all_sessions_ends_those_that_began_by_a_clock_that_is_ahead() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        for number in 1..=2 {
            let ahead = at(1_000 * i64::from(number));
            let proven = store.ends().await.unwrap();
            let begun = Family { auth_time: ahead, proven, ..family(number, &shop, USER) };
            assert_eq!(store.insert_family(&begun, None).await.unwrap(), Outcome::Done);
            let auth_time = ahead.after(Duration::from_secs(1));
            let session = BrowserSession { auth_time, proven, ..browser(number, USER) };
            store.insert_browser_session(&session, None).await.unwrap();
            let ended = match number {
                1 => store.set_password(USER, "new", at(10)).await,
                _ => store.end_user_sessions(USER, at(10)).await,
            };
            assert_eq!(ended.unwrap(), Outcome::Done);
            let loaded = store.load_family(begun.id).await.unwrap().unwrap();
            assert!(!loaded.is_user_standing());
            let visitor = store.load_browser_session(session.id).await.unwrap().unwrap();
            let standing = visitor.user.map(|(_, standing)| standing);
            assert!(!session.is_alive(standing, Duration::MAX, ahead));
        }
    });
}

/// Of two at once either the one that begins is seen and ended by the one that changes, or it does not
/// begin.
#[test]
fn whatever_begins_with_the_old_password_while_it_is_changed_is_over() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        for round in 0..40 {
            let seen = store.load_user(USER).await.unwrap().unwrap();
            // By its clock, it always begins after the change.
            let auth_time = at(10_000).after(Duration::from_secs(round));
            let trust = ([1; 16], at(100));
            let proven = Some(VerifiedPassword { user: USER, ends: seen.ends, trust });
            let number = u32::try_from(round).unwrap() + 1;
            let begun = Family { auth_time, proven: seen.ends, ..family(number, &shop, USER) };
            let session = BrowserSession { auth_time, proven: seen.ends, ..browser(number, USER) };
            let (one, two, three) = (store.clone(), store.clone(), store.clone());
            let (family, browser) = (begun.clone(), session.clone());
            let all = [
                tokio::spawn(async move { one.insert_family(&family, proven).await.unwrap() }),
                tokio::spawn(
                    async move { two.insert_browser_session(&browser, proven).await.unwrap() },
                ),
                tokio::spawn(async move {
                    three.change_password(&seen, &format!("hash {round}"), at(50)).await.unwrap()
                }),
            ];
            let outcomes = together(all).await;
            assert_eq!(*outcomes[2].as_ref().unwrap(), Outcome::Done);
            let family = store.load_family(begun.id).await.unwrap();
            assert!(family.is_none_or(|loaded| !loaded.is_user_standing()), "{outcomes:?}");
            let visitor = store.load_browser_session(session.id).await.unwrap();
            let standing = visitor.and_then(|visitor| visitor.user).map(|(_, standing)| standing);
            assert!(!session.is_alive(standing, Duration::MAX, at(10_000)), "{outcomes:?}");
        }
    });
}

#[test]
fn a_password_is_changed_only_by_who_proved_the_one_that_is_there() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let seen = store.load_user(USER).await.unwrap().unwrap();
        store.set_password(USER, "of an operator", at(5)).await.unwrap();
        let before = place.dump("users");
        assert_eq!(store.change_password(&seen, "mine", at(6)).await.unwrap(), Outcome::Conflict);
        assert_eq!(place.dump("users"), before);
        let seen = store.load_user(USER).await.unwrap().unwrap();
        assert_eq!(store.change_password(&seen, "mine", at(6)).await.unwrap(), Outcome::Done);
        store.set_user_enabled(USER, false, at(7)).await.unwrap();
        let seen = store.load_user(USER).await.unwrap().unwrap();
        assert_eq!(store.change_password(&seen, "again", at(8)).await.unwrap(), Outcome::Conflict);
    });
}

#[test]
fn a_stronger_hash_of_the_same_password_leaves_sessions_alone() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let replaced = store.replace_password_hash(USER, "hash", "stronger").await.unwrap();
        assert_eq!(replaced, Outcome::Done);
        let expected = User { password_hash: "stronger".into(), ..alice() };
        assert_eq!(store.load_user(USER).await.unwrap(), Some(expected.clone()));
        // The password was changed since the old hash was read.
        let late = store.replace_password_hash(USER, "hash", "other").await.unwrap();
        assert_eq!(late, Outcome::Conflict);
        assert_eq!(store.load_user(USER).await.unwrap(), Some(expected));
    });
}

#[test]
fn a_disabled_user_shows_in_their_families_until_they_are_enabled_again() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let enabled = async || {
            store.load_family(family.id).await.unwrap().unwrap().user.is_some_and(|u| u.enabled)
        };
        assert!(enabled().await);
        assert_eq!(store.set_user_enabled(USER, false, at(1)).await.unwrap(), Outcome::Done);
        assert!(!enabled().await);
        let user = store.load_user(USER).await.unwrap().unwrap();
        assert_eq!((user.disabled_at, user.updated_at), (Some(at(1)), at(1)));
        assert_eq!(store.set_user_enabled(USER, true, at(2)).await.unwrap(), Outcome::Done);
        assert!(enabled().await);
        let user = store.load_user(USER).await.unwrap().unwrap();
        assert_eq!((user.disabled_at, user.updated_at), (None, at(2)));
    });
}

#[test]
fn ending_the_sessions_of_a_user_touches_no_other_and_never_brings_ended_ones_back() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let bob = UserId([8; 16]);
        create_user(&store, USER, "alice").await;
        create_user(&store, bob, "bob").await;
        let ends = async |id| store.load_user(id).await.unwrap().unwrap().ended;
        store.end_user_sessions(USER, at(10)).await.unwrap();
        let first = ends(USER).await;
        assert_eq!(first, LastEnd { number: store.ends().await.unwrap(), at: at(10) });
        store.end_user_sessions(USER, at(5)).await.unwrap();
        let second = ends(USER).await;
        assert!(second.number > first.number && second.at > first.at, "a clock went backwards");
        assert_eq!(ends(bob).await, LastEnd::default());
    });
}

#[test]
fn nothing_happens_to_an_unknown_user() {
    on_every_backend(async |place| {
        let store = place.open().await;
        create_user(&store, USER, "alice").await;
        let before = place.dump("users");
        let ghost = UserId([8; 16]);
        let outcomes = [
            store.set_password(ghost, "new", at(1)).await.unwrap(),
            store.replace_password_hash(ghost, "hash", "new").await.unwrap(),
            store.set_user_enabled(ghost, false, at(1)).await.unwrap(),
            store.set_user_enabled(ghost, true, at(1)).await.unwrap(),
            store.delete_user(ghost).await.unwrap(),
        ];
        assert_eq!(outcomes, [Outcome::Conflict; 5]);
        assert_eq!(place.dump("users"), before);
    });
}

#[test]
fn deleting_a_user_deletes_their_families_and_no_others() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        sign_in(&store, &shop, 3).await;
        let bob = UserId([8; 16]);
        create_user(&store, bob, "bob").await;
        let kept = family(9, &shop, bob);
        store.insert_family(&kept, None).await.unwrap();
        assert_eq!(store.delete_user(USER).await.unwrap(), Outcome::Done);
        assert_eq!(store.load_user(USER).await.unwrap(), None);
        assert_eq!(place.dump("families").len(), 1);
        assert_eq!(load(&store, kept.id).await, kept);
    });
}

#[test]
fn checklist_61_a_user_who_is_deleted_and_created_again_under_the_same_name_is_another_user() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let old = sign_in(&store, &shop, 1).await.remove(0);
        store.delete_user(USER).await.unwrap();
        let again = UserId([8; 16]);
        create_user(&store, again, "alice").await;
        assert_eq!(store.find_user(&name("alice")).await.unwrap().unwrap().id, again);
        assert_eq!(store.load_user(USER).await.unwrap(), None);
        assert_eq!(store.load_family(old.id).await.unwrap(), None, "no old session is theirs");
        // Nor does one that was authorized before the deletion and is written after it.
        let late = family(2, &shop, USER);
        assert_eq!(store.insert_family(&late, None).await.unwrap(), Outcome::Conflict);
        assert_eq!(place.dump("families").len(), 0);
    });
}

/// The other ends of a session that line 61 names are in these tests: a password change in
/// `a_new_password_ends_the_users_sessions`, a logout in `ending_the_sessions_of_a_user…`.
#[test]
fn checklist_61_a_disabled_or_signed_out_user_has_no_living_family() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let alive = async || {
            let loaded = store.load_family(family.id).await.unwrap().unwrap();
            loaded.is_alive(at(1))
        };
        assert!(alive().await);
        store.set_user_enabled(USER, false, at(1)).await.unwrap();
        assert!(!alive().await);
        store.set_user_enabled(USER, true, at(2)).await.unwrap();
        assert!(alive().await);
        store.end_user_sessions(USER, at(2)).await.unwrap();
        assert!(!alive().await);
    });
}
