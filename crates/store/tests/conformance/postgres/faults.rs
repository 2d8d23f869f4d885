//! Networks that fail: what was answered is there, what was not is there wholly or not at all, nothing
//! hangs, and the store works again by itself.

use std::time::Duration;

use remint_protocol::family::{Family, RevokeReason};
use remint_store::postgres::Settings;
use remint_store::{Outcome, Store};
use remint_testbed::Proxy;
use tokio::time::sleep;

use super::{
    BEHIND, answered, cause, check_answer, impatient, narrow, none, populated, proxied, refused,
    works_again,
};
use crate::backend::{Place, Together, on_postgres, session, settings, soon};
use crate::samples::{at, load, rotation};

/// A store behind a network that fails on request, and one that is spared.
struct Behind<'a> {
    place: &'a Place,
    proxy: Proxy,
    url: String,
    store: Store,
    spared: Store,
    families: Vec<Family>,
}

impl Behind<'_> {
    /// Waits until the server is done with what reached it over connections that were cut. The store
    /// makes new ones by itself, so none gets through meanwhile.
    async fn is_over(&self) {
        self.proxy.refuse(true);
        self.proxy.cut();
        none(self.place.database(), &format!("application_name = '{BEHIND}'")).await;
        self.proxy.refuse(false);
    }
}

async fn behind(place: &Place, families: u32, how: impl Fn(&str) -> Settings) -> Behind<'_> {
    let (spared, _, families) = populated(&place.database().url(), families).await;
    let (proxy, url) = proxied(&place.database().url());
    let store = Store::connect(how(&url)).await.unwrap();
    Behind { place, proxy, url, store, spared, families }
}

#[test]
fn connections_cut_under_200_rotations_lose_answers_and_nothing_that_was_answered() {
    on_postgres(async |place| {
        let all = behind(&place, 200, settings).await;
        let Behind { proxy, store, spared, .. } = &all;
        let mut families = all.families.clone();
        let mut unanswered = 0;
        for round in 0..12 {
            let of = |family: &Family| rotation(family.id, family.generation);
            let rotations: Vec<_> = families.iter().map(of).collect();
            // What stands still until the cut never arrives; later cuts lose the answers alone.
            let stands_still = round % 3 == 0;
            proxy.freeze(stands_still);
            let flying = Together::begin(rotations.iter().map(|r| store.rotate(r))).await;
            sleep(Duration::from_micros(if stands_still { 5_000 } else { 300 * round })).await;
            proxy.cut();
            proxy.freeze(false);
            let answers = answered(flying.finish()).await;
            proxy.cut();
            all.is_over().await;
            for ((family, rotation), answer) in families.iter_mut().zip(&rotations).zip(&answers) {
                *family = check_answer(spared, family, rotation, answer).await;
                unanswered += u32::from(answer.is_err());
            }
            families[0] = works_again(store, &families[0]).await;
        }
        assert!(unanswered >= 200, "{unanswered}");
    });
}

/// Whether a rotation was answered although the network broke after so many bytes; `None` when it was
/// not and nevertheless happened.
async fn is_done_after(all: &mut Behind<'_>, bytes: u64) -> Option<bool> {
    let rotation = rotation(all.families[0].id, all.families[0].generation);
    all.proxy.cut_after_bytes(bytes);
    let answer = answered(all.store.rotate(&rotation)).await;
    all.proxy.cut_after_bytes(u64::MAX);
    if answer.is_err() {
        all.proxy.cut();
        all.is_over().await;
    }
    all.families[0] = check_answer(&all.spared, &all.families[0], &rotation, &answer).await;
    let happened = all.families[0].generation == rotation.to;
    (answer.is_ok() || !happened).then_some(answer.is_ok())
}

/// The same over a connection that is there and has been used.
async fn is_done_when_connected(all: &mut Behind<'_>, bytes: u64) -> Option<bool> {
    all.families[0] = works_again(&all.store, &all.families[0]).await;
    is_done_after(all, bytes).await
}

/// How many bytes a rotation sends.
async fn length(all: &mut Behind<'_>) -> u64 {
    let (mut low, mut high) = (0, 4_096);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        match is_done_when_connected(all, middle).await {
            Some(true) | None => high = middle,
            Some(false) => low = middle,
        }
    }
    high
}

#[test]
fn a_cut_in_the_middle_of_a_message_loses_it_and_one_at_its_end_only_the_answer() {
    on_postgres(async |place| {
        let mut all = behind(&place, 1, narrow).await;
        let length = length(&mut all).await;
        for (bytes, expected) in [
            (0, Some(false)),
            (1, Some(false)),
            (length / 2, Some(false)),
            (length - 1, Some(false)),
            (length + 1, Some(true)),
        ] {
            let is_done = is_done_when_connected(&mut all, bytes).await;
            assert_eq!(is_done, expected, "{bytes} of {length} bytes");
        }
        // The server has it all; its answer may be faster than the cut.
        assert_ne!(is_done_when_connected(&mut all, length).await, Some(false));
    });
}

#[test]
fn a_cut_while_connecting_is_no_worse_than_one_later() {
    on_postgres(async |place| {
        let mut all = behind(&place, 1, narrow).await;
        let mut answers = [0, 0];
        for bytes in (0..4_000).step_by(400) {
            all.families[0] = works_again(&all.store, &all.families[0]).await;
            all.proxy.refuse(true);
            all.proxy.cut();
            let next = rotation(all.families[0].id, all.families[0].generation);
            // The first may be told so by the connection that it had.
            for _ in 0..2 {
                cause(all.store.rotate(&next).await);
            }
            all.proxy.refuse(false);
            // What failed to connect is not tried again at once.
            sleep(Duration::from_millis(110)).await;
            let is_done = is_done_after(&mut all, bytes).await;
            answers[usize::from(is_done == Some(true))] += 1;
        }
        assert!(answers.iter().all(|times| *times > 0), "{answers:?}");
        for bytes in [0, 40, 100, 400] {
            all.proxy.cut_after_bytes(bytes);
            refused(narrow(&all.url)).await;
        }
    });
}

#[test]
fn a_server_that_stands_still_makes_the_store_unavailable_not_stuck() {
    on_postgres(async |place| {
        let Behind { proxy, url, store, spared, families, .. } = behind(&place, 1, impatient).await;
        let family = works_again(&store, &families[0]).await;
        proxy.freeze(true);
        let move_on = rotation(family.id, family.generation);
        let (rotated, loaded, revoked) = answered(async {
            tokio::join!(
                store.rotate(&move_on),
                store.load_family(family.id),
                store.revoke_family(family.id, RevokeReason::Operator, at(9)),
            )
        })
        .await;
        for cause in [cause(rotated), cause(loaded), cause(revoked)] {
            assert!(cause.contains("in time"), "{cause}");
        }
        // Lanes that have to connect first are no different.
        assert!(cause(answered(store.ping()).await).contains("in time"));
        assert!(refused(impatient(&url)).await.to_string().ends_with("no answer in time"));
        proxy.freeze(false);
        // Whether the revocation happened is unknown, as is whether the rotation did before it.
        let found = load(&spared, family.id).await;
        assert!((family.generation..=family.generation + 1).contains(&found.generation));
        soon("it answers", async || store.ping().await.is_ok()).await;
    });
}

#[test]
fn a_server_that_refuses_connections_is_said_to_be_away_until_it_is_back() {
    on_postgres(async |place| {
        let Behind { proxy, url, store, spared, families, .. } = behind(&place, 1, settings).await;
        let family = works_again(&store, &families[0]).await;
        proxy.refuse(true);
        proxy.cut();
        let next = rotation(family.id, family.generation);
        for _ in 0..50 {
            cause(answered(store.rotate(&next)).await);
            cause(answered(store.load_family(family.id)).await);
        }
        let error = refused(settings(&url)).await.to_string();
        assert!(error.starts_with(&format!("cannot use the database {url}: ")), "{error}");
        assert_eq!(load(&spared, family.id).await, family);
        proxy.refuse(false);
        works_again(&store, &family).await;
    });
}

#[test]
fn a_row_that_another_session_holds_makes_its_rotation_unavailable_and_stays_as_it_is() {
    on_postgres(async |place| {
        let (direct, _, families) = populated(&place.database().url(), 2).await;
        let store = Store::connect(impatient(&place.database().url())).await.unwrap();
        let other = session(&place.database().url()).await;
        other
            .batch_execute("BEGIN; SELECT FROM families ORDER BY id LIMIT 1 FOR UPDATE")
            .await
            .unwrap();
        let of_first = rotation(families[0].id, 0);
        let why = cause(answered(store.rotate(&of_first)).await);
        assert!(why.contains("statement timeout"), "{why}");
        let end = store.revoke_family(families[0].id, RevokeReason::Operator, at(9));
        assert!(cause(answered(end).await).contains("statement timeout"));
        assert_eq!(load(&store, families[0].id).await, families[0], "reads wait for no one");
        assert_eq!(store.rotate(&rotation(families[1].id, 0)).await.unwrap(), Outcome::Done);
        other.batch_execute("LOCK TABLE meta").await.unwrap();
        let error = refused(impatient(&place.database().url())).await.to_string();
        assert!(error.ends_with("no answer in time"), "{error}");
        other.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(load(&direct, families[0].id).await, families[0]);
        works_again(&store, &families[0]).await;
    });
}
