//! The rows that codes begin, when several present one code at the same moment or its client was ended since:
//! what the token endpoint does in the store, on each engine.

use remint_protocol::family::{Family, RevokeReason};
use remint_store::Outcome;

use crate::backend::on_every_backend;
use crate::samples::{USER, at, family, load, register};

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
        let store = place.open().await;
        let shop = register(&store).await;
        store.end_client_sessions(&shop.id, at(50)).await.unwrap();
        let late = Family { created_at: at(100), rotated_at: at(100), ..family(1, &shop, USER) };
        for issued_at in [at(49), at(50)] {
            assert_eq!(store.redeem_code(&late, issued_at).await.unwrap(), Outcome::Conflict);
        }
        assert_eq!(place.dump("families").len(), 0);
        assert_eq!(store.redeem_code(&late, at(51)).await.unwrap(), Outcome::Done);
    });
}
