//! The rules of ID tokens, for any values: OpenID Connect Core 1.0 §2, §3.1.3.6, §3.3.2.11, §12.2.

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::option::of;
    use proptest::prelude::*;
    use remint_protocol::id_token::{HashedWith, IdToken, Identity, SubjectId, half_hash};
    use remint_protocol::signing_key::SigningAlg;
    use remint_protocol::time::Timestamp;
    use serde_json::Value;

    const CLIENT: &str = "shop";

    fn alg() -> impl Strategy<Value = SigningAlg> {
        prop::sample::select(&SigningAlg::ALL[..])
    }

    /// Any moment that a clock of ours shows.
    fn moment() -> impl Strategy<Value = Timestamp> {
        (0..4_102_444_800_000_i64).prop_map(Timestamp::from_millis)
    }

    prop_compose! {
        fn identity()(
            sub in "[!-~]{1,255}",
            auth_time in of(moment()),
            acr in of(".{1,20}"),
            amr in prop::collection::vec("[a-z]{2,5}", 0..3),
            sid in of("[A-Za-z0-9_-]{22}"),
        ) -> Identity {
            let sub = SubjectId::parse(&sub).unwrap();
            let identity = Identity::new("https://id.example.com", sub, CLIENT);
            Identity { auth_time, acr, amr, sid, ..identity }
        }
    }

    fn lifetime() -> impl Strategy<Value = Duration> {
        (1..2_592_000_u64).prop_map(Duration::from_secs)
    }

    fn json(token: &IdToken) -> Value {
        serde_json::to_value(token).unwrap()
    }

    proptest! {
        #[test]
        fn checklist_72_an_id_token_has_what_it_must_and_says_what_it_was_told(
            identity in identity(),
            alg in alg(),
            (now, lifetime) in (moment(), lifetime()),
            nonce in of(".{0,300}"),
            access_token in of("[!-~]{1,200}"),
            code in of("[!-~]{1,200}"),
        ) {
            let together = HashedWith {
                nonce: nonce.as_deref(),
                access_token: access_token.as_deref(),
                code: code.as_deref(),
            };
            let token = identity.issue(alg, &together, now, lifetime);
            let json = json(&token);
            prop_assert_eq!(&json["iss"], "https://id.example.com");
            prop_assert_eq!(json["sub"].as_str(), Some(identity.sub.as_str()));
            prop_assert!(token.aud.contains(CLIENT));
            prop_assert_eq!(json["iat"].as_i64(), Some(now.as_secs()));
            prop_assert_eq!(token.exp, now.after(lifetime).as_secs());
            prop_assert!(token.exp > token.iat);
            prop_assert_eq!(json.get("nonce").and_then(Value::as_str), nonce.as_deref());
            let hash = |value: &Option<String>| value.as_ref().map(|v| half_hash(alg, v));
            prop_assert_eq!(&token.at_hash, &hash(&access_token));
            prop_assert_eq!(&token.c_hash, &hash(&code));
            // §2: one audience is a string, and without others there is no azp.
            prop_assert_eq!(&json["aud"], CLIENT);
            prop_assert!(json.get("azp").is_none());
            prop_assert!(json.as_object().unwrap().values().all(|value| !value.is_null()));
            prop_assert_eq!(serde_json::from_value::<IdToken>(json).unwrap(), token);
        }

        #[test]
        fn checklist_72_an_id_token_of_a_refresh_differs_in_its_times_and_hash_alone(
            identity in identity(),
            (first_alg, alg) in (alg(), alg()),
            (first_at, later) in (moment(), 0..31_536_000_u64),
            (first_lifetime, lifetime) in (lifetime(), lifetime()),
            nonce in of(".{1,50}"),
            access_token in "[!-~]{1,200}",
        ) {
            let together = HashedWith { nonce: nonce.as_deref(), code: Some("c"), ..HashedWith::default() };
            let first = identity.issue(first_alg, &together, first_at, first_lifetime);
            let now = first_at.after(Duration::from_secs(later));
            let again = HashedWith { access_token: Some(&access_token), ..HashedWith::default() };
            let next = identity.issue(alg, &again, now, lifetime);
            prop_assert_eq!(next.iat, now.as_secs());
            prop_assert_eq!(&next.nonce, &None);
            prop_assert_eq!(&next.c_hash, &None);
            prop_assert_eq!(next.at_hash.clone(), Some(half_hash(alg, &access_token)));
            let same = IdToken {
                iat: first.iat,
                exp: first.exp,
                nonce: first.nonce.clone(),
                at_hash: first.at_hash.clone(),
                c_hash: first.c_hash.clone(),
                ..next
            };
            prop_assert_eq!(same, first);
        }

        #[test]
        fn the_hash_is_half_of_the_one_of_its_algorithm(alg in alg(), value in "[!-~]{0,300}") {
            let half = URL_SAFE_NO_PAD.decode(half_hash(alg, &value)).unwrap();
            prop_assert_eq!(half.len(), if alg == SigningAlg::EdDsa { 32 } else { 16 });
            prop_assert_ne!(half_hash(alg, &format!("{value}x")), half_hash(alg, &value));
        }

        #[test]
        fn no_subject_is_empty_longer_than_255_or_other_than_visible_ascii(text in ".{0,300}") {
            let is_good = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            prop_assert_eq!(SubjectId::parse(&text).is_some(), is_good);
            prop_assert_eq!(serde_json::from_value::<SubjectId>(text.into()).is_ok(), is_good);
        }
    }

    /// Those of OpenID Connect Core, appendix A.
    #[test]
    fn the_hashes_are_those_of_the_specification() {
        let alg = SigningAlg::Rs256;
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(alg, access_token), "77QmUPtjPfzWtF2AnpK9RQ");
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(half_hash(alg, code), "LDktKdoQak3Pk0cnXxCltA");
    }
}
