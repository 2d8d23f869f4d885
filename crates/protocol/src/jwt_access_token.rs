//! Access tokens that are JWTs (RFC 9068), for resource servers that check them by themselves.
//!
//! One says in the open what an opaque token says when it is introspected. What ties it to its family
//! is in it as well, sealed: so this server takes it like an opaque one, with nothing written when it
//! is issued, and neither the client nor a resource server learns the family's id or, where subjects
//! are pairwise, who the user is to others. The reference opens with the `jti` and the client that it
//! was sealed with alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::client_id::ClientId;
use crate::family::Family;
use crate::id_token::{Audience, SubjectId};
use crate::keyring::{Keyring, Kind};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::token::{self, AccessToken, Jti, Reader, Unopened};

/// The `typ` of an access token (RFC 9068 §2.1). An ID token has another, so that neither is taken for
/// the other.
pub const TYP: &str = "at+jwt";

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtAccessToken {
    /// The issuer.
    pub iss: String,
    /// The user, as the client knows them, or the client itself.
    pub sub: SubjectId,
    /// The resources that it is for.
    pub aud: Audience,
    /// Its end, in seconds.
    pub exp: i64,
    /// The time at which it was issued, in seconds.
    pub iat: i64,
    /// Its unique number.
    pub jti: String,
    /// The client that it was issued to.
    pub client_id: String,
    /// The scope.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The time at which the user proved their identity, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The strength of that proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By which means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The part that only this server can read.
    #[serde(rename = "rmt")]
    pub reference: String,
}

impl JwtAccessToken {
    /// Makes the claims that everybody may read of `token`: `sub` is the subject that it speaks for, `family`
    /// the authorization of the user. `None` never occurs with a keyring that has its own active key.
    pub fn issue(
        keys: &Keyring,
        token: &AccessToken,
        (iss, sub): (&str, SubjectId),
        family: Option<&Family>,
    ) -> Option<Self> {
        let jti = URL_SAFE_NO_PAD.encode(token.jti.0);
        let origin = family.map(|family| &family.origin);
        Some(Self {
            iss: iss.to_owned(),
            sub,
            aud: audience(&token.resources, iss),
            exp: token.expires_at.as_secs(),
            iat: token.issued_at.as_secs(),
            client_id: token.client_id.as_str().to_owned(),
            scope: token.scope.as_str().to_owned(),
            // RFC 9068 §2.2.1: as at the authorization, however often it was refreshed since.
            auth_time: family.map(|family| family.auth_time.as_secs()),
            acr: origin.map(|origin| origin.acr.clone()).filter(|acr| !acr.is_empty()),
            amr: origin.map_or_else(Vec::new, |origin| words(&origin.amr)),
            reference: seal(keys, token, &jti)?,
            jti,
        })
    }

    /// The token that these claims were made of. Their signature has been checked.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(&self, keys: &Keyring) -> Result<AccessToken, Unopened> {
        let garbage = Unopened::Garbage;
        let sealed = URL_SAFE_NO_PAD.decode(&self.reference).map_err(|_| garbage)?;
        let context = context(&self.jti, &self.client_id);
        let (_, content) = token::open(keys, Kind::Reference, &context, &sealed)?;
        let mut reader = Reader::new(&content);
        let token = self.read(&mut reader);
        token.filter(|_| reader.is_empty()).ok_or(garbage)
    }

    fn read(&self, reader: &mut Reader<'_>) -> Option<AccessToken> {
        let jti = URL_SAFE_NO_PAD.decode(&self.jti).ok()?;
        let has_resources = reader.flag()?;
        let (issued_at, expires_at, subject) = reader.times_and_subject()?;
        let resources = match &self.aud {
            _ if !has_resources => Resources::default(),
            Audience::One(one) => Resources::from_stored(one.clone()),
            Audience::Several(all) => Resources::from_stored(all.join(" ")),
        };
        Some(AccessToken {
            jti: Jti(jti.try_into().ok()?),
            client_id: ClientId::parse(&self.client_id)?,
            subject,
            scope: Scope::from_stored(self.scope.clone()),
            resources,
            issued_at,
            expires_at,
        })
    }
}

/// RFC 9068 §3: where no resource was asked for, a default one. This server is the only resource that
/// every client has.
fn audience(resources: &Resources, iss: &str) -> Audience {
    let all: Vec<_> = resources.iter().map(ToOwned::to_owned).collect();
    match &all[..] {
        [] => Audience::One(iss.to_owned()),
        [only] => Audience::One(only.clone()),
        _ => Audience::Several(all),
    }
}

fn seal(keys: &Keyring, token: &AccessToken, jti: &str) -> Option<String> {
    let mut content = Vec::with_capacity(54);
    content.push(u8::from(!token.resources.is_empty()));
    token::push_times_and_subject(&mut content, token);
    let context = context(jti, token.client_id.as_str());
    let sealed = token::seal(keys, keys.active(), Kind::Reference, &context, &content)?;
    Some(URL_SAFE_NO_PAD.encode(sealed))
}

/// Sealing is deterministic: with the `jti` in it, two tokens of one family have nothing in common.
fn context(jti: &str, client_id: &str) -> String {
    format!("{jti} {client_id}")
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ends::Ends;
    use crate::family::Origin;
    use crate::family_id::FamilyId;
    use crate::keyring::tests::keyring;
    use crate::secret::FamilySecret;
    use crate::time::Timestamp;
    use crate::token::Subject;
    use crate::user::UserId;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://id.example";

    fn token(resources: &[&str]) -> AccessToken {
        AccessToken {
            jti: Jti([4; 16]),
            client_id: ClientId::parse("demo").unwrap(),
            subject: Subject::User {
                user_id: UserId([5; 16]),
                family: FamilyId([1; 16]),
                generation: 3,
            },
            scope: Scope::parse("a b").unwrap(),
            resources: Resources::parse(resources.iter().copied()).unwrap(),
            issued_at: Timestamp::from_millis(1_001),
            expires_at: Timestamp::from_millis(61_002),
        }
    }

    fn family() -> Family {
        let (start, end) = (Timestamp::from_millis(500_900), Timestamp::from_millis(900_000));
        Family {
            id: FamilyId([1; 16]),
            secret_hash: FamilySecret::new([2; 16]).hash(),
            client_id: ClientId::parse("demo").unwrap(),
            user_id: UserId([5; 16]),
            scope: Scope::default(),
            resources: Resources::default(),
            auth_time: start,
            origin: Origin { acr: "strong".into(), amr: "pwd otp".into(), ..Origin::default() },
            born: Ends::new(1),
            proven: Ends::new(1),
            created_at: start,
            max_expires_at: end,
            generation: 3,
            grace_floor: 0,
            epoch: 1,
            kid: 1,
            rotated_at: start,
            expires_at: end,
            confirmed: false,
            revoked: None,
        }
    }

    fn issue(token: &AccessToken, family: Option<&Family>) -> JwtAccessToken {
        let sub = SubjectId::parse("usr_x").unwrap();
        JwtAccessToken::issue(&keyring(&[1], 1), token, (ISSUER, sub), family).unwrap()
    }

    #[test]
    fn checklist_53_it_says_what_rfc_9068_wants_and_nothing_of_the_family() {
        let issued = issue(&token(&["https://a", "https://b"]), Some(&family()));
        let mut said = serde_json::to_value(&issued).unwrap();
        assert!(said.as_object_mut().unwrap().remove("rmt").is_some_and(|r| r.is_string()));
        let expected = json!({
            "iss": ISSUER, "sub": "usr_x", "aud": ["https://a", "https://b"], "exp": 61, "iat": 1,
            "jti": "BAQEBAQEBAQEBAQEBAQEBA", "client_id": "demo", "scope": "a b",
            "auth_time": 500, "acr": "strong", "amr": ["pwd", "otp"],
        });
        assert_eq!(said, expected);
    }

    const OF_CLIENT: Subject = Subject::Client { born: Ends::UNCOUNTED };

    #[test]
    fn what_has_no_person_and_no_scope_says_nothing_of_either() {
        let of_client = AccessToken { subject: OF_CLIENT, scope: Scope::default(), ..token(&[]) };
        let said = serde_json::to_value(issue(&of_client, None)).unwrap();
        for absent in ["scope", "auth_time", "acr", "amr"] {
            assert_eq!(said.get(absent), None, "{absent}");
        }
        assert_eq!(said["aud"], Value::from(ISSUER), "the default resource");
    }

    #[test]
    fn it_opens_as_what_it_was_made_of() {
        let keys = keyring(&[1], 1);
        let all: [&[&str]; 4] = [&[], &[ISSUER], &["https://a"], &["https://a", "https://b"]];
        for resources in all {
            let of_user = token(resources);
            let of_client = AccessToken { subject: OF_CLIENT, ..of_user.clone() };
            let born = Subject::Client { born: Ends::new(7) };
            let counted = AccessToken { subject: born, ..of_user.clone() };
            for token in [of_user, of_client, counted] {
                assert_eq!(issue(&token, None).open(&keys), Ok(token));
            }
        }
    }

    #[test]
    fn a_reference_opens_in_its_own_token_alone() {
        let keys = keyring(&[1], 1);
        let issued = issue(&token(&[]), None);
        let garbage = Err(Unopened::Garbage);
        let other = JwtAccessToken { client_id: "other".into(), ..issued.clone() };
        assert_eq!(other.open(&keys), garbage);
        let jti = URL_SAFE_NO_PAD.encode([9; 16]);
        assert_eq!(JwtAccessToken { jti, ..issued.clone() }.open(&keys), garbage);
        for reference in ["", "?", "AQE", &issued.reference[1..]] {
            let damaged = JwtAccessToken { reference: reference.into(), ..issued.clone() };
            assert_eq!(damaged.open(&keys), garbage, "{reference}");
        }
        assert_eq!(issued.open(&keyring(&[2], 2)), garbage);
    }

    #[test]
    fn two_tokens_of_one_family_have_nothing_in_common_that_others_could_compare() {
        let second = AccessToken { jti: Jti([5; 16]), ..token(&[]) };
        assert_ne!(issue(&token(&[]), None).reference, issue(&second, None).reference);
    }
}
