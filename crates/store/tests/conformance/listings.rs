//! Listings of families, and the sweep that removes expired ones.

use remint_protocol::client::{Client, ClientId};
use remint_protocol::family::{Family, FamilyId};
use remint_protocol::user::UserId;
use remint_store::{Filter, Outcome, Store};

use crate::backend::on_every_backend;
use crate::samples::{USER, at, bytes, client, create_user, family, register};

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
        // The range leaves its beginning out and its end in.
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
