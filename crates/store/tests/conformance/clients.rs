//! Clients.

use std::time::Duration;

use remint_protocol::client::{
    AuthMethod, Authorize, Client, GrantType, Links, RefreshTokens, RelyingParty,
};
use remint_protocol::ends::LastEnd;
use remint_protocol::pkce::Pkce;
use remint_protocol::policy::{MaxLifetime, OnReuse, Overrides};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::resource::Resources;
use remint_protocol::response::{ResponseMode, ResponseType};
use remint_protocol::scope::Scope;
use remint_store::Outcome;

use crate::backend::on_every_backend;
use crate::samples::{
    USER, at, client, family, load, register, registered, resources, secret, sign_in,
};

/// Each setting departed from, once alone and once with all others.
fn every_override() -> Vec<Overrides> {
    let none = Overrides::default;
    let minutes = |n| Some(Duration::from_mins(n));
    let mut all = vec![none()];
    for flag in [true, false] {
        let renew_refresh_token = Some(flag);
        all.push(Overrides { renew_refresh_token, ..none() });
        all.push(Overrides { extend_on_renewal: Some(flag), ..none() });
        all.push(Overrides { revoke_access_token_on_refresh: Some(flag), ..none() });
    }
    for on_reuse in [OnReuse::Deny, OnReuse::RevokeFamily] {
        all.push(Overrides { on_reuse: Some(on_reuse), ..none() });
    }
    let longest = Duration::from_millis(i64::MAX.unsigned_abs());
    for max in [MaxLifetime::Endless, MaxLifetime::Of(Duration::ZERO), MaxLifetime::Of(longest)] {
        all.push(Overrides { refresh_token_max_lifetime: Some(max), ..none() });
    }
    all.push(Overrides { access_token_lifetime: minutes(1), ..none() });
    all.push(Overrides { refresh_token_lifetime: minutes(2), ..none() });
    all.push(Overrides { grace_period: Some(Duration::from_millis(1)), ..none() });
    all.push(Overrides {
        access_token_lifetime: minutes(1),
        refresh_token_lifetime: minutes(2),
        renew_refresh_token: Some(false),
        extend_on_renewal: Some(true),
        refresh_token_max_lifetime: Some(MaxLifetime::Of(Duration::from_mins(3))),
        grace_period: Some(Duration::ZERO),
        on_reuse: Some(OnReuse::Deny),
        revoke_access_token_on_refresh: Some(true),
    });
    all
}

fn uri(text: &str) -> RedirectUri {
    RedirectUri::register(text).unwrap()
}

/// What is registered at the authorization endpoint and as a relying party: each part departed from,
/// alone or with those that it goes together with.
fn every_application() -> Vec<Client> {
    let (authorize, party) = (Authorize::default, RelyingParty::default);
    let text = |text: &str| Some(text.to_owned());
    let uris = vec![uri("https://app.example/cb?x=1,2"), uri("com.example.app:/cb")];
    let most = (0..64).map(|n| uri(&format!("https://app.example/{n}"))).collect();
    let modes = vec![ResponseMode::FormPost, ResponseMode::Query];
    let max_age = |age| Authorize { default_max_age: Some(age), ..authorize() };
    let mut authorized = vec![
        Authorize { redirect_uris: uris, response_modes: modes, ..authorize() },
        Authorize {
            redirect_uris: most,
            response_types: ResponseType::ALL.to_vec(),
            ..authorize()
        },
        Authorize { pkce: Pkce::OrNonce, ..authorize() },
        Authorize { plain_challenge: true, ..authorize() },
        Authorize { repeat_redirect_uri: false, ..authorize() },
        Authorize { first_party: true, ..authorize() },
        max_age(Duration::ZERO),
        max_age(Duration::from_millis(i64::MAX.unsigned_abs())),
    ];
    for refresh_tokens in [RefreshTokens::OfflineAccess, RefreshTokens::Never] {
        authorized.push(Authorize { refresh_tokens, ..authorize() });
    }
    let links =
        Links { home: text("https://a"), policy: text("https://b"), terms: text("https://c") };
    let parties = [
        RelyingParty { id_token_alg: text("ES256"), ..party() },
        RelyingParty { pairwise_sector: text("app.example"), ..party() },
        RelyingParty { jwt_access_tokens: true, ..party() },
        RelyingParty {
            post_logout_redirect_uris: vec![uri("https://a/"), uri("https://b/")],
            ..party()
        },
        RelyingParty { backchannel_logout_uri: text("https://app.example/back"), ..party() },
        RelyingParty { frontchannel_logout_uri: text("https://app.example/front"), ..party() },
        RelyingParty {
            web_origins: vec!["https://a".into(), "http://localhost:1".into()],
            ..party()
        },
        RelyingParty { links, ..party() },
    ];
    let of_authorize =
        authorized.into_iter().map(|authorize| Client { authorize, ..client("shop") });
    let of_party =
        parties.into_iter().map(|relying_party| Client { relying_party, ..client("shop") });
    of_authorize.chain(of_party).collect()
}

fn every_shape() -> Vec<Client> {
    let mut all: Vec<_> = every_override()
        .into_iter()
        .map(|overrides| Client { overrides, ..client("shop") })
        .collect();
    all.extend(every_application());
    let methods = vec![AuthMethod::ClientSecretPost, AuthMethod::ClientSecretBasic];
    let grants = vec![GrantType::RefreshToken, GrantType::ClientCredentials];
    let serves = resources("https://c.example");
    let previous_secret = Some((secret(255), at(60)));
    all.push(Client { auth_methods: methods, grants, serves, ..client("shop") });
    all.push(Client {
        previous_secret,
        ended: LastEnd::uncounted(at(5)),
        enabled: false,
        ..client("shop")
    });
    all.push(Client {
        name: String::new(),
        auth_methods: vec![AuthMethod::None],
        secret: None,
        grants: vec![],
        scope: Scope::default(),
        resources: Resources::default(),
        ..client("shop")
    });
    all
}

#[test]
fn a_client_reads_back_with_every_field_after_create_and_after_update() {
    on_every_backend(async |place| {
        let store = place.open().await;
        for (n, shape) in (0..).zip(every_shape()) {
            let id = client(&format!("created-{n}")).id;
            let created = Client { id, ..shape.clone() };
            assert_eq!(store.create_client(&created).await.unwrap(), Outcome::Done);
            assert_eq!(registered(store.find_client(created.id.as_str()).await.unwrap()), created);

            let first = client(&format!("updated-{n}"));
            store.create_client(&first).await.unwrap();
            let updated = Client { id: first.id.clone(), updated_at: at(1), ..shape };
            let outcome = store.update_client(&updated, first.updated_at).await.unwrap();
            assert_eq!(outcome, Outcome::Done);
            assert_eq!(registered(store.find_client(first.id.as_str()).await.unwrap()), updated);
        }
    });
}

#[test]
fn a_taken_id_is_a_conflict_and_changes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        store.create_client(&client("shop")).await.unwrap();
        let before = (place.dump("clients"), place.dump("meta"));
        let other = Client { name: "Another".into(), secret: None, ..client("shop") };
        assert_eq!(store.create_client(&other).await.unwrap(), Outcome::Conflict);
        assert_eq!((place.dump("clients"), place.dump("meta")), before);
    });
}

#[test]
fn ids_are_compared_byte_for_byte() {
    on_every_backend(async |place| {
        let store = place.open().await;
        store.create_client(&client("shop")).await.unwrap();
        for other in ["Shop", "shop ", "sho", "shop1", "", "s%", "sh_p"] {
            assert_eq!(store.find_client(other).await.unwrap(), None, "{other:?}");
        }
        assert_eq!(store.create_client(&client("Shop")).await.unwrap(), Outcome::Done);
    });
}

#[test]
fn of_two_who_change_a_client_at_once_the_second_is_refused_and_changes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        // The first one's clock may be behind.
        for (id, first_at) in [("shop", at(1)), ("other", at(-5_000))] {
            let seen = client(id);
            store.create_client(&seen).await.unwrap();
            let first = Client { name: "First".into(), updated_at: first_at, ..seen.clone() };
            let second = Client { name: "Second".into(), updated_at: at(2), ..seen.clone() };
            let update = async |client, seen: &Client| {
                store.update_client(client, seen.updated_at).await.unwrap()
            };
            assert_eq!(update(&first, &seen).await, Outcome::Done);
            let before = (place.dump("clients"), place.dump("meta"));
            assert_eq!(update(&second, &seen).await, Outcome::Conflict);
            assert_eq!((place.dump("clients"), place.dump("meta")), before);
            assert_eq!(update(&second, &first).await, Outcome::Done);
        }
    });
}

#[test]
fn a_client_that_was_registered_anew_is_not_overwritten_by_what_was_read_before() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let old = client("shop");
        store.create_client(&old).await.unwrap();
        store.delete_client(&old.id).await.unwrap();
        let new = Client { created_at: at(1), ..old.clone() };
        store.create_client(&new).await.unwrap();
        assert_eq!(store.update_client(&old, old.updated_at).await.unwrap(), Outcome::Conflict);
        assert_eq!(registered(store.find_client("shop").await.unwrap()), new);
    });
}

#[test]
fn clients_are_listed_page_by_page_in_the_order_of_their_ids() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let ids = ["c", "B", "a2", "d-", "a10", "_", "~", "0"];
        for id in ids {
            store.create_client(&client(id)).await.unwrap();
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        for limit in [1, 3, 8, 9] {
            let (mut listed, mut after) = (Vec::new(), String::new());
            loop {
                let page = store.list_clients(&after, limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                after = last.id.to_string();
                listed.extend(page.into_iter().map(|client| registered(Some(client))));
            }
            let expected: Vec<_> = sorted.iter().map(|id| client(id)).collect();
            assert_eq!(listed, expected, "in pages of {limit}");
        }
    });
}

#[test]
fn every_change_of_a_client_raises_the_revision() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let mut seen = store.revision().await.unwrap();
        let mut rises = async |what: &str| {
            let now = store.revision().await.unwrap();
            assert!(now > seen, "{what} did not raise the revision");
            seen = now;
        };
        let shop = client("shop");
        store.create_client(&shop).await.unwrap();
        rises("create").await;
        let changed = Client { updated_at: at(1), ..shop.clone() };
        store.update_client(&changed, shop.updated_at).await.unwrap();
        rises("update").await;
        store.end_client_sessions(&shop.id, at(2)).await.unwrap();
        rises("ending its sessions").await;
        store.end_all_sessions(at(3)).await.unwrap();
        rises("ending all sessions").await;
        store.delete_client(&shop.id).await.unwrap();
        rises("delete").await;
    });
}

#[test]
fn an_unknown_client_is_neither_found_nor_updated_nor_deleted() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let ghost = client("ghost");
        let before = place.dump("meta");
        assert_eq!(store.find_client("ghost").await.unwrap(), None);
        assert_eq!(store.update_client(&ghost, ghost.updated_at).await.unwrap(), Outcome::Conflict);
        assert_eq!(store.delete_client(&ghost.id).await.unwrap(), Outcome::Conflict);
        assert_eq!(place.dump("clients").len(), 0);
        assert_eq!(place.dump("meta"), before, "nothing changed, so no cache is stale");
    });
}

#[test]
fn deleting_a_client_deletes_its_families_and_no_others() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let other = client("other");
        store.create_client(&other).await.unwrap();
        let families = sign_in(&store, &shop, 3).await;
        let kept = family(9, &other, USER);
        store.insert_family(&kept, None).await.unwrap();
        assert_eq!(store.delete_client(&shop.id).await.unwrap(), Outcome::Done);
        assert_eq!(store.find_client("shop").await.unwrap(), None);
        for family in families {
            assert_eq!(store.load_family(family.id).await.unwrap(), None);
        }
        assert_eq!(load(&store, kept.id).await, kept);
        assert_eq!(place.dump("families").len(), 1);
    });
}

#[test]
fn ending_the_sessions_of_a_client_never_brings_ended_ones_back() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let (shop, other) = (client("shop"), client("other"));
        store.create_client(&shop).await.unwrap();
        store.create_client(&other).await.unwrap();
        let ends =
            async |id: &str| store.find_client(id).await.unwrap().unwrap().ended.at.as_millis();
        store.end_client_sessions(&shop.id, at(10)).await.unwrap();
        assert_eq!(ends("shop").await, at(10).as_millis());
        assert_eq!(ends("other").await, 0);
        store.end_client_sessions(&shop.id, at(5)).await.unwrap();
        assert_eq!(ends("shop").await, at(10).as_millis(), "a clock went backwards");
        store.end_all_sessions(at(7)).await.unwrap();
        assert_eq!(ends("shop").await, at(10).as_millis());
        assert_eq!(ends("other").await, at(7).as_millis());
    });
}

#[test]
fn web_origins_are_those_of_enabled_clients_with_the_revision_they_are_of() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let revision = store.revision().await.unwrap();
        assert_eq!(store.list_web_origins(10).await.unwrap(), (vec![vec![]], revision));
        let with = |id: &str, origins: &[&str]| {
            let mut client = client(id);
            client.relying_party.web_origins = origins.iter().map(|o| (*o).to_owned()).collect();
            client
        };
        let disabled = Client { enabled: false, ..with("c", &["https://c"]) };
        for client in [with("b", &["https://b", "https://x"]), with("a", &["https://a"]), disabled]
        {
            store.create_client(&client).await.unwrap();
        }
        store.create_client(&client("d")).await.unwrap();
        let (listed, of) = store.list_web_origins(10).await.unwrap();
        assert_eq!(listed, [vec!["https://a"], vec!["https://b", "https://x"]]);
        assert_eq!(of, revision + 4);
        assert_eq!(store.list_web_origins(1).await.unwrap().0, [["https://a"]]);
    });
}

#[test]
fn sessions_that_ended_while_a_client_was_edited_stay_ended() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let read = client("shop");
        store.create_client(&read).await.unwrap();
        store.end_client_sessions(&read.id, at(10)).await.unwrap();
        let edited = Client { name: "Edited".into(), updated_at: at(11), ..read.clone() };
        assert_eq!(store.update_client(&edited, read.updated_at).await.unwrap(), Outcome::Done);
        let saved = store.find_client("shop").await.unwrap().unwrap();
        let ended = LastEnd { number: store.ends().await.unwrap(), at: at(10) };
        assert_eq!(saved, Client { ended, ..edited });
    });
}
