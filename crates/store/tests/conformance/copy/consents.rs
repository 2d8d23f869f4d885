//! Consents that were given and taken back on either side: whatever happened last counts.

use remint_protocol::consent::Consent;
use remint_protocol::ends::Ends;
use remint_protocol::family::{Family, RevokeReason};
use remint_store::Outcome;

use super::ends::{End, between_all_engines};
use crate::samples::{USER, at, browser, client, consent, family, insert, register};

/// What happens to a consent, and at which second.
#[derive(Clone, Copy, Debug)]
enum Then {
    Given(i64),
    TakenBack(i64),
}

use Then::{Given, TakenBack};

impl Then {
    async fn happen(self, end: &End, of: &Consent) {
        let outcome = match self {
            Given(secs) => {
                let seen = end.store.load_consent(of.user_id, &of.client_id).await.unwrap();
                let given = Consent { given_at: at(secs), ..of.clone() };
                end.store.save_consent(&given, seen.as_ref()).await
            }
            TakenBack(secs) => {
                let pair = (of.user_id, &of.client_id);
                end.store.revoke_consent(pair, RevokeReason::User, at(secs)).await
            }
        };
        assert_eq!(outcome.unwrap(), Outcome::Done);
    }
}

/// What happens at the source and at the target since the first copy, and of when the consent is that the
/// target has then.
type Case<'a> = (&'a [Then], &'a [Then], Option<i64>);

#[test]
fn what_was_taken_back_last_stays_so_and_what_was_given_last_too() {
    let cases: [Case<'_>; 8] = [
        (&[TakenBack(20)], &[], None),
        (&[], &[TakenBack(20)], None),
        (&[TakenBack(20), Given(30)], &[], Some(30)),
        (&[TakenBack(20)], &[Given(30)], Some(30)),
        (&[Given(20)], &[TakenBack(30)], None),
        (&[Given(40)], &[TakenBack(30)], Some(40)),
        (&[TakenBack(40)], &[Given(30)], None),
        (&[TakenBack(20)], &[TakenBack(40), Given(50)], Some(50)),
    ];
    between_all_engines(async |source, target| {
        source.add_keys(&[1]).await;
        let shop = register(&source.store).await;
        let clients: Vec<_> = (0..cases.len()).map(|n| client(&format!("client-{n}"))).collect();
        for client in &clients {
            source.store.create_client(client).await.unwrap();
            Given(10).happen(&source, &consent(USER, client)).await;
        }
        source.copy_to(&target).await;
        for (client, (at_source, at_target, ..)) in clients.iter().zip(&cases) {
            for then in *at_source {
                then.happen(&source, &consent(USER, client)).await;
            }
            for then in *at_target {
                then.happen(&target, &consent(USER, client)).await;
            }
        }
        // Nobody was asked about this one.
        TakenBack(20).happen(&source, &consent(USER, &shop)).await;

        source.copy_to(&target).await;
        let ends = clients.iter().zip(cases).map(|(client, case)| (client, case.2));
        for (number, (client, given)) in (0..).zip(ends.chain([(&shop, None)])) {
            let found = target.store.load_consent(USER, &client.id).await.unwrap();
            assert_eq!(found.map(|found| found.given_at), given.map(at), "{}", client.id);
            let nowhere = browser(1, USER).id;
            let standing = target.store.load_code_standing(nowhere, (USER, &client.id)).await;
            let ended = standing.unwrap().consent_ended;
            assert!(ended.is_counted());
            let redeem = async |born| {
                let family = Family { born, ..family(number, client, USER) };
                insert(&target.store, &family).await
            };
            let of_before = Ends::new(ended.number() - 1);
            assert_eq!(redeem(of_before).await, Outcome::Conflict, "{}", client.id);
            assert_eq!(redeem(ended).await, Outcome::Done, "{}", client.id);
        }
    });
}
