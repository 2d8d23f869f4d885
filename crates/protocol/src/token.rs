//! The sealed token formats.
//!
//! ```text
//! refresh  "rmrt_" base64url( version:1 | kid:1 | SIV( epoch:2 | family:16 | secret:16 | generation:4 ) ) checksum:6
//! access   "rmat_" base64url( version:1 | kid:1 | SIV( jti | times | family | client | subject | scope | resources ) ) checksum:6
//! session  "ses_"  base64url( version:1 | kid:1 | SIV( family:16 ) )
//! ```
//!
//! SIV is AES-SIV (RFC 5297). It is deterministic: sealing the same content gives the same bytes, so
//! the answer to a retried refresh is computed again and never stored. It has no nonce to run out
//! of, so access tokens use it too; their random `jti` makes each one different.
//!
//! Associated data are the version, the `kid`, the kind, and for refresh tokens the client id:
//! another client's token, a token of another kind and random bytes all fail to open alike, with no
//! look into the database. The checksum lets secret scanners and this server tell a typo from a
//! token.

use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client_id::ClientId;
use crate::ends::Ends;
use crate::family_id::FamilyId;
use crate::keyring::{Keyring, Kind};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::secret::FamilySecret;
use crate::time::Timestamp;
use crate::user::UserId;

/// The prefix of every refresh token.
pub const REFRESH_PREFIX: &str = "rmrt_";
/// The prefix of every access token.
pub const ACCESS_PREFIX: &str = "rmat_";
/// The prefix of every public session id.
pub const FAMILY_ID_PREFIX: &str = "ses_";

const VERSION: u8 = 1;
const CHECKSUM_LEN: usize = 6;
/// Longer input is no token of ours: scope and resources are bounded when they are granted.
pub const MAX_LEN: usize = 16 * 1024;

/// The content of a refresh token once opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The key that sealed it.
    pub kid: u8,
    /// The store's epoch when it was issued.
    pub epoch: u16,
    /// Its family.
    pub family: FamilyId,
    /// The family's secret.
    pub secret: FamilySecret,
    /// The number of renewals before it.
    pub generation: u32,
}

/// An access token's unique number, drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Jti(pub [u8; 16]);

/// For whom an access token speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// For the client itself (RFC 6749 §4.4).
    Client {
        /// The number of ends that the store had counted when the client was read.
        born: Ends,
    },
    /// For a user, within a family that it dies with.
    User {
        /// The user.
        user_id: UserId,
        /// The family.
        family: FamilyId,
        /// The family's generation when the token was issued.
        generation: u32,
    },
}

/// The content of an access token once opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its unique number.
    pub jti: Jti,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// For whom it speaks.
    pub subject: Subject,
    /// The scope.
    pub scope: Scope,
    /// The resources that it is for: the audience.
    pub resources: Resources,
    /// The time at which it was issued.
    pub issued_at: Timestamp,
    /// Its end.
    pub expires_at: Timestamp,
}

/// The reason why a token did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// Not a token of ours, damaged, or another client's. All the same from outside.
    Garbage,
    /// It says that it is sealed under a key that the store lists and this node lacks: try again later.
    UnknownKey,
}

/// Seals a refresh token for `client`. The same input gives the same text. `None` where this node
/// lacks the key `token.kid`.
pub fn seal_refresh(keys: &Keyring, token: &RefreshToken, client: &ClientId) -> Option<String> {
    let mut content = Vec::with_capacity(38);
    content.extend_from_slice(&token.epoch.to_be_bytes());
    content.extend_from_slice(&token.family.0);
    content.extend_from_slice(token.secret.expose());
    content.extend_from_slice(&token.generation.to_be_bytes());
    let sealed = seal(keys, token.kid, Kind::Refresh, client.as_str(), &content)?;
    Some(encode(REFRESH_PREFIX, &sealed))
}

/// Opens a refresh token that was issued to `client`.
///
/// # Errors
/// [`Unopened`]; the database need not be asked.
pub fn open_refresh(
    keys: &Keyring,
    text: &str,
    client: &ClientId,
) -> Result<RefreshToken, Unopened> {
    let sealed = decode(REFRESH_PREFIX, text).ok_or(Unopened::Garbage)?;
    let (kid, content) = open(keys, Kind::Refresh, client.as_str(), &sealed)?;
    let mut reader = Reader(&content);
    let token = (|| {
        Some(RefreshToken {
            kid,
            epoch: u16::from_be_bytes(reader.array()?),
            family: FamilyId(reader.array()?),
            secret: FamilySecret::new(reader.array()?),
            generation: u32::from_be_bytes(reader.array()?),
        })
    })();
    token.filter(|_| reader.is_empty()).ok_or(Unopened::Garbage)
}

/// Seals an access token under the active key. `None` only where it holds more than can be encoded:
/// client id, scope and resources are bounded when they are registered.
pub fn seal_access(keys: &Keyring, token: &AccessToken) -> Option<String> {
    let mut content = Vec::with_capacity(160);
    content.extend_from_slice(&token.jti.0);
    push_times_and_subject(&mut content, token);
    for text in [token.client_id.as_str(), token.scope.as_str(), token.resources.as_str()] {
        push_text(&mut content, text)?;
    }
    let sealed = seal(keys, keys.active(), Kind::Access, "", &content)?;
    // What is too long to be opened is no token.
    Some(encode(ACCESS_PREFIX, &sealed)).filter(|text| text.len() <= MAX_LEN)
}

/// Appends the part that both formats of an access token seal. Times are here to the millisecond, because
/// sessions end to the millisecond.
pub(crate) fn push_times_and_subject(content: &mut Vec<u8>, token: &AccessToken) {
    content.extend_from_slice(&token.issued_at.as_millis().to_be_bytes());
    content.extend_from_slice(&token.expires_at.as_millis().to_be_bytes());
    match token.subject {
        Subject::Client { born } if born.is_counted() => {
            content.push(2);
            content.extend_from_slice(&born.number().to_be_bytes());
        }
        Subject::Client { .. } => content.push(0),
        Subject::User { user_id, family, generation } => {
            content.push(1);
            content.extend_from_slice(&user_id.0);
            content.extend_from_slice(&family.0);
            content.extend_from_slice(&generation.to_be_bytes());
        }
    }
}

/// Opens an access token, whichever client it was issued to.
///
/// # Errors
/// [`Unopened`]; the database need not be asked.
pub fn open_access(keys: &Keyring, text: &str) -> Result<AccessToken, Unopened> {
    let sealed = decode(ACCESS_PREFIX, text).ok_or(Unopened::Garbage)?;
    let (_, content) = open(keys, Kind::Access, "", &sealed)?;
    let mut reader = Reader(&content);
    let token = read_access(&mut reader);
    token.filter(|_| reader.is_empty()).ok_or(Unopened::Garbage)
}

fn read_access(reader: &mut Reader<'_>) -> Option<AccessToken> {
    let jti = Jti(reader.array()?);
    let (issued_at, expires_at, subject) = reader.times_and_subject()?;
    Some(AccessToken {
        jti,
        client_id: ClientId::parse(reader.text()?)?,
        subject,
        scope: Scope::from_stored(reader.text()?.to_owned()),
        resources: Resources::from_stored(reader.text()?.to_owned()),
        issued_at,
        expires_at,
    })
}

/// Seals the id of a family, for logs, listings and APIs, where it is called a session: the id itself is never shown.
/// Sealed under the oldest key, so that it stays the same when a newer key becomes active.
pub fn seal_family_id(keys: &Keyring, family: FamilyId) -> Option<String> {
    let sealed = seal(keys, keys.oldest(), Kind::FamilyId, "", &family.0)?;
    Some(format!("{FAMILY_ID_PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
}

/// Reads the sealed id of a family back.
///
/// # Errors
/// [`Unopened`].
pub fn open_family_id(keys: &Keyring, text: &str) -> Result<FamilyId, Unopened> {
    let body = text.strip_prefix(FAMILY_ID_PREFIX).ok_or(Unopened::Garbage)?;
    let sealed = URL_SAFE_NO_PAD.decode(body).map_err(|_| Unopened::Garbage)?;
    let (_, content) = open(keys, Kind::FamilyId, "", &sealed)?;
    content.try_into().map(FamilyId).map_err(|_| Unopened::Garbage)
}

/// Appends a text after its length; `None` where it is too long.
pub(crate) fn push_text(content: &mut Vec<u8>, text: &str) -> Option<()> {
    content.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    content.extend_from_slice(text.as_bytes());
    Some(())
}

fn associated_data(kid: u8, kind: Kind, context: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(2 + kind.label().len() + context.len());
    data.extend_from_slice(&[VERSION, kid]);
    data.extend_from_slice(kind.label());
    data.extend_from_slice(context.as_bytes());
    data
}

/// Seals `content` for the kind and the context that it is to be opened in.
pub(crate) fn seal(
    keys: &Keyring,
    kid: u8,
    kind: Kind,
    context: &str,
    content: &[u8],
) -> Option<Vec<u8>> {
    let mut cipher: Aes256Siv = keys.cipher(kid, kind)?;
    let sealed = cipher.encrypt([associated_data(kid, kind, context)], content).ok()?;
    let mut all = Vec::with_capacity(2 + sealed.len());
    all.extend_from_slice(&[VERSION, kid]);
    all.extend_from_slice(&sealed);
    Some(all)
}

/// Opens what was sealed, and says under which key.
pub(crate) fn open(
    keys: &Keyring,
    kind: Kind,
    context: &str,
    all: &[u8],
) -> Result<(u8, Vec<u8>), Unopened> {
    let [VERSION, kid, sealed @ ..] = all else { return Err(Unopened::Garbage) };
    let Some(mut cipher) = keys.cipher(*kid, kind) else {
        return Err(if keys.is_elsewhere(*kid) { Unopened::UnknownKey } else { Unopened::Garbage });
    };
    cipher
        .decrypt([associated_data(*kid, kind, context)], sealed)
        .map(|content| (*kid, content))
        .map_err(|_| Unopened::Garbage)
}

/// Opens what the store itself keeps sealed. Nobody from outside wrote it, so a key that is not here is one that
/// has not arrived yet, even before this node has read that the store lists it.
pub(crate) fn open_stored(
    keys: &Keyring,
    kind: Kind,
    context: &str,
    all: &[u8],
) -> Result<(u8, Vec<u8>), Unopened> {
    match all {
        [VERSION, kid, ..] if !keys.knows(*kid) => Err(Unopened::UnknownKey),
        _ => open(keys, kind, context, all),
    }
}

pub(crate) fn encode(prefix: &str, sealed: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + sealed.len() * 4 / 3 + 2 + CHECKSUM_LEN);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
    let checksum = checksum(&text);
    text.extend(checksum.iter().map(|b| char::from(*b)));
    text
}

pub(crate) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_LEN || !text.starts_with(prefix) {
        return None;
    }
    let (rest, sum) = text.split_at_checked(text.len().checked_sub(CHECKSUM_LEN)?)?;
    if checksum(rest) != sum.as_bytes() {
        return None;
    }
    URL_SAFE_NO_PAD.decode(rest.strip_prefix(prefix)?).ok()
}

/// CRC-32 in base 62, most significant digit first, always six digits.
fn checksum(text: &str) -> [u8; CHECKSUM_LEN] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut out = [b'0'; CHECKSUM_LEN];
    for digit in out.iter_mut().rev() {
        *digit = DIGITS.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    out
}

/// Takes fixed pieces off the front of opened content.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    /// Reads the output of [`push_times_and_subject`].
    pub(crate) fn times_and_subject(&mut self) -> Option<(Timestamp, Timestamp, Subject)> {
        let issued_at = Timestamp::from_millis(i64::from_be_bytes(self.array()?));
        let expires_at = Timestamp::from_millis(i64::from_be_bytes(self.array()?));
        let subject = match self.array()? {
            [0] => Subject::Client { born: Ends::UNCOUNTED },
            [1] => Subject::User {
                user_id: UserId(self.array()?),
                family: FamilyId(self.array()?),
                generation: u32::from_be_bytes(self.array()?),
            },
            [2] => Subject::Client { born: Ends::new(i64::from_be_bytes(self.array()?)) },
            _ => return None,
        };
        Some((issued_at, expires_at, subject))
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        std::str::from_utf8(head).ok()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::tests::keyring;
    use proptest::prelude::*;

    fn demo() -> ClientId {
        ClientId::parse("demo").unwrap()
    }

    fn refresh(generation: u32) -> RefreshToken {
        RefreshToken {
            kid: 1,
            epoch: 7,
            family: FamilyId([1; 16]),
            secret: FamilySecret::new([2; 16]),
            generation,
        }
    }

    fn access() -> AccessToken {
        AccessToken {
            jti: Jti([4; 16]),
            client_id: demo(),
            subject: Subject::User {
                user_id: UserId([5; 16]),
                family: FamilyId([1; 16]),
                generation: 3,
            },
            scope: Scope::parse("a b").unwrap(),
            resources: Resources::parse(["https://api.example"]).unwrap(),
            issued_at: Timestamp::from_millis(1_000),
            expires_at: Timestamp::from_millis(2_000),
        }
    }

    /// Known answers: an accidental change of the format would log everyone out.
    #[test]
    fn the_formats_do_not_change() {
        let keys = keyring(&[1], 1);
        let token = seal_refresh(&keys, &refresh(3), &demo()).unwrap();
        assert_eq!(token, KNOWN_REFRESH);
        assert_eq!(open_refresh(&keys, KNOWN_REFRESH, &demo()), Ok(refresh(3)));
        assert_eq!(seal_access(&keys, &access()).unwrap(), KNOWN_ACCESS);
        assert_eq!(open_access(&keys, KNOWN_ACCESS), Ok(access()));
        assert_eq!(seal_family_id(&keys, FamilyId([1; 16])).unwrap(), KNOWN_SESSION);
        assert_eq!(open_family_id(&keys, KNOWN_SESSION), Ok(FamilyId([1; 16])));
    }

    const KNOWN_REFRESH: &str =
        "rmrt_AQFNgEZoMgditI3Z2nurr0iWbwU-It_CvKYkAaNARV0FuvyfJi2Krp3VNXKMnq1-MMjX49-kx7Q444ga2";
    const KNOWN_ACCESS: &str = "rmat_AQE28I1jGgFvTX3cwOzJIXsVvXezhpgpIrc0vaGMerpKUvi0NnFEMR9XFKxug6lwZ15lMVWB6vvmaeyRxZTDmNl5BxJHZLY5aSPSzbmFocdu81zmAKkQKBtJGOLlhRBsnMMcPDuJLrH51qouWGnY1reozt6S-EE2x5sNA";
    const KNOWN_SESSION: &str = "ses_AQGhuruMmGvXEm8SewGgQ4yPicuq7aVEXMj0DGlZf7uHxQ";

    #[test]
    fn checklist_51_a_refresh_token_fits_a_column_of_128_characters() {
        let longest = ClientId::parse(&"x".repeat(ClientId::MAX_LEN)).unwrap();
        let token = seal_refresh(&keyring(&[1], 1), &refresh(u32::MAX), &longest).unwrap();
        assert_eq!(token.len(), 86);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
    }

    #[test]
    fn checklist_59_a_token_opens_for_its_own_client_only() {
        let keys = keyring(&[1], 1);
        let token = seal_refresh(&keys, &refresh(3), &demo()).unwrap();
        let other = ClientId::parse("other").unwrap();
        assert_eq!(open_refresh(&keys, &token, &other), Err(Unopened::Garbage));
    }

    #[test]
    fn one_kind_of_token_does_not_open_as_another() {
        let keys = keyring(&[1], 1);
        let access = seal_access(&keys, &access()).unwrap();
        let sealed = decode(ACCESS_PREFIX, &access).unwrap();
        let disguised = encode(REFRESH_PREFIX, &sealed);
        assert_eq!(open_refresh(&keys, &disguised, &demo()), Err(Unopened::Garbage));
        assert_eq!(open_refresh(&keys, &access, &demo()), Err(Unopened::Garbage));
    }

    #[test]
    fn a_key_that_has_not_arrived_yet_is_told_from_garbage() {
        let keys = keyring(&[1], 1).with_elsewhere(vec![2]);
        for kid in [0, 2, 3, 4, 5, 6, 99, 255] {
            let token = RefreshToken { kid, ..refresh(0) };
            let token = seal_refresh(&keyring(&[kid], kid), &token, &demo()).unwrap();
            let expected = if kid == 2 { Unopened::UnknownKey } else { Unopened::Garbage };
            assert_eq!(open_refresh(&keys, &token, &demo()), Err(expected), "{kid}");
        }
    }

    #[test]
    fn an_access_token_that_is_too_long_to_open_is_not_sealed() {
        let keys = keyring(&[1], 1);
        let long = |bytes: usize| {
            let resource = format!("urn:{}", "x".repeat(bytes));
            AccessToken { resources: Resources::from_stored(resource), ..access() }
        };
        let sealed: Vec<_> = [11_000, 12_000, 13_000, 30_000, 70_000]
            .into_iter()
            .map(|bytes| (bytes, seal_access(&keys, &long(bytes))))
            .collect();
        assert!(sealed[0].1.is_some() && sealed[4].1.is_none());
        for (bytes, text) in sealed.into_iter().filter_map(|(b, text)| Some((b, text?))) {
            assert!(open_access(&keys, &text) == Ok(long(bytes)), "{bytes} bytes");
        }
    }

    #[test]
    fn old_keys_still_open_what_they_sealed() {
        let token = seal_refresh(&keyring(&[1], 1), &refresh(3), &demo()).unwrap();
        assert_eq!(open_refresh(&keyring(&[1, 2], 2), &token, &demo()), Ok(refresh(3)));
    }

    proptest! {
        #[test]
        fn no_damaged_token_opens(at in 0usize..86, to in any::<u8>()) {
            let keys = keyring(&[1], 1);
            let good = seal_refresh(&keys, &refresh(3), &demo()).unwrap();
            let mut bytes = good.clone().into_bytes();
            bytes[at] = to;
            if let Ok(text) = std::str::from_utf8(&bytes) && text != good {
                prop_assert!(open_refresh(&keys, text, &demo()).is_err());
            }
        }

        #[test]
        fn no_text_makes_opening_panic(text in "\\PC{0,200}", body in prop::collection::vec(any::<u8>(), 0..300)) {
            let keys = keyring(&[1], 1);
            let mut body = body;
            body.splice(0..0, [VERSION, 1]);
            for prefix in [REFRESH_PREFIX, ACCESS_PREFIX] {
                let disguised = encode(prefix, &body);
                for text in [&text, &disguised] {
                    prop_assert!(open_refresh(&keys, text, &demo()).is_err());
                    prop_assert!(open_access(&keys, text).is_err());
                    prop_assert!(open_family_id(&keys, text).is_err());
                }
            }
        }

        #[test]
        fn access_tokens_read_back(user in any::<Option<[u8; 16]>>(), generation in any::<u32>(), issued in any::<i64>(), jti in any::<[u8; 16]>()) {
            let keys = keyring(&[1], 1);
            let client = Subject::Client { born: Ends::new(i64::from(generation)) };
            let subject = user.map_or(client, |id| Subject::User {
                user_id: UserId(id), family: FamilyId(id), generation,
            });
            let token = AccessToken { subject, jti: Jti(jti), issued_at: Timestamp::from_millis(issued), ..access() };
            prop_assert_eq!(open_access(&keys, &seal_access(&keys, &token).unwrap()), Ok(token));
        }
    }
}
