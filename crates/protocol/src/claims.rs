//! Claims about a person: which there are (OpenID Connect Core §5.1), what their values look like, and
//! which scope releases which (§5.4).
//!
//! A [`Profile`] holds one person's. Refuses claims that the standard does not have, values of another
//! type, empty ones (§5.3.2: what is not known is left out), and more than 16 KiB in all. Names with a
//! language (§5.2) are not supported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};
use url::Url;

use crate::scope::Scope;
use crate::time::Timestamp;
use crate::wire_names::wire_names;

/// The longest profile, as JSON, in bytes.
pub const MAX_PROFILE: usize = 16 * 1024;

wire_names! {
    /// The claims of OpenID Connect Core §5.1, but for `sub`, which is no property of a person.
    Claim {
        /// Their postal address (§5.1.1).
        Address = "address",
        /// `YYYY-MM-DD`, `0000-MM-DD` where the year is withheld, or `YYYY`.
        Birthdate = "birthdate",
        /// The address that they prefer.
        Email = "email",
        /// Whether it was found to be theirs.
        EmailVerified = "email_verified",
        /// Surnames.
        FamilyName = "family_name",
        /// `female`, `male`, or another word.
        Gender = "gender",
        /// First names.
        GivenName = "given_name",
        /// A language tag (BCP 47).
        Locale = "locale",
        /// Middle names.
        MiddleName = "middle_name",
        /// The whole name, as it is shown.
        Name = "name",
        /// The name that friends use.
        Nickname = "nickname",
        /// Preferably as in E.164: `+1 (425) 555-1212`.
        PhoneNumber = "phone_number",
        /// Whether it was found to be theirs.
        PhoneNumberVerified = "phone_number_verified",
        /// An image.
        Picture = "picture",
        /// A short name for them. Not unique, and not what they sign in with.
        PreferredUsername = "preferred_username",
        /// A page about them.
        Profile = "profile",
        /// The time of the last change of any of this, in seconds since the epoch.
        UpdatedAt = "updated_at",
        /// A page of theirs.
        Website = "website",
        /// A time zone of the IANA database: `Europe/Paris`.
        Zoneinfo = "zoneinfo",
    }
}

/// The members of the `address` claim (§5.1.1).
pub const ADDRESS_MEMBERS: [&str; 6] =
    ["country", "formatted", "locality", "postal_code", "region", "street_address"];

/// The shape of a claim's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Address,
    Date,
    Email,
    Flag,
    Seconds,
    Tag,
    Text,
    Web,
}

impl Claim {
    /// The scope that releases it (§5.4).
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Email | Self::EmailVerified => "email",
            Self::PhoneNumber | Self::PhoneNumberVerified => "phone",
            Self::Birthdate
            | Self::FamilyName
            | Self::Gender
            | Self::GivenName
            | Self::Locale
            | Self::MiddleName
            | Self::Name
            | Self::Nickname
            | Self::Picture
            | Self::PreferredUsername
            | Self::Profile
            | Self::UpdatedAt
            | Self::Website
            | Self::Zoneinfo => "profile",
        }
    }

    /// The claim that says whether this one was verified.
    const fn verification(self) -> Option<Self> {
        match self {
            Self::Email => Some(Self::EmailVerified),
            Self::PhoneNumber => Some(Self::PhoneNumberVerified),
            Self::Address
            | Self::Birthdate
            | Self::EmailVerified
            | Self::FamilyName
            | Self::Gender
            | Self::GivenName
            | Self::Locale
            | Self::MiddleName
            | Self::Name
            | Self::Nickname
            | Self::PhoneNumberVerified
            | Self::Picture
            | Self::PreferredUsername
            | Self::Profile
            | Self::UpdatedAt
            | Self::Website
            | Self::Zoneinfo => None,
        }
    }

    const fn shape(self) -> Shape {
        match self {
            Self::Address => Shape::Address,
            Self::Birthdate => Shape::Date,
            Self::Email => Shape::Email,
            Self::EmailVerified | Self::PhoneNumberVerified => Shape::Flag,
            Self::UpdatedAt => Shape::Seconds,
            Self::Locale | Self::Zoneinfo => Shape::Tag,
            Self::Picture | Self::Profile | Self::Website => Shape::Web,
            Self::FamilyName
            | Self::Gender
            | Self::GivenName
            | Self::MiddleName
            | Self::Name
            | Self::Nickname
            | Self::PhoneNumber
            | Self::PreferredUsername => Shape::Text,
        }
    }
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Flag => value.is_boolean(),
            Self::Seconds => value.as_i64().is_some_and(|seconds| seconds >= 0),
            Self::Address => value.as_object().is_some_and(is_address),
            Self::Date => value.as_str().is_some_and(is_date),
            Self::Email => value.as_str().is_some_and(is_email),
            Self::Tag => value.as_str().is_some_and(is_tag),
            Self::Text => value.as_str().is_some_and(is_line),
            Self::Web => value.as_str().is_some_and(is_web),
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Address => {
                "an object of texts, with members out of formatted, street_address, locality, region, \
                 postal_code, country"
            }
            Self::Date => "a date such as 1990-12-31, 0000-12-31 without the year, or 1990",
            Self::Email => "an address such as alice@example.com",
            Self::Flag => "true or false",
            Self::Seconds => "a whole number of seconds since 1970",
            Self::Tag => "a name such as Europe/Paris for zoneinfo or en-GB for locale",
            Self::Text => "a text of one line that is not empty",
            Self::Web => "a URL that begins with https:// or http://",
        }
    }
}

/// The reason why a value cannot be part of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// More than [`MAX_PROFILE`].
    #[error("a profile has at most 16384 bytes as JSON: shorten its texts")]
    TooLong,
    /// Something else than a JSON object.
    #[error("a profile is a JSON object such as {{\"name\": \"Alice\"}}")]
    NoObject,
    /// A claim that §5.1 does not have.
    #[error("{0:?} is no claim that a profile has: write one of {known}", known = known())]
    Unknown(String),
    /// A value that is not what the claim's is.
    #[error("the claim {0} is {wanted}", wanted = .0.shape().wanted())]
    Value(Claim),
    /// Something is verified that is not there.
    #[error("the claim {0} says that something is verified: write that as well")]
    NothingVerified(Claim),
}

fn known() -> String {
    Claim::ALL.iter().map(|claim| claim.as_str()).collect::<Vec<_>>().join(", ")
}

/// The claims known of one person.
#[derive(Clone, Default, PartialEq)]
pub struct Profile(BTreeMap<Claim, Value>);

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn parse(json: &str) -> Result<Self, ProfileError> {
        if json.len() > MAX_PROFILE {
            return Err(ProfileError::TooLong);
        }
        let members: Map<String, Value> =
            serde_json::from_str(json).map_err(|_| ProfileError::NoObject)?;
        let mut profile = Self::default();
        for (name, value) in members {
            let claim = Claim::parse(&name).ok_or(ProfileError::Unknown(name))?;
            profile.insert(claim, value)?;
        }
        profile.check()?;
        Ok(profile)
    }

    /// The profile as it is stored: sorted by name.
    pub fn to_json(&self) -> String {
        Value::Object(self.select(|_| true)).to_string()
    }

    /// The value of a claim.
    pub fn find(&self, claim: Claim) -> Option<&Value> {
        self.0.get(&claim)
    }

    /// All claims, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (Claim, &Value)> {
        self.0.iter().map(|(claim, value)| (*claim, value))
    }

    /// Makes all `changes`, or none: `None` removes a claim. Whoever gets another e-mail address or phone
    /// number has not proved that it is theirs, unless the changes say so.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn changed(
        &self,
        changes: BTreeMap<Claim, Option<Value>>,
        now: Timestamp,
    ) -> Result<Self, ProfileError> {
        let mut next = self.clone();
        for (claim, change) in &changes {
            let is_other = change.as_ref() != self.find(*claim);
            if let Some(flag) = claim.verification().filter(|_| is_other) {
                next.0.remove(&flag);
            }
        }
        for (claim, change) in changes {
            match change {
                Some(value) => next.insert(claim, value)?,
                None => drop(next.0.remove(&claim)),
            }
        }
        if next != *self {
            next.insert(Claim::UpdatedAt, now.as_secs().into())?;
        }
        next.check()?;
        Ok(next)
    }

    /// The claims that a client gets which was granted `scope`, and those that it was granted one by one
    /// (§5.4, §5.5).
    pub fn released(&self, scope: &Scope, requested: &BTreeSet<Claim>) -> Map<String, Value> {
        self.select(|claim| scope.contains(claim.scope()) || requested.contains(&claim))
    }

    fn select(&self, is_wanted: impl Fn(Claim) -> bool) -> Map<String, Value> {
        let wanted = self.0.iter().filter(|(claim, _)| is_wanted(**claim));
        wanted.map(|(claim, value)| (claim.as_str().to_owned(), value.clone())).collect()
    }

    fn insert(&mut self, claim: Claim, value: Value) -> Result<(), ProfileError> {
        if !claim.shape().fits(&value) {
            return Err(ProfileError::Value(claim));
        }
        self.0.insert(claim, value);
        Ok(())
    }

    fn check(&self) -> Result<(), ProfileError> {
        for claim in Claim::ALL {
            let orphan = claim.verification().filter(|flag| self.0.contains_key(flag));
            if let (Some(flag), None) = (orphan, self.find(*claim)) {
                return Err(ProfileError::NothingVerified(flag));
            }
        }
        if self.to_json().len() > MAX_PROFILE {
            return Err(ProfileError::TooLong);
        }
        Ok(())
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is known of a person is for those who were allowed to know it, not for a log.
        write!(f, "Profile({} claims)", self.0.len())
    }
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn is_tag(text: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"/-_+".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(is_legal)
}

fn is_email(text: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    let parts = text.rsplit_once('@');
    is_line(text)
        && text.len() <= 254
        && parts.is_some_and(|(local, domain)| is_word(local) && is_word(domain))
}

/// A script that a client put behind a link would run as the client.
fn is_web(text: &str) -> bool {
    let url = Url::parse(text).ok().filter(|_| is_line(text));
    url.is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

fn is_date(text: &str) -> bool {
    let number = |digits: &str, length: usize| {
        let is_number = digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    let parts: Vec<&str> = text.split('-').collect();
    let (year, month, day): (Option<u16>, _, _) = match parts[..] {
        [year] => return number(year, 4).is_some_and(|year: u16| year > 0),
        [year, month, day] => (number(year, 4), number(month, 2), number(day, 2)),
        _ => return false,
    };
    let length = match month {
        Some(4 | 6 | 9 | 11) => 30,
        Some(2) if year.is_some_and(|year| year % 4 != 0) => 28,
        Some(2) => 29,
        Some(1..=12) => 31,
        _ => return false,
    };
    year.is_some() && day.is_some_and(|day: u16| (1..=length).contains(&day))
}

/// Lines of an address may be several.
fn is_address(members: &Map<String, Value>) -> bool {
    let is_text = |text: &str| {
        !text.trim().is_empty()
            && !text.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n'))
    };
    let is_member = |(name, value): (&String, &Value)| {
        ADDRESS_MEMBERS.contains(&&**name) && value.as_str().is_some_and(is_text)
    };
    !members.is_empty() && members.iter().all(is_member)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// One good value for each claim.
    fn sample(claim: Claim) -> Value {
        match claim.shape() {
            Shape::Address => json!({ "formatted": "1 High St\nTown", "country": "UK" }),
            Shape::Date => json!("1990-12-31"),
            Shape::Email => json!("alice@example.com"),
            Shape::Flag => json!(true),
            Shape::Seconds => json!(1_700_000_000),
            Shape::Tag => json!("en-GB"),
            Shape::Text => json!("Alice Ö."),
            Shape::Web => json!("https://example.com/alice"),
        }
    }

    fn everything() -> Profile {
        Profile(Claim::ALL.iter().map(|claim| (*claim, sample(*claim))).collect())
    }

    fn names(released: &Map<String, Value>) -> Vec<&str> {
        released.keys().map(String::as_str).collect()
    }

    fn change(claim: Claim, value: Value) -> BTreeMap<Claim, Option<Value>> {
        [(claim, Some(value))].into()
    }

    #[test]
    fn a_profile_has_the_claims_of_the_standard_and_no_others() {
        let full = everything();
        assert_eq!(Profile::parse(&full.to_json()).unwrap(), full);
        assert_eq!(Profile::parse("{}").unwrap(), Profile::default());
        for name in ["sub", "iss", "aud", "name#fr", "Name", "admin", ""] {
            let text = json!({ name: "x" }).to_string();
            assert_eq!(Profile::parse(&text), Err(ProfileError::Unknown(name.into())));
        }
        for text in ["", "[]", "null", "{", "{} x", "\"name\""] {
            assert_eq!(Profile::parse(text), Err(ProfileError::NoObject), "{text}");
        }
    }

    #[test]
    fn a_value_is_of_the_type_that_its_claim_has() {
        let bad = [
            (Claim::Name, vec![json!(""), json!(" "), json!(null), json!(1), json!("a\u{1b}[0m")]),
            (Claim::EmailVerified, vec![json!("true"), json!(1), json!(null)]),
            (Claim::UpdatedAt, vec![json!(-1), json!(1.5), json!("1")]),
            (Claim::Email, vec![json!("alice"), json!("@a.example"), json!("a b@c"), json!("a@")]),
            (Claim::Picture, vec![json!("javascript:alert(1)"), json!("/me.png"), json!("a.png")]),
            (Claim::Zoneinfo, vec![json!("Europe Paris"), json!("<b>"), json!("é")]),
            (
                Claim::Birthdate,
                ["1990-13-01", "1990-00-01", "1990-1-1", "90", "0000", "1990-02-30", "1991-02-29"]
                    .map(Value::from)
                    .to_vec(),
            ),
            (
                Claim::Address,
                vec![json!({}), json!("x"), json!({ "planet": "Earth" }), json!({ "region": "" })],
            ),
        ];
        for (claim, values) in bad {
            for value in values {
                let changed = everything().changed(change(claim, value.clone()), NOW);
                assert_eq!(changed, Err(ProfileError::Value(claim)), "{claim}: {value}");
            }
        }
        for good in ["1990", "0000-02-29", "2000-02-29", "1990-11-30"] {
            assert!(is_date(good), "{good}");
        }
    }

    #[test]
    fn another_address_is_not_verified_because_the_last_one_was() {
        let full = everything();
        let moved = full.changed(change(Claim::Email, json!("bob@example.com")), NOW).unwrap();
        assert_eq!(moved.find(Claim::EmailVerified), None);
        assert_eq!(moved.find(Claim::PhoneNumberVerified), Some(&json!(true)));
        let same = full.changed(change(Claim::Email, sample(Claim::Email)), NOW).unwrap();
        assert_eq!(same.find(Claim::EmailVerified), Some(&json!(true)));
        let mut both = change(Claim::Email, json!("bob@example.com"));
        both.insert(Claim::EmailVerified, Some(json!(true)));
        assert_eq!(full.changed(both, NOW).unwrap().find(Claim::EmailVerified), Some(&json!(true)));
        let gone = full.changed([(Claim::PhoneNumber, None)].into(), NOW).unwrap();
        assert_eq!(gone.find(Claim::PhoneNumberVerified), None);
        let nothing = Profile::default().changed(change(Claim::EmailVerified, json!(true)), NOW);
        assert_eq!(nothing, Err(ProfileError::NothingVerified(Claim::EmailVerified)));
    }

    #[test]
    fn a_change_is_dated_and_no_change_is_not() {
        let full = everything();
        let later = NOW.after(std::time::Duration::from_secs(5));
        let named = full.changed(change(Claim::Name, json!("Bob")), later).unwrap();
        assert_eq!(named.find(Claim::UpdatedAt), Some(&json!(1_700_000_005)));
        assert_eq!(full.changed(change(Claim::Name, sample(Claim::Name)), later).unwrap(), full);
    }

    #[test]
    fn a_profile_is_bounded() {
        let long = |length| change(Claim::Name, json!("x".repeat(length)));
        assert!(everything().changed(long(12_000), NOW).is_ok());
        assert_eq!(everything().changed(long(MAX_PROFILE), NOW), Err(ProfileError::TooLong));
        let padded = format!("{{{}}}", " ".repeat(MAX_PROFILE));
        assert_eq!(Profile::parse(&padded), Err(ProfileError::TooLong));
        let deep = format!("{{\"address\":{}", "[".repeat(10_000));
        assert_eq!(Profile::parse(&deep), Err(ProfileError::NoObject));
    }

    #[test]
    fn a_scope_releases_its_claims_alone() {
        let released = |scope: &str| {
            let scope = Scope::parse(scope).unwrap();
            let released = everything().released(&scope, &BTreeSet::new());
            released.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(released("openid offline_access emails"), "");
        assert_eq!(released("openid email"), "email email_verified");
        assert_eq!(released("phone address"), "address phone_number phone_number_verified");
        assert_eq!(
            released("profile"),
            "birthdate family_name gender given_name locale middle_name name nickname picture \
             preferred_username profile updated_at website zoneinfo"
        );
    }

    #[test]
    fn a_person_is_not_written_to_a_log() {
        assert_eq!(format!("{:?}", everything()), "Profile(19 claims)");
    }

    pub(crate) fn some_claims() -> impl Strategy<Value = BTreeSet<Claim>> {
        let all = proptest::sample::subsequence(Claim::ALL, 0..=Claim::ALL.len());
        all.prop_map(|claims| claims.into_iter().collect())
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_back(text in ".{0,80}") {
            if let Ok(profile) = Profile::parse(&text) {
                prop_assert_eq!(Profile::parse(&profile.to_json()).unwrap(), profile);
            }
        }

        #[test]
        fn what_is_released_is_known_and_was_granted_and_nothing_granted_is_kept_back(
            known in some_claims(),
            requested in some_claims(),
            words in proptest::sample::subsequence(&crate::scope::USER_SCOPES[..], 0..=6),
        ) {
            let scope = Scope::parse(&words.join(" ")).unwrap();
            let profile = Profile(known.iter().map(|claim| (*claim, sample(*claim))).collect());
            let released = profile.released(&scope, &requested);
            for claim in Claim::ALL {
                let is_granted = requested.contains(claim) || words.contains(&claim.scope());
                let expected = (is_granted && known.contains(claim)).then(|| sample(*claim));
                prop_assert_eq!(released.get(claim.as_str()), expected.as_ref());
            }
            prop_assert!(names(&released).is_sorted(), "the order is always the same");
        }
    }
}
