//! The sealed tokens.
//!
//! Laws: what opens is exactly what sealing gives, so nobody can write a token, or a second spelling of
//! one; what was sealed opens to the same, with newer keys too, and never as another kind, for another
//! client or under other keys; no change to a token opens, not even with its checksum put right.

#![no_main]

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use remint_protocol::client_id::ClientId;
use remint_protocol::ends::Ends;
use remint_protocol::family_id::FamilyId;
use remint_protocol::keyring::{Keyring, RootKey};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::FamilySecret;
use remint_protocol::time::Timestamp;
use remint_protocol::token::{
    ACCESS_PREFIX, AccessToken, FAMILY_ID_PREFIX, Jti, REFRESH_PREFIX, RefreshToken, Subject,
    Unopened, open_access, open_family_id, open_refresh, seal_access, seal_family_id, seal_refresh,
};
use remint_protocol::user::UserId;

struct Keys {
    old: Keyring,
    new: Keyring,
    strange: Keyring,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let ring = |kids: &[(u8, u8)], active| {
        let roots: Vec<_> = kids.iter().map(|(kid, byte)| (*kid, RootKey([*byte; 32]))).collect();
        Keyring::new(&roots, active).expect("a keyring")
    };
    Keys {
        // It was told that there is a key 2 at other nodes.
        old: ring(&[(1, 1)], 1).with_elsewhere(vec![2]),
        new: ring(&[(1, 1), (2, 2)], 2),
        strange: ring(&[(1, 9)], 1),
    }
});

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        only_what_was_sealed_opens(text);
    }
    let mut input = Unstructured::new(input);
    if let Ok(token) = Token::arbitrary(&mut input) {
        let edits = Vec::arbitrary(&mut input).unwrap_or_default();
        token.hold(&edits);
    }
});

fn demo() -> ClientId {
    ClientId::parse("demo").expect("an id")
}

fn only_what_was_sealed_opens(text: &str) {
    let Keys { old, new, strange } = &*KEYS;
    if let Ok(token) = open_refresh(new, text, &demo()) {
        assert_eq!(seal_refresh(new, &token, &demo()).as_deref(), Some(text));
    }
    if let Ok(token) = open_access(new, text) {
        let sealed = [old, new].map(|keys| seal_access(keys, &token));
        assert!(sealed.iter().any(|s| s.as_deref() == Some(text)), "another spelling of {token:?}");
    }
    if let Ok(family) = open_family_id(new, text) {
        let sealed = seal_family_id(new, family);
        assert_eq!(sealed.as_deref(), Some(text), "another spelling of a session");
    }
    opens_with_no(strange, text);
}

fn opens_with_no(keys: &Keyring, text: &str) {
    assert!(open_refresh(keys, text, &demo()).is_err());
    assert!(open_access(keys, text).is_err());
    assert!(open_family_id(keys, text).is_err());
}

/// What to seal.
#[derive(Arbitrary, Debug)]
enum Token<'a> {
    Refresh {
        epoch: u16,
        family: [u8; 16],
        secret: [u8; 16],
        generation: u32,
        client: &'a str,
    },
    Access {
        jti: [u8; 16],
        user: Option<([u8; 16], [u8; 16], u32)>,
        times: [i64; 2],
        texts: [&'a str; 3],
    },
    Session {
        family: [u8; 16],
    },
}

impl Token<'_> {
    fn hold(self, edits: &[Edit]) {
        match self {
            Self::Refresh { epoch, family, secret, generation, client } => {
                let token = RefreshToken {
                    kid: 1,
                    epoch,
                    family: FamilyId(family),
                    secret: FamilySecret::new(secret),
                    generation,
                };
                refresh_tokens_hold(&token, &ClientId::parse(client).unwrap_or_else(demo), edits);
            }
            Self::Access { jti, user, times, texts } => {
                let [client, scope, resources] = texts;
                access_tokens_hold(
                    &AccessToken {
                        jti: Jti(jti),
                        client_id: ClientId::parse(client).unwrap_or_else(demo),
                        subject: user.map_or(
                            Subject::Client { born: Ends::new(7) },
                            |(user, family, generation)| Subject::User {
                                user_id: UserId(user),
                                family: FamilyId(family),
                                generation,
                            },
                        ),
                        scope: Scope::parse(scope).unwrap_or_default(),
                        resources: Resources::parse(resources.split(' ')).unwrap_or_default(),
                        issued_at: Timestamp::from_millis(times[0]),
                        expires_at: Timestamp::from_millis(times[1]),
                    },
                    edits,
                );
            }
            Self::Session { family } => sessions_hold(FamilyId(family), edits),
        }
    }
}

fn refresh_tokens_hold(token: &RefreshToken, client: &ClientId, edits: &[Edit]) {
    let Keys { old, new, strange } = &*KEYS;
    let text = seal_refresh(old, token, client).expect("the key is there");
    assert!(text.len() < 128 && text.is_ascii(), "{text}");
    assert_eq!(seal_refresh(new, token, client).as_ref(), Some(&text), "sealing is deterministic");
    for keys in [old, new] {
        assert_eq!(open_refresh(keys, &text, client).as_ref(), Ok(token));
    }
    let other = ClientId::parse("other").filter(|other| other != client).unwrap_or_else(demo);
    assert_eq!(open_refresh(new, &text, &other), Err(Unopened::Garbage));
    assert!(open_refresh(strange, &text, client).is_err());
    assert!(open_access(new, &text).is_err() && open_family_id(new, &text).is_err());
    for changed in changes(&text, REFRESH_PREFIX, edits) {
        assert!(open_refresh(new, &changed, client).is_err(), "{changed} opens like {text}");
    }
    let young = seal_refresh(new, &RefreshToken { kid: 2, ..token.clone() }, client);
    let young = young.expect("the key is there");
    assert_eq!(open_refresh(old, &young, client), Err(Unopened::UnknownKey));
    assert_eq!(open_refresh(strange, &young, client), Err(Unopened::Garbage));
}

fn access_tokens_hold(token: &AccessToken, edits: &[Edit]) {
    let Keys { old, new, strange } = &*KEYS;
    let Some(text) = seal_access(old, token) else {
        let len = token.scope.as_str().len() + token.resources.as_str().len();
        assert!(len > 8192, "a token whose client may be registered is not sealed");
        return;
    };
    assert_eq!(seal_access(old, token).as_ref(), Some(&text), "sealing is deterministic");
    for keys in [old, new] {
        assert_eq!(open_access(keys, &text).as_ref(), Ok(token));
    }
    assert!(open_access(strange, &text).is_err());
    assert!(
        open_refresh(new, &text, &token.client_id).is_err() && open_family_id(new, &text).is_err()
    );
    for changed in changes(&text, ACCESS_PREFIX, edits) {
        assert!(open_access(new, &changed).is_err(), "{changed} opens like {text}");
    }
    let young = seal_access(new, token).expect("the other key seals as much");
    assert_eq!(open_access(old, &young), Err(Unopened::UnknownKey));
    assert_eq!(open_access(strange, &young), Err(Unopened::Garbage));
}

fn sessions_hold(family: FamilyId, edits: &[Edit]) {
    let Keys { old, new, strange } = &*KEYS;
    let text = seal_family_id(old, family).expect("the key is there");
    for keys in [old, new] {
        assert_eq!(seal_family_id(keys, family).as_ref(), Some(&text));
        assert_eq!(open_family_id(keys, &text), Ok(family));
    }
    opens_with_no(strange, &text);
    assert!(open_refresh(new, &text, &demo()).is_err() && open_access(new, &text).is_err());
    for changed in changes(&text, FAMILY_ID_PREFIX, edits) {
        assert!(open_family_id(new, &changed).is_err(), "{changed} opens like {text}");
    }
}

/// A change to a token's text.
#[derive(Arbitrary, Debug)]
enum Edit {
    Put { at: usize, to: u8 },
    Insert { at: usize, byte: u8 },
    Remove { at: usize },
    Cut { len: usize },
}

/// The text after the edits, with the checksum as it came out and with a right one, and under every
/// other prefix.
fn changes(text: &str, prefix: &str, edits: &[Edit]) -> Vec<String> {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits {
        match *edit {
            _ if bytes.is_empty() => break,
            Edit::Put { at, to } => {
                let at = at % bytes.len();
                bytes[at] = to;
            }
            Edit::Insert { at, byte } => bytes.insert(at % bytes.len(), byte),
            Edit::Remove { at } => drop(bytes.remove(at % bytes.len())),
            Edit::Cut { len } => bytes.truncate(len % bytes.len()),
        }
    }
    let edited = String::from_utf8_lossy(&bytes).into_owned();
    let body = |text: &str| {
        let end = text.len().saturating_sub(6);
        text.get(prefix.len()..end).unwrap_or_default().to_owned()
    };
    let others = [REFRESH_PREFIX, ACCESS_PREFIX, FAMILY_ID_PREFIX];
    let mut all = vec![with_checksum(prefix, &body(&edited)), edited];
    all.extend(others.iter().filter(|p| **p != prefix).map(|p| with_checksum(p, &body(text))));
    all.retain(|changed| changed != text);
    all
}

fn with_checksum(prefix: &str, body: &str) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let text = format!("{prefix}{body}");
    let sum = crc32fast::hash(text.as_bytes());
    let digit = |power: u32| char::from(DIGITS[(sum / 62_u32.pow(power) % 62) as usize]);
    let sum: String = (0..6).rev().map(digit).collect();
    text + &sum
}
