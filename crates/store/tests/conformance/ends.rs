//! Ends are counted: clocks that differ by up to a day, in either direction, rows from before ends were
//! counted, and nodes of the version before, which know times alone.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use remint_protocol::browser_session::BrowserSession;
use remint_protocol::client::Client;
use remint_protocol::ends::Ends;
use remint_protocol::family::{Family, Loaded, RevokeReason};
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;
use remint_store::{FoundClient, KnownClient, Outcome, Outdated, Store};

use crate::backend::{Place, on_every_backend, on_every_backend_by_hand};
use crate::samples::{USER, at, browser, client, create_user, family, family_at, insert};

const BOB: UserId = UserId([8; 16]);
const DAY: i64 = 86_400;

/// Who does something, by a clock of their own.
#[derive(Clone, Copy, Debug)]
struct Clock {
    secs_ahead: i64,
    /// A node of the version before, which compares times.
    is_old: bool,
}

#[derive(Clone, Copy, Debug)]
enum End {
    User,
    Password,
    Client,
    All,
    Consent,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A password is proven for tokens.
    Grant {
        bob: bool,
        other: bool,
    },
    /// A password is proven at a browser.
    SignIn {
        bob: bool,
    },
    /// Somebody authorizes an application at a browser that they signed in at; the code waits.
    Authorize {
        browser: usize,
        other: bool,
    },
    /// A code is redeemed.
    Redeem {
        code: usize,
    },
    End(End, bool, bool),
}

fn any_event() -> impl Strategy<Value = (Event, Clock)> {
    let end = prop_oneof![
        Just(End::User),
        Just(End::Password),
        Just(End::Client),
        Just(End::All),
        Just(End::Consent)
    ];
    let event = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(bob, other)| Event::Grant { bob, other }),
        3 => any::<bool>().prop_map(|bob| Event::SignIn { bob }),
        4 => (0..8_usize, any::<bool>())
            .prop_map(|(browser, other)| Event::Authorize { browser, other }),
        4 => (0..8_usize).prop_map(|code| Event::Redeem { code }),
        3 => (end, any::<bool>(), any::<bool>()).prop_map(|(end, bob, other)| Event::End(end, bob, other)),
    ];
    let clock = (prop_oneof![Just(0), -DAY..DAY], prop::bool::weighted(0.25));
    (event, clock.prop_map(|(secs_ahead, is_old)| Clock { secs_ahead, is_old }))
}

/// What began, and which ends came after it: told from the order in which things happened, not from rows.
#[derive(Clone, Debug)]
struct Begun {
    user: UserId,
    client: String,
    /// The steps at which the user proved who they are, and at which they authorized it.
    proven: usize,
    authorized: usize,
}

struct Seat {
    session: BrowserSession,
    proven: usize,
}

struct Code {
    family: Family,
    seat: usize,
    begun: Begun,
}

struct World<'a> {
    place: &'a Place,
    store: Store,
    clients: [Client; 2],
    step: usize,
    seats: Vec<Seat>,
    codes: Vec<Code>,
    begun: BTreeMap<u32, Begun>,
    ends: Vec<(usize, End, UserId, String)>,
    /// The clients as a node read them after each step, and may know them still.
    known: Vec<FoundClient>,
    number: u32,
}

impl<'a> World<'a> {
    async fn new(place: &'a Place) -> Self {
        let store = place.open().await;
        let clients = [client("shop"), client("other")];
        for client in &clients {
            assert_eq!(store.create_client(client).await.unwrap(), Outcome::Done);
        }
        create_user(&store, USER, "alice").await;
        create_user(&store, BOB, "bob").await;
        let (seats, codes, ends) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            place,
            store,
            clients,
            step: 1,
            seats,
            codes,
            begun: BTreeMap::new(),
            ends,
            known: Vec::new(),
            number: 0,
        }
    }

    fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn client(&self, other: bool) -> Client {
        self.clients[usize::from(other)].clone()
    }

    async fn happen(&mut self, (event, clock): (Event, Clock)) {
        let now = at(i64::try_from(self.step).unwrap() * 10 + clock.secs_ahead);
        match event {
            Event::Grant { bob, other } => self.grant(who(bob), other, now).await,
            Event::SignIn { bob } => self.sign_in(who(bob), now, clock.is_old).await,
            Event::Authorize { browser, other } => self.authorize(browser, other, now).await,
            Event::Redeem { code } => self.redeem(code).await,
            Event::End(end, bob, other) => {
                let client = self.client(other);
                self.end(end, who(bob), &client, now, clock.is_old).await;
            }
        }
        self.step += 1;
        for client in &self.clients {
            let found = self.store.find_client_with_revision(client.id.as_str()).await;
            self.known.extend(found.unwrap());
        }
    }

    /// Whoever proves their password now gets in, whatever any clock has said before.
    async fn grant(&mut self, user: UserId, other: bool, now: Timestamp) {
        let (number, client) = (self.next(), self.client(other));
        let proven = self.store.load_user(user).await.unwrap().unwrap().ends;
        let begun = Family {
            proven,
            auth_time: now,
            created_at: now,
            user_id: user,
            ..family(number, &client, user)
        };
        assert_eq!(insert(&self.store, &begun).await, Outcome::Done);
        let (proven, authorized) = (self.step, self.step);
        let client = client.id.to_string();
        self.begun.insert(number, Begun { user, client, proven, authorized });
    }

    async fn sign_in(&mut self, user: UserId, now: Timestamp, is_old: bool) {
        let number = self.next();
        let proven = self.store.load_user(user).await.unwrap().unwrap().ends;
        let session = BrowserSession { proven, auth_time: now, ..browser(number, user) };
        let inserted = self.store.insert_browser_session(&session, None).await.unwrap();
        assert_eq!(inserted, Outcome::Done);
        if is_old {
            // As a node of the version before writes it.
            self.place.execute(&format!(
                "CREATE TABLE old AS SELECT id, user_id, created_at, secret_hash, auth_time, \
                 expires_at, amr, user_agent, source, seen_at, ended_at FROM browser_sessions \
                 WHERE user_agent = '{agent}'; \
                 DELETE FROM browser_sessions WHERE user_agent = '{agent}'; \
                 INSERT INTO browser_sessions (id, user_id, created_at, secret_hash, auth_time, \
                 expires_at, amr, user_agent, source, seen_at, ended_at) SELECT * FROM old; \
                 DROP TABLE old",
                agent = session.user_agent
            ));
            refresh(&self.store).await;
        }
        self.seats.push(Seat { session, proven: self.step });
    }

    async fn authorize(&mut self, seat: usize, other: bool, now: Timestamp) {
        let Some(index) = seat.checked_rem(self.seats.len()) else { return };
        let (number, client) = (self.next(), self.client(other));
        let seat = &self.seats[index];
        let visitor = self.store.load_browser_session(seat.session.id).await.unwrap().unwrap();
        let standing = visitor.user.as_ref().map(|(_, standing)| *standing);
        let is_alive = visitor.session.is_alive(standing, Duration::MAX, at(0));
        let user = seat.session.user_id;
        assert_eq!(is_alive, self.is_user_spared(user, seat.proven), "step {}", self.step);
        if !is_alive {
            return;
        }
        let family = Family {
            born: visitor.ends,
            proven: visitor.session.proven,
            auth_time: visitor.session.auth_time,
            created_at: now,
            ..family_at(number, &client, &seat.session)
        };
        let (proven, authorized) = (seat.proven, self.step);
        let begun = Begun { user, client: client.id.to_string(), proven, authorized };
        self.codes.push(Code { family, seat: index, begun });
    }

    async fn redeem(&mut self, code: usize) {
        let Some(index) = code.checked_rem(self.codes.len()) else { return };
        let code = self.codes.swap_remove(index);
        assert_eq!(self.seats[code.seat].session.user_id, code.begun.user);
        let outcome = insert(&self.store, &code.family).await;
        let expected = if self.is_alive(&code.begun) { Outcome::Done } else { Outcome::Conflict };
        assert_eq!(outcome, expected, "step {}: {:?}", self.step, code.begun);
        if outcome == Outcome::Done {
            let number = u32::from_be_bytes(*code.family.id.0.first_chunk().unwrap());
            self.begun.insert(number, code.begun);
        }
    }

    async fn end(&mut self, end: End, user: UserId, client: &Client, now: Timestamp, is_old: bool) {
        let before = self.store.ends().await.unwrap();
        if is_old {
            self.end_as_before(end, user, client, now);
            refresh(&self.store).await;
        } else {
            let outcome = match end {
                End::User => self.store.end_user_sessions(user, now).await,
                End::Password => self.store.set_password(user, "new", now).await,
                End::Client => self.store.end_client_sessions(&client.id, now).await,
                End::All => self.store.end_all_sessions(now).await,
                End::Consent => {
                    let pair = (user, &client.id);
                    self.store.revoke_consent(pair, RevokeReason::User, now).await
                }
            };
            assert_eq!(outcome.unwrap(), Outcome::Done);
        }
        assert!(self.store.ends().await.unwrap() > before);
        self.ends.push((self.step, end, user, client.id.to_string()));
    }

    /// As a node or a command of the version before writes it, in its statements. Its times rise in any
    /// case here: that it may end nothing under a clock that went backwards is its own fault.
    fn end_as_before(&self, end: End, user: UserId, client: &Client, now: Timestamp) {
        let name = if user == USER { "alice" } else { "bob" };
        let (now, id) = (now.as_millis(), client.id.as_str());
        let later = format!("(CASE WHEN not_before < {now} THEN {now} ELSE not_before + 1 END)");
        let consent =
            format!("FROM users u, clients c WHERE u.username = '{name}' AND c.id = '{id}'");
        self.place.execute(&match end {
            End::User | End::Password => {
                format!("UPDATE users SET not_before = {later} WHERE username = '{name}'")
            }
            End::Client => format!("UPDATE clients SET not_before = {later} WHERE id = '{id}'"),
            End::All => format!("UPDATE clients SET not_before = {later}"),
            End::Consent => {
                let theirs = format!("user_id = (SELECT id FROM users WHERE username = '{name}')");
                format!(
                    "UPDATE consents SET given_at = 0, not_before = {later} \
                     WHERE client_id = '{id}' AND {theirs}; \
                     INSERT INTO consents (id, user_id, client_id, scope, resources, given_at, \
                     not_before) SELECT CAST('{name} {id}' AS {bytes}), u.id, c.id, '', '', 0, \
                     {now} {consent} AND NOT EXISTS (SELECT 1 FROM consents WHERE client_id = '{id}' \
                     AND {theirs}); \
                     UPDATE families SET revoked_at = {now}, revoke_reason = 8 \
                     WHERE client_id = '{id}' AND {theirs} AND revoked_at IS NULL",
                    bytes = if self.place.is_slow() { "BYTEA" } else { "BLOB" },
                )
            }
        });
        if matches!(end, End::Consent) {
            // The key of the pair, as both versions make it.
            self.place.execute(&format!(
                "UPDATE consents SET id = {} WHERE client_id = '{id}'",
                if self.place.is_slow() {
                    "user_id || convert_to(client_id, 'UTF8')"
                } else {
                    "CAST(user_id || client_id AS BLOB)"
                }
            ));
        }
    }

    fn is_user_spared(&self, user: UserId, proven: usize) -> bool {
        !self.ends.iter().any(|(step, end, of, _)| {
            matches!(end, End::User | End::Password) && *of == user && *step > proven
        })
    }

    fn is_alive(&self, begun: &Begun) -> bool {
        let is_ended = self.ends.iter().any(|(step, end, of, client)| {
            *step > begun.authorized
                && match end {
                    End::User | End::Password => false,
                    End::All => true,
                    End::Client => *client == begun.client,
                    End::Consent => *client == begun.client && *of == begun.user,
                }
        });
        !is_ended && self.is_user_spared(begun.user, begun.proven)
    }

    /// Whoever knows a client from before is told the same as who reads it anew, or to do so.
    async fn check_known(&self, loaded: &Loaded) {
        let ends = self.store.ends().await.unwrap();
        for found in &self.known {
            let (id, ended) = (&found.client.id, found.client.ended);
            let known = KnownClient { id, ended, ends: found.ends };
            match self.store.load_family_of(loaded.family.id, &known).await.unwrap() {
                Ok(again) => assert_eq!(again.as_ref(), Some(loaded)),
                Err(Outdated) => {
                    assert!(*id != loaded.family.client_id || found.ends != ends);
                }
            }
        }
    }

    /// What says "ended" has ended all that was there, and nothing else.
    async fn check(&self) {
        for (number, begun) in &self.begun {
            let id = family(*number, &self.clients[0], USER).id;
            let loaded = self.store.load_family(id).await.unwrap().unwrap();
            assert_eq!(loaded.is_alive(at(1)), self.is_alive(begun), "{number}: {begun:?}");
            self.check_known(&loaded).await;
        }
        for user in [USER, BOB] {
            let alive = self.begun.values().filter(|b| b.user == user && self.is_alive(b)).count();
            let listed = self.store.list_live_families(user, at(1), 1_000).await.unwrap();
            assert_eq!(listed.len(), alive);
            let seats = self.seats.iter().filter(|seat| seat.session.user_id == user);
            let alive = seats.filter(|seat| self.is_user_spared(user, seat.proven)).count();
            let idle = Duration::from_hours(24 * 365);
            let listed = self.store.list_live_browser_sessions(user, (at(1), idle), 1_000).await;
            assert_eq!(listed.unwrap().len(), alive);
        }
    }
}

/// Commits nothing, so that what was written past the store is read at once.
async fn refresh(store: &Store) {
    store.see_browser_session(browser(0, USER).id, at(0)).await.unwrap();
}

fn who(bob: bool) -> UserId {
    if bob { BOB } else { USER }
}

#[test]
fn what_is_ended_is_over_and_whoever_signs_in_anew_gets_in_whatever_the_clocks_say() {
    on_every_backend_by_hand(|place, runtime| {
        let cases = if place.is_slow() { 24 } else { 150 };
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let rng = TestRng::deterministic_rng(config.rng_algorithm);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let history = prop::collection::vec(any_event(), 1..24);
        let ran = runner.run(&history, |events| {
            let place = place.another();
            runtime.block_on(async {
                let mut world = World::new(&place).await;
                for event in events {
                    world.happen(event).await;
                }
                world.check().await;
            });
            Ok(())
        });
        ran.unwrap_or_else(|error| panic!("{error}"));
    });
}

/// A failover, too, makes anew what is known; a change of the registration alone does not.
#[test]
fn a_client_is_known_until_anything_ends_it_is_deleted_or_the_epoch_rises() {
    on_every_backend(async |place| {
        for way in ["nothing", "change", "end", "delete", "epoch"] {
            let place = place.another();
            let mut world = World::new(&place).await;
            let store = world.store.clone();
            world.grant(USER, false, at(1)).await;
            let found = store.find_client_with_revision("shop").await.unwrap().unwrap();
            let outcome = match way {
                "change" => {
                    let changed =
                        Client { name: "Shop".into(), updated_at: at(9), ..found.client.clone() };
                    store.update_client(&changed, found.client.updated_at).await.unwrap()
                }
                "end" => store.end_user_sessions(BOB, at(1)).await.unwrap(),
                "delete" => store.delete_client(&found.client.id).await.unwrap(),
                "epoch" => store.raise_epoch().await.unwrap(),
                _ => Outcome::Done,
            };
            assert_eq!(outcome, Outcome::Done, "{way}");
            let FoundClient { client, ends, .. } = &found;
            let known = KnownClient { id: &client.id, ended: client.ended, ends: *ends };
            let id = family(1, client, USER).id;
            let again = store.load_family_of(id, &known).await.unwrap();
            let is_known = matches!(way, "nothing" | "change");
            // A deleted client's sessions are gone.
            assert_eq!(again.is_ok(), is_known || way == "delete", "{way}");
            assert_eq!(again.ok().flatten().is_some(), is_known, "{way}");
            assert_eq!(store.ends().await.unwrap() == *ends, is_known, "{way}");
            // The epoch is told by either way of loading.
            let found = store.find_client_with_revision("shop").await.unwrap();
            if let Some(FoundClient { client, ends, .. }) = &found {
                let known = KnownClient { id: &client.id, ended: client.ended, ends: *ends };
                let one = store.load_family_of(id, &known).await.unwrap();
                assert_eq!(one, Ok(store.load_family(id).await.unwrap()), "{way}");
            }
        }
    });
}

/// As the version before left them, and as a node of it goes on writing them.
#[test]
fn rows_from_before_live_on_until_the_first_end_that_is_counted_ends_them_all() {
    on_every_backend(async |place| {
        for ends_user in [true, false] {
            let place = place.another();
            let mut world = World::new(&place).await;
            let store = world.store.clone();
            let shop = world.clients[0].clone();
            world.grant(USER, false, at(DAY)).await;
            let seat = BrowserSession { auth_time: at(DAY), ..browser(2, USER) };
            store.insert_browser_session(&seat, None).await.unwrap();
            place.execute(
                "UPDATE families SET born = 0, proven = 0; UPDATE browser_sessions SET proven = 0; \
                 UPDATE users SET ended = 0; UPDATE clients SET ended = 0",
            );
            refresh(&store).await;
            let id = family(1, &shop, USER).id;
            let lives = async || store.load_family(id).await.unwrap().unwrap().is_alive(at(1));
            let sits = async || {
                let visitor = store.load_browser_session(seat.id).await.unwrap().unwrap();
                let standing = visitor.user.map(|(_, standing)| standing);
                visitor.session.is_alive(standing, Duration::MAX, at(1))
            };
            assert!(lives().await && sits().await);
            // By a clock that is a day behind the one that they began by.
            if ends_user {
                store.end_user_sessions(USER, at(0)).await.unwrap();
            } else {
                store.end_client_sessions(&shop.id, at(0)).await.unwrap();
            }
            assert!(!lives().await);
            assert_eq!(sits().await, !ends_user, "single sign-on goes on");
            world.step += 1;
            world.grant(USER, false, at(0)).await;
            let again = family(2, &shop, USER).id;
            assert!(store.load_family(again).await.unwrap().unwrap().is_alive(at(1)));
        }
    });
}

/// What is authorized at a browser, but not when, as the version before writes it.
#[test]
fn a_session_of_a_node_of_the_version_before_is_as_old_as_the_sign_in_that_it_stands_on() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = client("shop");
        store.create_client(&shop).await.unwrap();
        create_user(&store, USER, "alice").await;
        let proven = store.ends().await.unwrap();
        let seat = BrowserSession { proven, ..browser(1, USER) };
        store.insert_browser_session(&seat, None).await.unwrap();
        let begin = async |number: u32, kid: u8| {
            insert(&store, &Family { kid, born: proven, proven, ..family_at(number, &shop, &seat) })
                .await
        };
        // Written anew without the columns that the version before does not know.
        let old = |kid: u8| {
            let columns = "id, secret_hash, client_id, user_id, scope, resources, auth_time, acr, \
                amr, created_at, max_expires_at, generation, grace_floor, epoch, kid, rotated_at, \
                expires_at, confirmed, session_id, offline, claims";
            place.execute(&format!(
                "CREATE TABLE old AS SELECT {columns} FROM families WHERE kid = {kid}; \
                 DELETE FROM families WHERE kid = {kid}; \
                 INSERT INTO families ({columns}) SELECT {columns} FROM old; DROP TABLE old"
            ));
        };
        assert_eq!(begin(1, 7).await, Outcome::Done);
        old(7);
        refresh(&store).await;
        let load = async |number| {
            store.load_family(family(number, &shop, USER).id).await.unwrap().unwrap()
        };
        let loaded = load(1).await;
        assert_eq!((loaded.family.born, loaded.family.proven), (proven, proven));
        assert!(loaded.is_alive(at(1)));
        store.end_client_sessions(&shop.id, at(0)).await.unwrap();
        assert!(!load(1).await.is_alive(at(1)));
        // A code of before that is redeemed at an old node is not told from one of after it.
        assert_eq!(begin(2, 8).await, Outcome::Conflict, "at a node of this version it is told");
        let now = store.ends().await.unwrap();
        let at_old_node = Family { kid: 8, born: now, proven, ..family_at(2, &shop, &seat) };
        assert_eq!(insert(&store, &at_old_node).await, Outcome::Done);
        old(8);
        refresh(&store).await;
        assert!(!load(2).await.is_alive(at(1)));
        // Who signs in anew gets in.
        let anew = BrowserSession { proven: store.ends().await.unwrap(), ..browser(3, USER) };
        store.insert_browser_session(&anew, None).await.unwrap();
        let late = Family { kid: 9, proven: anew.proven, ..family_at(4, &shop, &anew) };
        assert_eq!(insert(&store, &late).await, Outcome::Done);
        old(9);
        refresh(&store).await;
        assert!(load(4).await.is_alive(at(1)));
    });
}

#[test]
fn no_number_of_an_end_is_used_again_after_commits_were_lost() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = client("shop");
        store.create_client(&shop).await.unwrap();
        let before = store.ends().await.unwrap();
        assert_eq!(before.epoch(), 0);
        store.raise_epoch().await.unwrap();
        let after = store.ends().await.unwrap();
        assert_eq!(after, Ends::new(1 << 32));
        store.end_client_sessions(&shop.id, at(0)).await.unwrap();
        assert_eq!(store.ends().await.unwrap(), Ends::new((1 << 32) + 1));
        store.raise_epoch().await.unwrap();
        assert_eq!(store.ends().await.unwrap(), Ends::new(2 << 32));
    });
}

/// What was issued to another client of that name, and what was allowed to it, is not this one's.
#[test]
fn a_client_that_is_registered_anew_has_nothing_of_the_one_before_whatever_the_clocks_say() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = client("shop");
        store.create_client(&shop).await.unwrap();
        create_user(&store, USER, "alice").await;
        let given = crate::samples::consent(USER, &shop);
        store.save_consent(&given, None).await.unwrap();
        let before = store.ends().await.unwrap();
        store.delete_client(&shop.id).await.unwrap();
        // A page of before that is answered after it.
        store.save_consent(&given, None).await.unwrap();
        store.create_client(&Client { created_at: at(-DAY), ..shop.clone() }).await.unwrap();
        assert_eq!(store.load_consent(USER, &shop.id).await.unwrap(), None);
        let found = store.find_client("shop").await.unwrap().unwrap();
        assert!(found.ended.number > before, "what saw less was issued to the other one");
        let taken = store.create_client(&shop).await.unwrap();
        assert_eq!(taken, Outcome::Conflict);
    });
}
