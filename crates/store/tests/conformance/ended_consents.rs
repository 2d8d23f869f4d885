//! What taking back a consent leaves: codes that were issued before it begin nothing, whatever happens at once
//! and whatever is allowed afterwards.

use remint_protocol::client::Client;
use remint_protocol::client_id::ClientId;
use remint_protocol::consent::Consent;
use remint_protocol::ends::Ends;
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;
use remint_store::{Outcome, Store};

use crate::backend::{on_every_backend, on_sqlite};
use crate::samples::{
    USER, at, begin, browser, client, consent, create_user, family, family_at, insert, load, race,
    register,
};

const BOB: UserId = UserId([8; 16]);

async fn save(store: &Store, given: &Consent) {
    let seen = store.load_consent(given.user_id, &given.client_id).await.unwrap();
    assert_eq!(store.save_consent(given, seen.as_ref()).await.unwrap(), Outcome::Done);
}

/// A client that people are asked about.
async fn register_asked(store: &Store) -> Client {
    let mut asked = client("asked");
    asked.authorize.first_party = false;
    assert_eq!(store.create_client(&asked).await.unwrap(), Outcome::Done);
    asked
}

async fn end(store: &Store, client: &Client, now: Timestamp) {
    let ended = store.revoke_consent((USER, &client.id), RevokeReason::User, now).await.unwrap();
    assert_eq!(ended, Outcome::Done);
}

/// The family of a code, which is redeemed at second 100.
fn late(number: u32, client: &Client, user: UserId) -> Family {
    Family { created_at: at(100), rotated_at: at(100), ..family(number, client, user) }
}

/// Redeems a code that was authorized when `born` ends were counted.
async fn redeem(store: &Store, family: &Family, born: Ends) -> Outcome {
    insert(store, &Family { born, ..family.clone() }).await
}

#[test]
fn checklist_26_a_code_that_was_issued_before_access_was_ended_begins_nothing() {
    on_every_backend(async |place| {
        // A first-party client has no consent that could be taken back.
        for is_asked in [true, false] {
            let place = place.another();
            let store = place.open().await;
            let shop = register(&store).await;
            if is_asked {
                save(&store, &consent(USER, &shop)).await;
            }
            let of_before = store.ends().await.unwrap();
            end(&store, &shop, at(50)).await;
            let refused = redeem(&store, &late(1, &shop, USER), of_before).await;
            assert_eq!(refused, Outcome::Conflict);
            assert_eq!(place.dump("families").len(), 0);
            let of_now = store.ends().await.unwrap();
            assert_eq!(redeem(&store, &late(2, &shop, USER), of_now).await, Outcome::Done);
        }
    });
}

#[test]
fn a_code_stays_dead_when_the_same_is_allowed_again_and_the_clock_goes_back() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        save(&store, &consent(USER, &shop)).await;
        end(&store, &shop, at(50)).await;
        let between = store.ends().await.unwrap();
        end(&store, &shop, at(40)).await;
        save(&store, &Consent { given_at: at(60), ..consent(USER, &shop) }).await;
        let found = store.load_consent(USER, &shop.id).await.unwrap();
        assert_eq!(found.map(|found| found.given_at), Some(at(60)));
        assert_eq!(redeem(&store, &late(1, &shop, USER), between).await, Outcome::Conflict);
        let of_now = store.ends().await.unwrap();
        assert_eq!(redeem(&store, &late(1, &shop, USER), of_now).await, Outcome::Done);
    });
}

/// The clock of who ends access may be behind, and what they read of it old when it is written.
#[test]
fn a_code_begins_nothing_without_the_consent_that_was_needed_for_it_whatever_the_clocks_say() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let (first_party, asked) = (register(&store).await, register_asked(&store).await);
        let here = browser(1, USER);
        store.insert_browser_session(&here, None).await.unwrap();
        let code = |number, client| family_at(number, client, &here);
        let now = async || store.ends().await.unwrap();
        assert_eq!(redeem(&store, &code(1, &asked), now().await).await, Outcome::Conflict);
        save(&store, &Consent { given_at: at(10), ..consent(USER, &asked) }).await;
        assert_eq!(redeem(&store, &code(1, &asked), now().await).await, Outcome::Done);
        for client in [&first_party, &asked] {
            end(&store, client, at(5)).await;
        }
        assert_eq!(redeem(&store, &code(2, &asked), now().await).await, Outcome::Conflict);
        assert_eq!(redeem(&store, &code(3, &first_party), now().await).await, Outcome::Done);
        let password = family(4, &asked, USER);
        assert_eq!(insert(&store, &password).await, Outcome::Done, "nobody is asked then");
    });
}

#[test]
fn access_that_was_ended_is_that_of_one_person_at_one_client() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let other = client("other");
        store.create_client(&other).await.unwrap();
        create_user(&store, BOB, "bob").await;
        let of_before = store.ends().await.unwrap();
        end(&store, &shop, at(50)).await;
        assert_eq!(redeem(&store, &late(1, &other, USER), of_before).await, Outcome::Done);
        assert_eq!(redeem(&store, &late(2, &shop, BOB), of_before).await, Outcome::Done);
        let password = store.insert_family(&late(3, &shop, USER), None).await.unwrap();
        assert_eq!(password, Outcome::Done, "who signs in later has a session again");
    });
}

/// A code that is redeemed while access is ended: either there is no family, or it is over.
#[test]
fn checklist_26_a_code_redeemed_while_access_is_ended_leaves_nothing_alive() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let (first_party, asked) = (register(&store).await, register_asked(&store).await);
        for number in 0..200 {
            let here = browser(number, USER);
            store.insert_browser_session(&here, None).await.unwrap();
            let shop = if number % 4 == 0 { &first_party } else { &asked };
            let (issued_at, ended_at) = (at(2 * i64::from(number)), at(2 * i64::from(number) + 1));
            if shop.authorize.first_party {
                // As if for the first time: there is no row that could be held.
                place.execute("DELETE FROM consents");
            } else {
                save(&store, &Consent { given_at: issued_at, ..consent(USER, shop) }).await;
            }
            let family = family_at(number, shop, &here);
            let (redeeming, ending) = (store.clone(), store.clone());
            let born = store.ends().await.unwrap();
            let (one, id) = (Family { born, ..family.clone() }, shop.id.clone());
            let insert = async move { insert(&redeeming, &one).await };
            let end = async move {
                let pair = (USER, &id);
                ending.revoke_consent(pair, RevokeReason::User, ended_at).await.unwrap()
            };
            race(&store, (number, family.id), insert, end).await;
        }
    });
}

#[test]
fn what_was_taken_back_is_listed_nowhere_and_goes_with_its_user_or_client() {
    on_every_backend(async |place| {
        for deletes_user in [true, false] {
            let place = place.another();
            let store = place.open().await;
            let shop = register(&store).await;
            save(&store, &consent(USER, &shop)).await;
            end(&store, &shop, at(50)).await;
            assert_eq!(store.load_consent(USER, &shop.id).await.unwrap(), None);
            assert_eq!(store.list_consents(USER, "", 10).await.unwrap(), []);
            assert_eq!(store.list_consents_to(&shop.id, None, 10).await.unwrap(), []);
            assert_eq!(place.dump("consents").len(), 1);
            if deletes_user {
                store.delete_user(USER).await.unwrap();
            } else {
                store.delete_client(&shop.id).await.unwrap();
            }
            assert_eq!(place.dump("consents").len(), 0);
        }
    });
}

/// The id of an application comes from a form: whoever makes them up must not fill the table.
#[test]
fn nothing_is_remembered_of_a_client_or_a_user_that_is_not_registered() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = family(1, &shop, USER);
        begin(&store, &family).await;
        let ghost = ClientId::parse("ghost").unwrap();
        for pair in [(USER, &ghost), (BOB, &shop.id)] {
            store.revoke_consent(pair, RevokeReason::User, at(50)).await.unwrap();
        }
        assert_eq!(place.dump("consents").len(), 0);
        assert_eq!(load(&store, family.id).await, family);
    });
}

/// It knows nothing of the new column: what it reads must say no.
#[test]
fn to_a_server_of_the_version_before_a_consent_that_was_taken_back_is_one_to_nothing() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        save(&store, &consent(USER, &shop)).await;
        end(&store, &shop, at(50)).await;
        let read = "SELECT scope, resources, given_at FROM consents";
        let row = place.connect().query_row(read, (), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        });
        assert_eq!(row.unwrap(), (String::new(), String::new(), 0));
    });
}
