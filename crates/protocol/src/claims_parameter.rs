//! The `claims` parameter of an authorization request: claims asked for one by one (OpenID Connect Core
//! §5.5).
//!
//! Of what it says, three things have a consequence: which claims of ours go into the ID token and into
//! the answer of the userinfo endpoint, which `acr` is wanted, and which person is expected. The rest is
//! ignored, as the standard has it, and is never repeated to anyone. Refuses what is no such JSON, and more
//! than 4 KiB.
//!
//! A claim is granted only to a client that is registered for the scope that releases it, and the person
//! is asked for consent to that scope: otherwise this parameter would be a way around both.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::claims::Claim;
use crate::client::Client;
use crate::id_token::SubjectId;
use crate::reject::{Reject, Why};
use crate::scope::Scope;

/// The longest parameter, in bytes.
pub const MAX_LEN: usize = 4096;

const ID_TOKEN: &str = "id_token";
const USERINFO: &str = "userinfo";
const AUTH_TIME: &str = "auth_time";

/// The content of the parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsParameter {
    /// The claims that later tokens and responses have.
    pub requested: Requested,
    /// The required strength of the proof of identity.
    pub acr: AcrRequest,
    /// The user who must be signed in (§5.5.1, OpenID Connect Core §3.1.2.2).
    pub sub: Option<SubjectId>,
}

/// Claims that were asked for one by one: what a code and a family remember of the parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// For the ID token.
    pub id_token: BTreeSet<Claim>,
    /// For the answer of the userinfo endpoint.
    pub userinfo: BTreeSet<Claim>,
    /// Whether the ID token says when the person proved who they are.
    pub auth_time: bool,
}

/// The request for an `acr` (§5.5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrRequest {
    /// Whether another one will not do.
    pub essential: bool,
    /// Any of them will; empty where nothing particular is asked for.
    pub values: Vec<String>,
}

/// The request for one claim (§5.5.1).
#[derive(Default, Deserialize)]
struct Individual {
    #[serde(default)]
    essential: bool,
    value: Option<String>,
    values: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Sections {
    id_token: Option<Map<String, Value>>,
    userinfo: Option<Map<String, Value>>,
}

impl ClaimsParameter {
    /// Reads the parameter.
    ///
    /// # Errors
    /// `invalid_request` where it is not the JSON that it should be.
    pub fn parse(text: &str) -> Result<Self, Reject> {
        if text.len() > MAX_LEN {
            return Err(Why::ClaimsMalformed.into());
        }
        let read: Sections = serde_json::from_str(text).map_err(|_| Why::ClaimsMalformed)?;
        let id_token = read.id_token.unwrap_or_default();
        let userinfo = read.userinfo.unwrap_or_default();
        let acr = individual(&id_token, "acr")?.unwrap_or_default();
        let sub = individual(&id_token, "sub")?.and_then(|sub| sub.value);
        Ok(Self {
            requested: Requested {
                auth_time: id_token.contains_key(AUTH_TIME),
                id_token: names(&id_token)?,
                userinfo: names(&userinfo)?,
            },
            acr: AcrRequest {
                essential: acr.essential,
                values: acr.values.into_iter().flatten().chain(acr.value).collect(),
            },
            sub: match sub {
                Some(sub) => Some(SubjectId::parse(&sub).ok_or(Why::ClaimsMalformed)?),
                None => None,
            },
        })
    }
}

/// §5.5: each member is `null` or an object.
fn individual(section: &Map<String, Value>, name: &str) -> Result<Option<Individual>, Reject> {
    let value = section.get(name).unwrap_or(&Value::Null);
    let read = Option::<Individual>::deserialize(value);
    Ok(read.map_err(|_| Why::ClaimsMalformed)?)
}

/// §5.5: claims that are not understood are ignored.
fn names(section: &Map<String, Value>) -> Result<BTreeSet<Claim>, Reject> {
    let known = section.iter().filter_map(|(name, value)| Some((Claim::parse(name)?, value)));
    let mut names = BTreeSet::new();
    for (claim, value) in known {
        if !(value.is_null() || value.is_object()) {
            return Err(Why::ClaimsMalformed.into());
        }
        names.insert(claim);
    }
    Ok(names)
}

impl AcrRequest {
    /// Judges the `acr` that the person can prove.
    ///
    /// # Errors
    /// `unmet_authentication_requirements` where another one is essential. Where it is voluntary the answer
    /// goes out, and says which one it was.
    pub fn check(&self, acr: &str) -> Result<(), Reject> {
        let is_met = self.values.is_empty() || self.values.iter().any(|value| value == acr);
        // §5.5.1.1: treated as a failed authentication.
        if self.essential && !is_met { Err(Why::AcrUnmet.into()) } else { Ok(()) }
    }
}

impl Requested {
    /// Keeps the claims that a client gets which is registered for `registered`.
    #[must_use]
    pub fn granted(mut self, registered: &Scope) -> Self {
        for names in [&mut self.id_token, &mut self.userinfo] {
            names.retain(|claim| registered.contains(claim.scope()));
        }
        self
    }

    /// Reads the stored claims of an authorization, as its client gets them today: those that its
    /// registration has lost since are left out.
    pub fn kept(text: &str, client: &Client) -> Self {
        Self::from_stored(text).granted(&client.scope)
    }

    /// The scope that releases the same claims: what the person is asked for consent to.
    pub fn scope(&self) -> Scope {
        let all = self.id_token.union(&self.userinfo);
        let words: BTreeSet<&str> = all.map(|claim| claim.scope()).collect();
        Scope::from_stored(words.into_iter().collect::<Vec<_>>().join(" "))
    }

    /// Reads back what [`Requested::to_text`] gave. A claim that another release had asked for is left out.
    pub fn from_stored(text: &str) -> Self {
        let mut requested = Self::default();
        let mut is_userinfo = false;
        for word in text.split_ascii_whitespace() {
            match (word, Claim::parse(word)) {
                (ID_TOKEN, _) => is_userinfo = false,
                (USERINFO, _) => is_userinfo = true,
                (AUTH_TIME, _) => requested.auth_time = true,
                (_, Some(claim)) if is_userinfo => drop(requested.userinfo.insert(claim)),
                (_, Some(claim)) => drop(requested.id_token.insert(claim)),
                (_, None) => {}
            }
        }
        requested
    }

    /// The normal form: `id_token auth_time email userinfo name`, empty where nothing was asked for. Short,
    /// because it travels in the code.
    pub fn to_text(&self) -> String {
        let auth_time = self.auth_time.then_some(AUTH_TIME);
        let id_token = self.id_token.iter().map(|claim| claim.as_str());
        let id_token: Vec<&str> = auth_time.into_iter().chain(id_token).collect();
        let userinfo: Vec<&str> = self.userinfo.iter().map(|claim| claim.as_str()).collect();
        let sections = [(ID_TOKEN, id_token), (USERINFO, userinfo)];
        let filled = sections.iter().filter(|(_, names)| !names.is_empty());
        let words = filled.flat_map(|(section, names)| std::iter::once(section).chain(names));
        words.copied().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::claims::tests::some_claims;
    use crate::reject::Code;

    fn read(value: &Value) -> ClaimsParameter {
        ClaimsParameter::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn the_example_of_the_standard_is_understood() {
        let read = read(&json!({
            "userinfo": {
                "given_name": { "essential": true },
                "nickname": null,
                "email": { "essential": true },
                "email_verified": { "essential": true },
                "picture": null,
                "http://example.info/claims/groups": null
            },
            "id_token": {
                "auth_time": { "essential": true },
                "acr": { "values": ["urn:mace:incommon:iap:silver"] }
            }
        }));
        let text = "id_token auth_time userinfo email email_verified given_name nickname picture";
        assert_eq!(read.requested.to_text(), text);
        assert_eq!(read.acr.values, ["urn:mace:incommon:iap:silver"]);
        assert!(!read.acr.essential);
    }

    #[test]
    fn checklist_31_what_is_unknown_is_ignored_and_never_kept() {
        let script = "<script>alert(1)</script>";
        let read = read(&json!({
            script: { script: script },
            "id_token": {
                script: script,
                "name": { "value": script, "purpose": script, "essential": false },
                "locale": null
            },
            "userinfo": null
        }));
        assert_eq!(read.requested.to_text(), "id_token locale name");
        assert!(!format!("{read:?}").contains("script"));
    }

    #[test]
    fn checklist_31_what_is_no_such_json_is_an_error_of_fixed_words() {
        for bad in [
            "",
            "null",
            "[]",
            "x",
            "{\"userinfo\":1}",
            "{\"userinfo\":[\"email\"]}",
            "{\"id_token\":{\"email\":true}}",
            "{\"id_token\":{\"acr\":\"1\"}}",
            "{\"id_token\":{\"acr\":{\"values\":\"1\"}}}",
            "{\"id_token\":{\"acr\":{\"essential\":\"yes\"}}}",
            "{\"id_token\":{\"sub\":{\"value\":\"\"}}}",
            "{\"id_token\":{},\"id_token\":{}}",
            &format!("{{\"x\":{}", "[".repeat(3000)),
            &format!("{{{}}}", " ".repeat(MAX_LEN)),
        ] {
            let refused = ClaimsParameter::parse(bad).unwrap_err();
            assert_eq!((refused.code, refused.why), (Code::InvalidRequest, Why::ClaimsMalformed));
        }
        assert_eq!(ClaimsParameter::parse("{}").unwrap(), ClaimsParameter::default());
    }

    #[test]
    fn checklist_32_an_essential_acr_is_met_or_refused_and_a_voluntary_one_is_not() {
        let check = |acr: Value, proved: &str| {
            let read = read(&json!({ "id_token": { "acr": acr } }));
            read.acr.check(proved).err().map(|reject| (reject.code, reject.why))
        };
        let unmet = Some((Code::UnmetAuthenticationRequirements, Why::AcrUnmet));
        let essential = json!({ "essential": true, "values": ["2", "3"] });
        assert_eq!(check(essential.clone(), "1"), unmet);
        assert_eq!(check(essential.clone(), ""), unmet);
        assert_eq!(check(essential, "3"), None);
        assert_eq!(check(json!({ "essential": true, "value": "2" }), "1"), unmet);
        assert_eq!(check(json!({ "values": ["2"] }), "1"), None, "voluntary");
        assert_eq!(check(json!({ "essential": true }), "1"), None, "any will do");
        assert_eq!(check(Value::Null, "1"), None);
    }

    #[test]
    fn the_person_who_is_expected_is_read_from_the_id_token_alone() {
        let sub = json!({ "sub": { "value": "usr_1" } });
        let asked = read(&json!({ "id_token": sub }));
        assert_eq!(asked.sub.unwrap().as_str(), "usr_1");
        assert_eq!(read(&json!({ "userinfo": sub })).sub, None);
    }

    #[test]
    fn a_claim_is_granted_where_its_scope_is_registered_and_asked_consent_for() {
        let asked = read(&json!({
            "id_token": { "email": null, "address": null },
            "userinfo": { "name": null, "phone_number": null }
        }));
        let granted = asked.requested.granted(&Scope::parse("openid email profile").unwrap());
        assert_eq!(granted.to_text(), "id_token email userinfo name");
        assert_eq!(granted.scope(), Scope::parse("email profile").unwrap());
        assert!(Requested::default().scope().is_empty());
    }

    proptest! {
        #[test]
        fn the_normal_form_reads_back(
            id_token in some_claims(), userinfo in some_claims(), auth_time: bool,
        ) {
            let requested = Requested { id_token, userinfo, auth_time };
            let text = requested.to_text();
            prop_assert!(text.len() <= 512, "it travels in the code: {}", text.len());
            prop_assert_eq!(Requested::from_stored(&text), requested.clone());
            let more = format!("{text} claim_of_tomorrow");
            prop_assert_eq!(Requested::from_stored(&more), requested);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = ClaimsParameter::parse(&text);
            let _ = Requested::from_stored(&text);
        }
    }
}
