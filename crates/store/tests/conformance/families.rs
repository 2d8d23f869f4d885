//! Families: how they begin, move on and end.

use remint_protocol::client::Client;
use remint_protocol::ends::LastEnd;
use remint_protocol::family::{Family, Origin, RevokeReason, Rotation};
use remint_protocol::family_id::FamilyId;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::time::Timestamp;
use remint_protocol::user::{UserId, UserStanding};
use remint_store::{Outcome, Store};

use crate::backend::{Place, on_every_backend};
use crate::samples::{
    USER, at, browser, family, family_at, insert, load, register, rotated, rotation, sign_in,
    uncounted,
};

#[test]
fn a_family_reads_back_with_every_field() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let plain = family(1, &shop, USER);
        let end = Timestamp::from_millis(i64::MAX);
        let greatest = Family {
            generation: u32::MAX,
            grace_floor: u32::MAX - 1,
            epoch: u16::MAX,
            kid: u8::MAX,
            max_expires_at: end,
            expires_at: end,
            rotated_at: end,
            confirmed: true,
            ..family(2, &shop, USER)
        };
        let (scope, resources) = (Scope::default(), Resources::default());
        let least = Family { scope, resources, kid: 0, ..family(3, &shop, USER) };
        let online = family_at(4, &shop, &browser(1, USER));
        let origin = Origin {
            offline: true,
            acr: "urn:example:strong".into(),
            amr: "pwd otp".into(),
            claims: "id_token email userinfo name".into(),
            ..online.origin.clone()
        };
        let offline = Family { origin, ..family(5, &shop, USER) };
        let standing = UserStanding { enabled: true, ended: LastEnd::default() };
        store.insert_browser_session(&browser(1, USER), None).await.unwrap();
        for family in [plain, greatest, least, online, offline] {
            assert_eq!(insert(&store, &family).await, Outcome::Done);
            let loaded = store.load_family(family.id).await.unwrap().unwrap();
            assert_eq!(uncounted(loaded.family), family);
            assert_eq!(loaded.user, Some(standing));
        }
        assert_eq!(store.load_family(FamilyId([0; 16])).await.unwrap(), None);
    });
}

#[test]
fn a_taken_family_id_is_a_conflict_and_changes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let before = place.dump("families");
        let other = Family { generation: 4, ..family };
        assert_eq!(store.insert_family(&other, None).await.unwrap(), Outcome::Conflict);
        assert_eq!(place.dump("families"), before);
    });
}

/// What may happen between the proof of a password and the write of the family.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    UserDisabled,
    UserDeleted,
    UserEnded,
    PasswordChanged,
    ClientDisabled,
    ClientDeleted,
    ClientEnded,
    AllEnded,
}

impl Meanwhile {
    const ALL: [Self; 8] = [
        Self::UserDisabled,
        Self::UserDeleted,
        Self::UserEnded,
        Self::PasswordChanged,
        Self::ClientDisabled,
        Self::ClientDeleted,
        Self::ClientEnded,
        Self::AllEnded,
    ];

    async fn happen(self, store: &Store, shop: &Client, now: Timestamp) -> Outcome {
        let outcome = match self {
            Self::UserDisabled => store.set_user_enabled(USER, false, now).await,
            Self::UserDeleted => store.delete_user(USER).await,
            Self::UserEnded => store.end_user_sessions(USER, now).await,
            Self::PasswordChanged => store.set_password(USER, "new", now).await,
            Self::ClientDisabled => {
                let disabled = Client { enabled: false, updated_at: now, ..shop.clone() };
                store.update_client(&disabled, shop.updated_at).await
            }
            Self::ClientDeleted => store.delete_client(&shop.id).await,
            Self::ClientEnded => store.end_client_sessions(&shop.id, now).await,
            Self::AllEnded => store.end_all_sessions(now).await,
        };
        outcome.unwrap()
    }
}

#[test]
fn no_family_begins_whose_user_or_client_was_disabled_deleted_or_ended_meanwhile() {
    on_every_backend(async |place| {
        // Each in a database of its own.
        for meanwhile in Meanwhile::ALL {
            let place = place.another();
            let store = place.open().await;
            let shop = register(&store).await;
            let born = store.ends().await.unwrap();
            // At the very moment at which the family began.
            assert_eq!(meanwhile.happen(&store, &shop, at(0)).await, Outcome::Done);
            let family = Family { born, ..family(1, &shop, USER) };
            let inserted = store.insert_family(&family, None).await.unwrap();
            assert_eq!(inserted, Outcome::Conflict, "{meanwhile:?}");
            assert_eq!(place.dump("families").len(), 0, "{meanwhile:?}");
        }
    });
}

#[test]
fn a_family_begins_after_the_end_of_those_before_it() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        // By a clock that is a day ahead.
        for ended in [Meanwhile::PasswordChanged, Meanwhile::UserEnded, Meanwhile::ClientEnded] {
            ended.happen(&store, &shop, at(90_000)).await;
        }
        let proven = store.ends().await.unwrap();
        let family = Family { proven, ..family(1, &shop, USER) };
        assert_eq!(store.insert_family(&family, None).await.unwrap(), Outcome::Done);
        assert!(store.load_family(family.id).await.unwrap().unwrap().is_alive(at(1)));
    });
}

/// Such as one of a code that waited while its user changed the password.
#[test]
fn no_family_begins_that_was_authorized_before_its_user_ended_all() {
    on_every_backend(async |place| {
        for ended in [Meanwhile::UserEnded, Meanwhile::PasswordChanged] {
            let place = place.another();
            let store = place.open().await;
            let shop = register(&store).await;
            let late = family(1, &shop, USER);
            ended.happen(&store, &shop, late.auth_time).await;
            let inserted = store.insert_family(&late, None).await.unwrap();
            assert_eq!(inserted, Outcome::Conflict, "{ended:?}");
        }
    });
}

#[test]
fn no_family_begins_for_somebody_who_never_was() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let nobody = family(1, &shop, UserId([8; 16]));
        let nowhere = family(2, &crate::samples::client("ghost"), USER);
        assert_eq!(store.insert_family(&nobody, None).await.unwrap(), Outcome::Conflict);
        assert_eq!(store.insert_family(&nowhere, None).await.unwrap(), Outcome::Conflict);
        assert_eq!(place.dump("families").len(), 0);
    });
}

#[test]
fn a_rotation_changes_what_it_names_and_nothing_else() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 3).await;
        let mut family = families[1].clone();
        for from in 0..3 {
            let rotation = rotation(family.id, from);
            assert_eq!(store.rotate(&rotation).await.unwrap(), Outcome::Done);
            family = rotated(&family, &rotation);
            assert_eq!(load(&store, family.id).await, family);
        }
        for other in [&families[0], &families[2]] {
            assert_eq!(load(&store, other.id).await, *other);
        }
    });
}

#[test]
fn a_rotation_may_leap_as_after_a_lost_commit() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let leap = Rotation { to: 9, ..rotation(family.id, 0) };
        assert_eq!(store.rotate(&leap).await.unwrap(), Outcome::Done);
        assert_eq!(load(&store, family.id).await, rotated(&family, &leap));
    });
}

/// Does a write that must be refused, and checks that every byte stayed where it was.
async fn refuses(place: &Place, what: &str, write: impl Future<Output = Outcome>) {
    let before = place.dump("families");
    assert_eq!(write.await, Outcome::Conflict, "{what}");
    assert_eq!(place.dump("families"), before, "{what}");
}

#[test]
fn a_rotation_whose_guard_does_not_hold_changes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let id = sign_in(&store, &shop, 2).await[0].id;
        store.rotate(&rotation(id, 0)).await.unwrap();
        let rotate = async |id, from| store.rotate(&rotation(id, from)).await.unwrap();
        refuses(&place, "used-up generation", rotate(id, 0)).await;
        refuses(&place, "generation to come", rotate(id, 2)).await;
        refuses(&place, "unknown family", rotate(FamilyId([0; 16]), 0)).await;
        store.revoke_family(id, RevokeReason::Client, at(5)).await.unwrap();
        refuses(&place, "revoked family", rotate(id, 1)).await;
    });
}

#[test]
fn a_confirmation_is_remembered_until_the_next_rotation() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        assert_eq!(store.confirm(family.id, 0).await.unwrap(), Outcome::Done);
        let confirmed = Family { confirmed: true, ..family.clone() };
        assert_eq!(load(&store, family.id).await, confirmed);
        // A second request that uses the token has no reason to fail.
        assert_eq!(store.confirm(family.id, 0).await.unwrap(), Outcome::Done);
        assert_eq!(load(&store, family.id).await, confirmed);
        store.rotate(&rotation(family.id, 0)).await.unwrap();
        assert!(!load(&store, family.id).await.confirmed);
    });
}

#[test]
fn a_confirmation_whose_guard_does_not_hold_changes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let id = sign_in(&store, &shop, 2).await[0].id;
        store.rotate(&rotation(id, 0)).await.unwrap();
        let confirm = async |id, generation| store.confirm(id, generation).await.unwrap();
        refuses(&place, "used-up generation", confirm(id, 0)).await;
        refuses(&place, "generation to come", confirm(id, 2)).await;
        refuses(&place, "unknown family", confirm(FamilyId([0; 16]), 1)).await;
        store.revoke_family(id, RevokeReason::Client, at(5)).await.unwrap();
        refuses(&place, "revoked family", confirm(id, 1)).await;
    });
}

#[test]
fn the_first_reason_for_the_end_of_a_family_counts() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let reasons = [
            RevokeReason::Reuse,
            RevokeReason::Forgery,
            RevokeReason::Client,
            RevokeReason::Operator,
            RevokeReason::Overflow,
            RevokeReason::CodeReuse,
            RevokeReason::SignOut,
            RevokeReason::User,
        ];
        let families = sign_in(&store, &shop, 9).await;
        for (family, first) in families.iter().zip(reasons) {
            store.revoke_family(family.id, first, at(1)).await.unwrap();
            for later in reasons {
                let again = store.revoke_family(family.id, later, at(2)).await.unwrap();
                assert_eq!(again, Outcome::Done, "ended is ended, whoever asks");
            }
            let expected = Family { revoked: Some((at(1), first)), ..family.clone() };
            assert_eq!(load(&store, family.id).await, expected);
        }
        assert_eq!(load(&store, families[8].id).await, families[8], "the others live");
    });
}

#[test]
fn a_family_that_moved_on_since_it_was_looked_at_is_not_ended_for_what_was_seen() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        store.rotate(&rotation(family.id, 0)).await.unwrap();
        let before = load(&store, family.id).await;
        let end = |generation| {
            store.revoke_family_seen_at((family.id, generation), RevokeReason::Forgery, at(5))
        };
        assert_eq!(end(0).await.unwrap(), Outcome::Conflict);
        assert_eq!(load(&store, family.id).await, before);
        assert_eq!(end(1).await.unwrap(), Outcome::Done);
        let revoked = Some((at(5), RevokeReason::Forgery));
        assert_eq!(load(&store, family.id).await.revoked, revoked);
        assert_eq!(end(1).await.unwrap(), Outcome::Conflict, "it is over already");
    });
}

#[test]
fn revoking_an_unknown_family_is_no_error() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let revoked = store.revoke_family(FamilyId([0; 16]), RevokeReason::Client, at(1)).await;
        assert_eq!(revoked.unwrap(), Outcome::Done);
        assert_eq!(place.dump("families").len(), 0);
    });
}
