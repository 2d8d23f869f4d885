//! Who is to be told of the end of a session.

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client::Client;
use remint_protocol::family::{Family, Origin};
use remint_protocol::family_id::FamilyId;
use remint_protocol::logout_notice::{LogoutNotice, forgotten};
use remint_protocol::secret::SecretHash;
use remint_protocol::user::UserId;
use remint_store::{Outcome, Store};

use crate::backend::on_every_backend;
use crate::samples::{FIRST, USER, at, bytes, client, create_user, family, register};

const SESSION: BrowserSessionId = BrowserSessionId([1; 16]);
const OTHER_SESSION: BrowserSessionId = BrowserSessionId([2; 16]);

async fn begin(store: &Store, id: BrowserSessionId, user: UserId) {
    let session = BrowserSession {
        id,
        secret_hash: SecretHash([2; 32]),
        user_id: user,
        auth_time: at(-10),
        proven: FIRST,
        expires_at: at(100_000),
        amr: "pwd".into(),
        created_at: at(-10),
        seen_at: at(-10),
        user_agent: String::new(),
        source: String::new(),
        ended_at: None,
    };
    assert_eq!(store.insert_browser_session(&session, None).await.unwrap(), Outcome::Done);
}

/// A client that wants to be told, by both channels.
async fn listening(store: &Store, id: &str) -> Client {
    let mut client = client(id);
    client.relying_party.backchannel_logout_uri = Some(format!("https://{id}.example/back"));
    client.relying_party.frontchannel_logout_uri = Some(format!("https://{id}.example/front"));
    assert_eq!(store.create_client(&client).await.unwrap(), Outcome::Done);
    client
}

async fn give(store: &Store, number: u32, client: &Client, session: Option<BrowserSessionId>) {
    let offline = number.is_multiple_of(2);
    let origin = Origin { browser_session: session, offline, ..Origin::default() };
    let family = Family { origin, ..family(number, client, USER) };
    let begun = match session {
        Some(_) => store.insert_family_at_browser(&family, SecretHash([2; 32])).await,
        None => store.insert_family(&family, None).await,
    };
    assert_eq!(begun.unwrap(), Outcome::Done);
}

/// `shop`, which does not listen, and `a`, `b` and `c`, which do. All but `c` have tokens of [`SESSION`], `a`
/// several; `c` has some of [`OTHER_SESSION`], and some of a password alone.
async fn fill(store: &Store) {
    let shop = register(store).await;
    begin(store, SESSION, USER).await;
    begin(store, OTHER_SESSION, USER).await;
    let [a, b, c] =
        [listening(store, "a").await, listening(store, "b").await, listening(store, "c").await];
    let all = [
        (&shop, Some(SESSION)),
        (&a, Some(SESSION)),
        (&a, Some(SESSION)),
        (&b, Some(SESSION)),
        (&c, Some(OTHER_SESSION)),
        (&c, None),
    ];
    for (number, (client, session)) in (0..).zip(all) {
        give(store, number, client, session).await;
    }
}

/// All that is due, client by client.
async fn notices(store: &Store, secs: i64) -> Vec<LogoutNotice> {
    let mut all = Vec::new();
    for client in store.list_clients_to_tell(None, at(secs), 100).await.unwrap() {
        let due = store.list_due_logout_notices(&client, at(secs), 100).await.unwrap();
        assert!(!due.is_empty(), "{client} has nothing");
        all.extend(due);
    }
    all
}

async fn due(store: &Store, secs: i64) -> Vec<(String, BrowserSessionId)> {
    let all = notices(store, secs).await;
    let mut all: Vec<_> =
        all.into_iter().map(|n| (n.client_id.as_str().to_owned(), n.browser_session)).collect();
    all.sort();
    all
}

fn named(all: &[(&str, BrowserSessionId)]) -> Vec<(String, BrowserSessionId)> {
    all.iter().map(|(client, session)| ((*client).to_owned(), *session)).collect()
}

#[test]
fn the_end_of_a_session_concerns_each_client_that_got_tokens_in_it_once() {
    on_every_backend(async |place| {
        let store = place.open().await;
        fill(&store).await;
        store.end_browser_session((UserId([9; 16]), SESSION), at(1)).await.unwrap();
        assert_eq!(due(&store, 1).await, [], "it is another one's session");
        store.end_browser_session((USER, SESSION), at(1)).await.unwrap();
        assert_eq!(due(&store, 0).await, [], "not before it ended");
        assert_eq!(due(&store, 1).await, named(&[("a", SESSION), ("b", SESSION)]));
        assert_eq!(notices(&store, 1).await[0], notice());
        for notice in notices(&store, 1).await {
            store.delete_logout_notice(&notice).await.unwrap();
        }
        store.end_browser_session((USER, SESSION), at(2)).await.unwrap();
        assert_eq!(due(&store, 9).await, [], "it was over already");
    });
}

#[test]
fn what_was_given_up_is_listed_and_not_due_until_it_is_forgotten() {
    on_every_backend(async |place| {
        let store = place.open().await;
        fill(&store).await;
        store.end_browser_session((USER, SESSION), at(1)).await.unwrap();
        let all = notices(&store, 1).await;
        store.give_up_logout_notice(&all[0].given_up(at(5))).await.unwrap();
        assert_eq!(due(&store, 1_000_000).await, named(&[("b", SESSION)]));
        let listed = store.list_logout_notices(None, 10).await.unwrap();
        let given_up: Vec<_> = listed.iter().map(LogoutNotice::given_up_at).collect();
        assert_eq!(given_up, [Some(at(5)), None]);
        assert_eq!(store.list_logout_notices(None, 1).await.unwrap(), listed[..1]);
        assert_eq!(store.list_logout_notices(listed.first(), 10).await.unwrap(), listed[1..]);
        assert_eq!(store.list_logout_notices(listed.last(), 10).await.unwrap(), []);
        let client = &all[0].client_id;
        for (secs, left) in [(5 + 7 * 86_400, 2), (6 + 7 * 86_400, 1)] {
            store.forget_logout_notices(client, forgotten(at(secs))).await.unwrap();
            assert_eq!(store.list_logout_notices(None, 10).await.unwrap().len(), left, "{secs}");
        }
        assert_eq!(due(&store, 1).await, named(&[("b", SESSION)]), "what waits is not forgotten");
    });
}

#[test]
fn what_ends_all_sessions_of_a_user_concerns_the_clients_of_all_of_them() {
    for way in 0..3 {
        on_every_backend(async |place| {
            let store = place.open().await;
            fill(&store).await;
            create_user(&store, UserId([9; 16]), "bob").await;
            for (user, expected) in [(UserId([9; 16]), 0), (USER, 3)] {
                match way {
                    0 => store.set_password(user, "new", at(1)).await.unwrap(),
                    1 => store.set_user_enabled(user, false, at(1)).await.unwrap(),
                    _ => store.end_user_sessions(user, at(1)).await.unwrap(),
                };
                assert_eq!(due(&store, 1).await.len(), expected, "way {way}");
            }
            let expected = [("a", SESSION), ("b", SESSION), ("c", OTHER_SESSION)];
            assert_eq!(due(&store, 1).await, named(&expected));
            for notice in notices(&store, 1).await {
                store.delete_logout_notice(&notice).await.unwrap();
            }
            store.end_user_sessions(USER, at(2)).await.unwrap();
            store.end_browser_session((USER, SESSION), at(2)).await.unwrap();
            assert_eq!(due(&store, 2).await, [], "way {way}: they were over already");
        });
    }
}

fn notice() -> LogoutNotice {
    LogoutNotice {
        client_id: client("a").id,
        browser_session: SESSION,
        user_id: USER,
        created_at: at(1),
        attempts: 0,
        due_at: at(1),
    }
}

#[test]
fn of_those_who_take_a_notice_at_once_one_has_it_until_it_is_due_again() {
    on_every_backend(async |place| {
        let store = place.open().await;
        fill(&store).await;
        store.end_browser_session((USER, SESSION), at(1)).await.unwrap();
        let attempted = notice().attempted(at(5)).unwrap();
        let take = || store.take_logout_notice(at(1), &attempted);
        let taken = [take().await.unwrap(), take().await.unwrap()];
        assert_eq!(taken, [Outcome::Done, Outcome::Conflict]);
        assert_eq!(due(&store, 19).await, named(&[("b", SESSION)]));
        assert_eq!(notices(&store, 20).await[0], attempted);
        // Only what is due is put off.
        store.postpone_logout_notices(&client("b").id, at(5), at(40)).await.unwrap();
        store.postpone_logout_notices(&client("a").id, at(5), at(40)).await.unwrap();
        assert_eq!(due(&store, 39).await, named(&[("a", SESSION)]));
        assert_eq!(due(&store, 40).await.len(), 2);
    });
}

#[test]
fn clients_that_are_to_be_told_come_in_order_however_much_each_has_to_hear() {
    on_every_backend(async |place| {
        let store = place.open().await;
        register(&store).await;
        let mut number = 0;
        for (id, sessions) in [("a", 1), ("b", 40), ("b2", 1), ("c", 2), ("d", 1)] {
            let client = listening(&store, id).await;
            for _ in 0..sessions {
                number += 1;
                let session = BrowserSessionId(bytes(number));
                begin(&store, session, USER).await;
                give(&store, number, &client, Some(session)).await;
                let end = if id == "c" { 3 } else { i64::from(number) % 2 + 1 };
                store.end_browser_session((USER, session), at(end)).await.unwrap();
            }
        }
        let list = async |last: Option<&str>, secs, limit| {
            let last = last.map(|id| client(id).id);
            let all = store.list_clients_to_tell(last.as_ref(), at(secs), limit).await.unwrap();
            all.iter().map(|client| client.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list(None, 3, 9).await, ["a", "b", "b2", "c", "d"]);
        assert_eq!(list(None, 2, 9).await, ["a", "b", "b2", "d"], "what is not due is passed over");
        assert_eq!(list(None, 3, 2).await, ["a", "b"]);
        assert_eq!(list(Some("b"), 3, 2).await, ["b2", "c"]);
        assert_eq!(list(Some("bb"), 3, 9).await, ["c", "d"], "after one that has none");
        assert_eq!(list(Some("d"), 3, 9).await, [""; 0]);
        let b = client("b").id;
        let all = store.list_due_logout_notices(&b, at(2), 30).await.unwrap();
        assert_eq!(all.len(), 30);
        assert!(all.iter().all(|notice| notice.client_id == b));
        assert!(all.is_sorted_by_key(|notice| notice.due_at), "the oldest is first");
        assert_eq!(store.list_due_logout_notices(&b, at(1), 30).await.unwrap().len(), 20);
    });
}

#[test]
fn the_browser_loads_the_urls_of_the_clients_of_its_session() {
    on_every_backend(async |place| {
        let store = place.open().await;
        fill(&store).await;
        let list = |limit| store.list_frontchannel_clients((USER, SESSION), limit);
        let mut all = list(9).await.unwrap();
        all.sort();
        assert_eq!(all, [client("a").id, client("b").id]);
        assert_eq!(list(1).await.unwrap().len(), 1);
    });
}

#[test]
fn an_expired_family_stays_until_the_session_that_it_was_given_in_is_over() {
    on_every_backend(async |place| {
        let store = place.open().await;
        fill(&store).await;
        let sweep = || store.delete_expired_families(None, FamilyId([0xff; 16]), at(50_000));
        sweep().await.unwrap();
        let is_there =
            async |number| store.load_family(FamilyId(bytes(number))).await.unwrap().is_some();
        assert!(is_there(1).await && is_there(4).await && !is_there(5).await);
        store.end_browser_session((USER, SESSION), at(60_000)).await.unwrap();
        sweep().await.unwrap();
        assert!(!is_there(1).await && is_there(4).await);
    });
}

/// Such as that of a machine before NTP had set it.
#[test]
fn a_client_is_told_at_once_of_what_a_clock_that_is_a_day_ahead_has_ended() {
    on_every_backend(async |place| {
        let store = place.open().await;
        fill(&store).await;
        store.end_browser_session((USER, SESSION), at(86_400)).await.unwrap();
        assert_eq!(due(&store, 1).await, named(&[("a", SESSION), ("b", SESSION)]));
        let one = notices(&store, 1).await.remove(0);
        let attempted = one.attempted(at(1)).unwrap();
        assert_eq!(store.take_logout_notice(one.due_at, &attempted).await.unwrap(), Outcome::Done);
        assert_eq!(due(&store, 2).await.len(), 1, "the pause is by the clock of who tried");
    });
}
