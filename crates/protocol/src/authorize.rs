//! The authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1) and what follows from it.
//!
//! In three steps, because what may be answered to whom changes on the way. [`Target::prove`] finds out
//! where an answer may go at all; before that an error is for the person at the browser alone and its
//! type, [`Unproven`], cannot be turned into a redirect. [`Request::read`] reads the rest, whose errors
//! go to the client. [`decide`] says what is to be done next: sign in, ask for consent, or answer.

use std::time::Duration;

use crate::browser_session::BrowserSession;
use crate::claims_parameter::{ClaimsParameter, Requested};
use crate::client::Client;
use crate::consent::{self, Consent};
use crate::form::Form;
use crate::id_token::SubjectId;
use crate::pkce::Challenge;
use crate::pkce::Pkce;
use crate::redirect_uri::RedirectUri;
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::response::{ResponseMode, ResponseType};
use crate::scope::Scope;
use crate::subject;
use crate::time::Timestamp;

/// The longest `state`, in bytes: it travels in URLs, whose length others limit.
pub const MAX_STATE: usize = 4096;
/// The `acr` of ID tokens: how strongly a password proves an identity. There is no other way yet.
pub const ACR_PASSWORD: &str = "urn:remint:acr:password";

/// The longest `nonce`, in bytes: it travels in the code.
pub const MAX_NONCE: usize = 512;

/// An error before it is known where an answer may go: for a page, never for a redirect
/// (RFC 6749 §4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven(pub Why);

impl From<Reject> for Unproven {
    fn from(reject: Reject) -> Self {
        Self(reject.why)
    }
}

/// The place to which the response goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The redirection URI, as the request has it or as the only one registered.
    pub uri: String,
    /// Whether the request has it: the token request must then have it too (RFC 6749 §4.1.3).
    pub is_sent: bool,
    /// Whether nobody can know who listens there (RFC 8252 §8.6).
    pub is_unproven: bool,
    /// The way in which the response travels.
    pub mode: ResponseMode,
    /// Comes back as it was (RFC 6749 §4.1.2).
    pub state: Option<String>,
}

impl Target {
    /// Finds out where an answer to the request may go.
    ///
    /// # Errors
    /// [`Unproven`] where that cannot be known.
    pub fn prove(form: &Form<'_>, client: Option<&Client>) -> Result<Self, Unproven> {
        let client = client.ok_or(Unproven(Why::AuthorizeClientUnknown))?;
        if !client.enabled {
            return Err(Unproven(Why::AuthorizeClientUnknown));
        }
        let uris = &client.authorize.redirect_uris;
        let sent = form.find("redirect_uri");
        let (uri, registered) = match (sent, &uris[..]) {
            (_, []) => return Err(Unproven(Why::RedirectUriNotRegistered)),
            (Some(sent), all) => {
                let found = all.iter().find(|uri| uri.matches(sent));
                (sent, found.ok_or(Unproven(Why::RedirectUriUnknown))?)
            }
            // OpenID Connect Core §3.1.2.1: REQUIRED.
            (None, _) if is_openid(form) => return Err(Unproven(Why::RedirectUriMissing)),
            (None, [only]) => (only.as_str(), only),
            // RFC 6749 §3.1.2.3.
            (None, _) => return Err(Unproven(Why::RedirectUriMissing)),
        };
        let state = form.find("state").map(ToOwned::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
            return Err(Unproven(Why::StateTooLong));
        }
        Ok(Self {
            uri: uri.to_owned(),
            is_sent: sent.is_some(),
            is_unproven: is_unproven(client, registered),
            mode: ResponseMode::of(form, &client.authorize.response_modes),
            state,
        })
    }
}

/// RFC 8252 §8.6: a public client whose answer any program on the device could take.
fn is_unproven(client: &Client, uri: &RedirectUri) -> bool {
    client.is_public() && uri.is_unproven()
}

fn is_openid(form: &Form<'_>) -> bool {
    form.find("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid"))
}

/// The client's wishes for the pages (OpenID Connect Core §3.1.2.1).
#[expect(clippy::struct_excessive_bools, reason = "a set of four words")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// No page at all.
    pub none: bool,
    /// A new proof of who the person is.
    pub login: bool,
    /// The question for consent, even where it was answered before.
    pub consent: bool,
    /// The choice of an account.
    pub select_account: bool,
}

impl Prompt {
    /// The values, for metadata.
    pub const VALUES: [&str; 4] = ["none", "login", "consent", "select_account"];

    fn read(text: Option<&str>) -> Result<Self, Reject> {
        let mut prompt = Self::default();
        // OpenID Connect Core §3.1.2.1: separated by spaces, which HTAB and line ends are not.
        for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(Why::PromptUnknown.into()),
            }
        }
        // OpenID Connect Core §3.1.2.1: `none` with any other value is an error.
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
            return Err(Why::PromptContradicts.into());
        }
        Ok(prompt)
    }
}

/// A request that may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The requested response type.
    pub response_type: ResponseType,
    /// The scope that will be granted.
    pub scope: Scope,
    /// The resources that will be granted (RFC 8707).
    pub resources: Resources,
    /// The challenge to which the code is bound (RFC 7636).
    pub challenge: Option<Challenge>,
    /// Goes into the ID token as it is.
    pub nonce: Option<String>,
    /// The client's wishes for the pages.
    pub prompt: Prompt,
    /// The greatest age of the proof of identity.
    pub max_age: Option<Duration>,
    /// The user that the client expects: the subject of its `id_token_hint`, or of its `claims`.
    pub expected: Option<SubjectId>,
    /// The claims that are asked for one by one.
    pub requested: Requested,
    /// The user name that the client suggests, as it came.
    pub login_hint: Option<String>,
    /// The languages that the client wishes the pages to have, as they came.
    pub ui_locales: Option<String>,
}

impl Request {
    /// Reads a request whose answer goes to a proven place.
    ///
    /// # Errors
    /// What the client is told (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    pub fn read(form: &Form<'_>, client: &Client) -> Result<Self, Reject> {
        // OpenID Connect Core §6: neither is supported, and ignoring them would mean another request.
        if form.find("request").is_some() {
            return Err(Why::RequestObject.into());
        }
        if form.find("request_uri").is_some() {
            return Err(Why::RequestUri.into());
        }
        if form.find("registration").is_some() {
            return Err(Why::RegistrationParameter.into());
        }
        let claims = form.find("claims").map(ClaimsParameter::parse).transpose()?;
        let claims = claims.unwrap_or_default();
        claims.acr.check(ACR_PASSWORD)?;
        let response_type = ResponseType::read(form, &client.authorize.response_types)?;
        ResponseMode::check(form, &client.authorize.response_modes, response_type)?;
        let asked = form.find("scope").map(Scope::parse).transpose()?;
        let scope = Scope::grant(asked.as_ref(), &client.scope)?;
        let resources = Resources::asked(form.all("resource"))?;
        let request = Self {
            response_type,
            resources: Resources::grant(resources.as_ref(), &client.resources)?,
            challenge: Challenge::read(form, client.authorize.plain_challenge)?,
            nonce: nonce(form)?,
            prompt: Prompt::read(form.find("prompt"))?,
            max_age: max_age(form)?.or(client.authorize.default_max_age),
            expected: expected(&claims)?,
            requested: claims.requested.granted(&client.scope),
            login_hint: form.find("login_hint").map(ToOwned::to_owned),
            ui_locales: form.find("ui_locales").map(ToOwned::to_owned),
            scope,
        };
        request.check(client)?;
        Ok(request)
    }

    /// Notes the subject of the request's `id_token_hint`; `None` for one that was not issued to this client.
    ///
    /// # Errors
    /// `invalid_request` where there is none, and `login_required` where `claims` ask for somebody else.
    pub fn expect(&mut self, hinted: Option<SubjectId>) -> Result<(), Reject> {
        let hinted = hinted.ok_or(Why::IdTokenHintInvalid)?;
        if self.expected.as_ref().is_some_and(|asked| *asked != hinted) {
            return Err(Why::LoginRequired.into());
        }
        self.expected = Some(hinted);
        Ok(())
    }

    /// Returns the scope for which the person is asked: the requested one, and those that the single claims
    /// are a part of.
    pub fn asks_for(&self) -> Scope {
        self.scope.union(&self.requested.scope())
    }

    fn check(&self, client: &Client) -> Result<(), Reject> {
        let is_openid = self.scope.contains("openid");
        if self.response_type.id_token && !is_openid {
            return Err(Why::ScopeWithoutOpenid.into());
        }
        // OpenID Connect Core §3.2.2.1, §3.3.2.11: without it an ID token could be put into another
        // sign-in.
        if self.response_type.id_token && self.nonce.is_none() {
            return Err(Why::NonceMissing.into());
        }
        if self.response_type.code && self.challenge.is_none() {
            match client.authorize.pkce {
                Pkce::Required => return Err(Why::ChallengeMissing.into()),
                // OAuth 2.1 §7.5.1: a confidential client may rely on the nonce instead.
                Pkce::OrNonce if !is_openid || self.nonce.is_none() => {
                    return Err(Why::ChallengeOrNonceMissing.into());
                }
                Pkce::OrNonce => {}
            }
        }
        Ok(())
    }
}

/// OpenID Connect Core §5.5.1: a `sub` that is asked for by its value.
fn expected(claims: &ClaimsParameter) -> Result<Option<SubjectId>, Reject> {
    // One who is nobody here cannot be signed in.
    if claims.sub.as_ref().is_some_and(|sub| !subject::is_subject(sub.as_str())) {
        return Err(Why::LoginRequired.into());
    }
    Ok(claims.sub.clone())
}

fn nonce(form: &Form<'_>) -> Result<Option<String>, Reject> {
    let nonce = form.find("nonce").map(ToOwned::to_owned);
    if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_NONCE) {
        return Err(Why::NonceTooLong.into());
    }
    Ok(nonce)
}

fn max_age(form: &Form<'_>) -> Result<Option<Duration>, Reject> {
    let Some(text) = form.find("max_age") else { return Ok(None) };
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number).ok_or(Why::MaxAgeMalformed)?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Show the sign-in page.
    SignIn,
    /// Ask for consent.
    Consent,
    /// Answer with what was asked for.
    Answer,
    /// Answer with an error.
    Refuse(Reject),
}

/// The facts about the person at the browser.
#[derive(Clone, Copy, Debug)]
pub struct SignInContext<'a> {
    /// Their session, if it is alive.
    pub session: Option<&'a BrowserSession>,
    /// Their subject identifier at the client.
    pub subject: Option<&'a SubjectId>,
    /// Their consent so far.
    pub consent: Option<&'a Consent>,
    /// Whether the session's last sign-in was made for this very request.
    pub is_proven: bool,
}

/// Decides what is to be done next.
pub fn decide(
    request: &Request,
    target: &Target,
    client: &Client,
    known: SignInContext<'_>,
    now: Timestamp,
) -> Step {
    let session = known.session.filter(|session| is_fresh(request, session, known.is_proven, now));
    if session.is_none() {
        return page(request, Step::SignIn, Why::LoginRequired);
    }
    // OpenID Connect Core §3.1.2.1, `id_token_hint`: another person than the expected one.
    if request.expected.as_ref().is_some_and(|expected| known.subject != Some(expected)) {
        return Step::Refuse(Why::LoginRequired.into());
    }
    let is_asked = request.prompt.consent
        || consent::is_needed(
            client,
            target.is_unproven,
            &request.asks_for(),
            &request.resources,
            known.consent,
        );
    if is_asked {
        return page(request, Step::Consent, Why::ConsentRequired);
    }
    Step::Answer
}

/// OpenID Connect Core §3.1.2.6: `prompt=none` gets an error in place of a page.
fn page(request: &Request, step: Step, instead: Why) -> Step {
    if request.prompt.none { Step::Refuse(instead.into()) } else { step }
}

/// Whether the person has proven who they are as recently as the request wishes.
fn is_fresh(request: &Request, session: &BrowserSession, is_proven: bool, now: Timestamp) -> bool {
    // Made for this very request: nothing fresher can be asked for, whatever `max_age` says.
    if is_proven {
        return true;
    }
    let is_forced = request.prompt.login || request.prompt.select_account;
    !is_forced && request.max_age.is_none_or(|max| now.distance(session.auth_time) <= max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser_session::tests::session;
    use crate::client::AuthMethod;
    use crate::client::tests::client;
    use crate::user::UserId;

    const CHALLENGE: &str =
        "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    const CALLBACK: &str = "redirect_uri=https://app.example/cb";

    fn shop() -> Client {
        let mut shop = client("shop");
        shop.scope = Scope::parse("openid a").unwrap();
        shop
    }

    fn target(query: &str, client: &Client) -> Result<Target, Why> {
        Target::prove(&Form::parse(query.as_bytes()).unwrap(), Some(client)).map_err(|u| u.0)
    }

    fn request(query: &str, client: &Client) -> Result<Request, Why> {
        let query = format!("{CALLBACK}&{query}");
        let form = Form::parse(query.as_bytes()).unwrap();
        Request::read(&form, client).map_err(|reject| reject.why)
    }

    fn asked(more: &str) -> Result<Request, Why> {
        request(&format!("response_type=code&scope=openid&{CHALLENGE}&{more}"), &shop())
    }

    #[test]
    fn the_hint_and_the_claims_must_expect_one_person() {
        let sub = |text: &str| SubjectId::parse(text).unwrap();
        let expecting = |claimed: Option<&str>, hinted: Option<&str>| {
            let mut request = asked("").unwrap();
            request.expected = claimed.map(sub);
            request.expect(hinted.map(sub)).map(|()| request.expected).map_err(|reject| reject.why)
        };
        assert_eq!(expecting(None, Some("usr_1")), Ok(Some(sub("usr_1"))));
        assert_eq!(expecting(Some("usr_1"), Some("usr_1")), Ok(Some(sub("usr_1"))));
        assert_eq!(expecting(Some("usr_1"), Some("usr_2")), Err(Why::LoginRequired));
        assert_eq!(expecting(None, None), Err(Why::IdTokenHintInvalid), "of another client");
    }

    #[test]
    fn checklist_3_without_a_proven_place_there_is_no_redirect() {
        let form = Form::parse(CALLBACK.as_bytes()).unwrap();
        assert_eq!(Target::prove(&form, None), Err(Unproven(Why::AuthorizeClientUnknown)));
        let disabled = Client { enabled: false, ..shop() };
        assert_eq!(target(CALLBACK, &disabled), Err(Why::AuthorizeClientUnknown));
        assert_eq!(target("redirect_uri=https://evil/cb", &shop()), Err(Why::RedirectUriUnknown));
        let mut none = shop();
        none.authorize.redirect_uris.clear();
        assert_eq!(target(CALLBACK, &none), Err(Why::RedirectUriNotRegistered));
    }

    #[test]
    fn checklist_4_a_uri_that_is_not_sent_is_the_only_one_and_openid_sends_it() {
        let found = target("", &shop()).unwrap();
        assert_eq!((&*found.uri, found.is_sent), ("https://app.example/cb", false));
        assert_eq!(target("scope=a+openid", &shop()), Err(Why::RedirectUriMissing));
        let mut two = shop();
        two.authorize.redirect_uris.push(RedirectUri::register("https://app.example/2").unwrap());
        assert_eq!(target("", &two), Err(Why::RedirectUriMissing));
    }

    #[test]
    fn checklist_17_a_state_comes_back_as_it_was_up_to_a_limit() {
        let state = "%C3%BC+%2B%25".to_owned();
        let found = target(&format!("{CALLBACK}&state={state}"), &shop()).unwrap();
        assert_eq!(found.state.as_deref(), Some("ü +%"));
        let long = format!("{CALLBACK}&state={}", "x".repeat(MAX_STATE + 1));
        assert_eq!(target(&long, &shop()), Err(Why::StateTooLong));
    }

    #[test]
    fn checklist_11_a_code_needs_a_challenge_or_where_allowed_a_nonce() {
        let bare = "response_type=code&scope=openid";
        assert_eq!(request(bare, &shop()), Err(Why::ChallengeMissing));
        let mut lenient = shop();
        lenient.authorize.pkce = Pkce::OrNonce;
        assert_eq!(request(bare, &lenient), Err(Why::ChallengeOrNonceMissing));
        assert!(request(&format!("{bare}&nonce=n"), &lenient).is_ok());
        let oauth = "response_type=code&scope=a&nonce=n";
        assert_eq!(request(oauth, &lenient), Err(Why::ChallengeOrNonceMissing));
    }

    #[test]
    fn checklist_9_a_response_type_must_be_there_known_and_registered() {
        assert_eq!(request("", &shop()), Err(Why::ResponseTypeMissing));
        assert_eq!(request("response_type=cod", &shop()), Err(Why::ResponseTypeUnknown));
        assert_eq!(request("response_type=token", &shop()), Err(Why::ResponseTypeNotRegistered));
        let mut old = shop();
        old.authorize.response_types = ResponseType::ALL.to_vec();
        let hybrid = format!("response_type=id_token+code&scope=openid&{CHALLENGE}");
        assert_eq!(request(&hybrid, &old), Err(Why::NonceMissing));
        assert!(request(&format!("{hybrid}&nonce=n"), &old).unwrap().response_type.id_token);
        let without = "response_type=id_token&scope=a&nonce=n";
        assert_eq!(request(without, &old), Err(Why::ScopeWithoutOpenid));
    }

    #[test]
    fn checklist_10_tokens_never_travel_in_a_query() {
        let mut old = shop();
        old.authorize.response_types = ResponseType::ALL.to_vec();
        let leaky = "response_type=id_token&scope=openid&nonce=n&response_mode=query";
        assert_eq!(request(leaky, &old), Err(Why::ResponseModeLeaks));
        assert_eq!(
            target(&format!("{CALLBACK}&{leaky}"), &old).unwrap().mode,
            ResponseMode::Fragment
        );
        assert_eq!(asked("response_mode=web_message"), Err(Why::ResponseModeUnknown));
        assert!(asked("response_mode=form_post").is_ok());
        let mut strict = shop();
        strict.authorize.response_modes = vec![ResponseMode::Query];
        let post = format!("response_type=code&scope=openid&{CHALLENGE}&response_mode=form_post");
        assert_eq!(request(&post, &strict), Err(Why::ResponseModeNotRegistered));
    }

    #[test]
    fn checklist_28_none_stands_alone_and_unknown_prompts_are_refused() {
        assert_eq!(asked("prompt=none+login"), Err(Why::PromptContradicts));
        assert_eq!(asked("prompt=later"), Err(Why::PromptUnknown));
        assert!(asked("prompt=login+consent").unwrap().prompt.consent);
    }

    #[test]
    fn checklist_34_request_objects_are_refused_by_name() {
        assert_eq!(asked("request=x"), Err(Why::RequestObject));
        assert_eq!(asked("request_uri=https://x"), Err(Why::RequestUri));
        assert_eq!(asked("registration=%7B%7D"), Err(Why::RegistrationParameter));
    }

    #[test]
    fn prompt_is_separated_by_spaces_alone() {
        assert!(asked("prompt=login+consent").unwrap().prompt.login);
        assert!(asked("prompt=+login++consent+").unwrap().prompt.consent);
        for other in ["%09", "%0a", "%0d", "%0c", "%c2%a0", "%e2%80%80", ","] {
            let prompt = format!("prompt=login{other}consent");
            assert_eq!(asked(&prompt).unwrap_err(), Why::PromptUnknown, "{other}");
        }
    }

    #[test]
    fn a_max_age_is_a_number() {
        assert_eq!(asked("max_age=0").unwrap().max_age, Some(Duration::ZERO));
        for bad in ["-1", "+1", "1.5", "x", "99999999999999999999999"] {
            assert_eq!(asked(&format!("max_age={bad}")), Err(Why::MaxAgeMalformed), "{bad}");
        }
        assert_eq!(asked(&format!("nonce={}", "n".repeat(513))), Err(Why::NonceTooLong));
    }

    /// The subject by which the client knows the person at the browser.
    const SUBJECT: &str = "usr_AwMDAwMDAwMDAwMDAwMDAw";
    const SINCE: Timestamp = Timestamp::from_millis(1_000_000);

    fn step(more: &str, seconds_ago: Option<u64>, consent: bool, after: u64) -> Step {
        let (client, request) = (shop(), asked(more).unwrap());
        let session = seconds_ago.map(|ago| session(SINCE.before(Duration::from_secs(ago))));
        let consent = consent.then(|| Consent {
            user_id: UserId([3; 16]),
            client_id: client.id.clone(),
            scope: request.scope.clone(),
            resources: Resources::default(),
            given_at: SINCE,
        });
        let target = target(CALLBACK, &client).unwrap();
        let subject = SubjectId::parse(SUBJECT).unwrap();
        let known = SignInContext {
            session: session.as_ref(),
            subject: session.is_some().then_some(&subject),
            consent: consent.as_ref(),
            is_proven: seconds_ago == Some(0),
        };
        decide(&request, &target, &client, known, SINCE.after(Duration::from_secs(after)))
    }

    fn refused(why: Why) -> Step {
        Step::Refuse(why.into())
    }

    #[test]
    fn a_person_signs_in_then_consents_then_is_answered() {
        assert_eq!(step("", None, false, 0), Step::SignIn);
        assert_eq!(step("", Some(100), false, 0), Step::Consent);
        assert_eq!(step("", Some(100), true, 0), Step::Answer);
        assert_eq!(step("prompt=consent", Some(100), true, 0), Step::Consent);
    }

    #[test]
    fn another_person_than_the_expected_one_is_not_told_of() {
        let expecting = |sub: &str| {
            format!("claims=%7B%22id_token%22:%7B%22sub%22:%7B%22value%22:%22{sub}%22%7D%7D%7D")
        };
        assert_eq!(step(&expecting(SUBJECT), Some(100), true, 0), Step::Answer);
        assert_eq!(step(&expecting(SUBJECT), None, true, 0), Step::SignIn);
        let other = UserId([4; 16]).subject();
        assert_eq!(step(&expecting(&other), Some(100), true, 0), refused(Why::LoginRequired));
        assert_eq!(asked(&expecting("nobody")), Err(Why::LoginRequired));
    }

    #[test]
    fn checklist_28_prompt_none_never_shows_a_page() {
        assert_eq!(step("prompt=none", None, false, 0), refused(Why::LoginRequired));
        assert_eq!(step("prompt=none", Some(100), false, 0), refused(Why::ConsentRequired));
        assert_eq!(step("prompt=none", Some(100), true, 0), Step::Answer);
        assert_eq!(step("prompt=none&max_age=99", Some(100), true, 0), refused(Why::LoginRequired));
    }

    #[test]
    fn checklist_29_prompt_login_and_max_age_ask_for_a_new_proof_made_for_this_request() {
        for more in
            ["prompt=login", "prompt=select_account", "max_age=0", "max_age=1", "max_age=99"]
        {
            assert_eq!(step(more, Some(100), true, 0), Step::SignIn, "{more}");
            // Signed in since the request arrived, however long consent took.
            assert_eq!(step(more, Some(0), true, 300), Step::Answer, "{more}");
        }
        assert_eq!(step("max_age=100", Some(100), true, 0), Step::Answer);
        assert_eq!(step("max_age=100", Some(100), true, 1), Step::SignIn);
    }

    #[test]
    fn checklist_24_a_public_client_that_any_program_could_be_is_asked_for_every_time() {
        let mut native = shop();
        native.auth_methods = vec![AuthMethod::None];
        native.authorize.first_party = true;
        let uris = ["com.example.app:/cb", "http://127.0.0.1/cb", "https://app.example/cb"];
        native.authorize.redirect_uris =
            uris.iter().map(|uri| RedirectUri::register(uri).unwrap()).collect();
        let unproven = |uri| target(&format!("redirect_uri={uri}"), &native).unwrap().is_unproven;
        assert_eq!(uris.map(unproven), [true, true, false]);
        let (scope, none) = (Scope::default(), Resources::default());
        assert!(consent::is_needed(&native, true, &scope, &none, None));
        assert!(!consent::is_needed(&native, false, &scope, &none, None));
    }
}
