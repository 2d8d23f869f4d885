//! Access tokens that were revoked one by one.

use remint_protocol::token::Jti;
use remint_store::Outcome;

use crate::backend::{on_every_backend, together};
use crate::samples::{at, bytes};

#[test]
fn a_revoked_access_token_is_known_and_no_other() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let (jti, other) = (Jti(bytes(1)), Jti(bytes(2)));
        assert!(!store.is_access_token_revoked(jti).await.unwrap());
        assert_eq!(store.revoke_access_token(jti, at(10)).await.unwrap(), Outcome::Done);
        assert!(store.is_access_token_revoked(jti).await.unwrap());
        assert!(!store.is_access_token_revoked(other).await.unwrap());
    });
}

#[test]
fn an_access_token_can_be_revoked_again() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let jti = Jti(bytes(1));
        store.revoke_access_token(jti, at(10)).await.unwrap();
        let before = place.dump("revoked_access_tokens");
        assert_eq!(store.revoke_access_token(jti, at(10)).await.unwrap(), Outcome::Done);
        assert_eq!(place.dump("revoked_access_tokens"), before);
    });
}

#[test]
fn a_revoked_access_token_is_forgotten_once_it_is_expired_and_not_before() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let (expired, living) = (Jti(bytes(1)), Jti(bytes(2)));
        store.revoke_access_token(expired, at(9)).await.unwrap();
        store.revoke_access_token(living, at(10)).await.unwrap();
        assert!(store.delete_expired_access_tokens(at(10)).await.unwrap());
        assert!(!store.delete_expired_access_tokens(at(10)).await.unwrap(), "none is left");
        assert!(!store.is_access_token_revoked(expired).await.unwrap());
        assert!(store.is_access_token_revoked(living).await.unwrap());
    });
}

#[test]
fn many_expired_access_tokens_are_forgotten_in_bounded_pieces() {
    on_every_backend(async |place| {
        let store = place.open().await;
        together((0..2_500).map(|n| store.revoke_access_token(Jti(bytes(n)), at(0)))).await;
        let mut left = place.dump("revoked_access_tokens").len();
        assert_eq!(left, 2_500);
        while left > 0 {
            assert!(store.delete_expired_access_tokens(at(1)).await.unwrap());
            let now_left = place.dump("revoked_access_tokens").len();
            assert!((1..=1_000).contains(&(left - now_left)), "{left} became {now_left}");
            left = now_left;
        }
    });
}
