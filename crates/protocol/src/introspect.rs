//! Token introspection (RFC 7662): who may see what of a token.
//!
//! A client sees its own tokens; a resource server sees access tokens that are meant for a resource
//! it serves. All are judged by what their client is registered for today, as a refresh is. Anything else is `{"active": false}` and nothing more (RFC 7662 §2.2). Looking at a
//! used-up refresh token never ends its family, or introspection would be a kill switch.

use crate::client::{Client, GrantType};
use crate::client_credentials;
use crate::client_id::ClientId;
use crate::extent::Extent;
use crate::family::{Family, Loaded};
use crate::policy::Policy;
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, RefreshToken, Subject};
use crate::user::UserId;

/// The facts about an active token that an entitled caller learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// `client_id`.
    pub client_id: ClientId,
    /// `sub`: the user, or none where the client speaks for itself.
    pub subject: Option<UserId>,
    /// `scope`.
    pub scope: Scope,
    /// `aud`.
    pub resources: Resources,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`; access tokens only.
    pub jti: Option<Jti>,
}

/// The facts about an access token besides its own content.
#[derive(Clone, Copy, Debug)]
pub struct AccessState<'a> {
    /// The client that it was issued to, as registered today.
    pub owner: Option<&'a Client>,
    /// The owner's policy.
    pub owner_policy: &'a Policy,
    /// Its family; `None` for a token without one, or whose family is gone.
    pub family: Option<&'a Loaded>,
    /// Whether this very token was revoked.
    pub is_denied: bool,
}

/// Whether `caller` sees this access token as active, and what of it is left today. What the token says is taken
/// for no more than the session behind it, or the client, may have: a seal alone does not show that anything was
/// granted.
pub fn access_token(
    caller: &Client,
    token: &AccessToken,
    state: AccessState<'_>,
    now: Timestamp,
) -> Option<Active> {
    if state.is_denied || token.expires_at <= now {
        return None;
    }
    let owner = state.owner.filter(|owner| owner.enabled)?;
    let (subject, scope, resources) = match token.subject {
        Subject::Client { born } => {
            let is_standing = owner.ended.spares(born, token.issued_at)
                && client_credentials::is_registered(owner).is_ok();
            is_standing.then(|| (None, token.scope.clone(), token.resources.clone()))?
        }
        Subject::User { user_id, generation, .. } => {
            let loaded = state.family.filter(|loaded| loaded.family.may_have_issued(token))?;
            let family = &loaded.family;
            let is_superseded =
                state.owner_policy.revoke_access_token_on_refresh && generation < family.generation;
            let is_alive = family.revoked.is_none()
                && now < family.max_expires_at
                && loaded.is_user_standing()
                && loaded.is_client_standing()
                && may_speak_for_users(owner, family);
            if is_superseded || !is_alive {
                return None;
            }
            let scope = token.scope.intersect(&family.scope);
            (Some(user_id), scope, token.resources.intersect(&family.resources))
        }
    };
    let today = Extent::of_today(&scope, &resources, owner).ok()?;
    let is_entitled = token.client_id == caller.id || today.resources.meets(&caller.serves);
    is_entitled.then(|| Active {
        client_id: token.client_id.clone(),
        subject,
        scope: today.scope,
        resources: today.resources,
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        jti: Some(token.jti),
    })
}

/// Whether the client is registered for a grant that leads to access tokens of the family: the one that began
/// it, or the one that goes on with it.
fn may_speak_for_users(client: &Client, family: &Family) -> bool {
    let began = if family.origin.browser_session.is_none() {
        client.may_use(GrantType::Password)
    } else {
        client.may_use(GrantType::AuthorizationCode)
            || client.authorize.response_types.iter().any(|kind| kind.token)
    };
    began || client.may_use(GrantType::RefreshToken)
}

/// Whether `caller`, for whom the token opened, sees this refresh token as active: only the newest
/// one of a living family is, and only while a refresh would be answered.
pub fn refresh_token(
    caller: &Client,
    token: &RefreshToken,
    loaded: Option<&Loaded>,
    now: Timestamp,
) -> Option<Active> {
    let loaded = loaded.filter(|l| l.is_alive(now))?;
    let family = &loaded.family;
    let is_newest = family.client_id == caller.id
        && family.secret_hash == token.secret.hash()
        && family.generation == token.generation;
    if !is_newest || !caller.may_use(GrantType::RefreshToken) {
        return None;
    }
    let today = Extent::of_today(&family.scope, &family.resources, caller).ok()?;
    Some(Active {
        client_id: caller.id.clone(),
        subject: Some(family.user_id),
        scope: today.scope,
        resources: today.resources,
        issued_at: family.rotated_at,
        expires_at: family.expires_at,
        jti: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::ends::{Ends, LastEnd};
    use crate::family::{Origin, RevokeReason};
    use crate::family_id::FamilyId;
    use crate::secret::FamilySecret;
    use crate::user::UserStanding;

    const USER: UserId = UserId([3; 16]);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis((1_000_000 + secs) * 1000)
    }

    fn resources(text: &str) -> Resources {
        Resources::parse(text.split_whitespace()).unwrap()
    }

    /// A token of each kind, and all that decides about them. Nothing is wrong with any.
    struct Case {
        caller: Client,
        owner: Option<Client>,
        policy: Policy,
        loaded: Option<Loaded>,
        access: AccessToken,
        refresh: RefreshToken,
        is_denied: bool,
        now: Timestamp,
    }

    impl Default for Case {
        fn default() -> Self {
            let secret = FamilySecret::new([2; 16]);
            let mut owner = client("demo");
            owner.resources = resources("https://a https://b");
            let family = Family {
                id: FamilyId([1; 16]),
                secret_hash: secret.hash(),
                client_id: owner.id.clone(),
                user_id: USER,
                scope: Scope::parse("a b").unwrap(),
                resources: resources("https://a https://b"),
                auth_time: at(-500),
                origin: Origin::default(),
                born: Ends::new(4),
                proven: Ends::new(3),
                created_at: at(-500),
                max_expires_at: at(86_400 * 365),
                generation: 5,
                grace_floor: 0,
                epoch: 7,
                kid: 1,
                rotated_at: at(-50),
                expires_at: at(86_400),
                confirmed: false,
                revoked: None,
            };
            let user = Some(UserStanding { enabled: true, ended: LastEnd::default() });
            let client = Some(LastEnd::default());
            let access = AccessToken {
                jti: Jti([4; 16]),
                client_id: owner.id.clone(),
                subject: Subject::User { user_id: USER, family: family.id, generation: 5 },
                scope: Scope::parse("a").unwrap(),
                resources: resources("https://a"),
                issued_at: at(-50),
                expires_at: at(3_550),
            };
            let refresh =
                RefreshToken { kid: 1, epoch: 7, family: family.id, secret, generation: 5 };
            Self {
                caller: owner.clone(),
                owner: Some(owner),
                policy: Policy::default(),
                loaded: Some(Loaded { family, user, client, epoch: 1 }),
                access,
                refresh,
                is_denied: false,
                now: at(0),
            }
        }
    }

    impl Case {
        fn with(change: impl FnOnce(&mut Self)) -> Self {
            let mut case = Self::default();
            change(&mut case);
            case
        }

        fn family(&mut self) -> &mut Family {
            &mut self.loaded.as_mut().unwrap().family
        }

        fn user(&mut self) -> &mut UserStanding {
            self.loaded.as_mut().unwrap().user.as_mut().unwrap()
        }

        fn owner(&mut self) -> &mut Client {
            self.owner.as_mut().unwrap()
        }

        fn see_access(&self) -> Option<Active> {
            let state = AccessState {
                owner: self.owner.as_ref(),
                owner_policy: &self.policy,
                family: self.loaded.as_ref(),
                is_denied: self.is_denied,
            };
            access_token(&self.caller, &self.access, state, self.now)
        }

        fn see_refresh(&self) -> Option<Active> {
            refresh_token(&self.caller, &self.refresh, self.loaded.as_ref(), self.now)
        }
    }

    #[test]
    fn a_client_sees_what_its_own_access_token_says() {
        let expected = Active {
            client_id: client("demo").id,
            subject: Some(USER),
            scope: Scope::parse("a").unwrap(),
            resources: resources("https://a"),
            issued_at: at(-50),
            expires_at: at(3_550),
            jti: Some(Jti([4; 16])),
        };
        assert_eq!(Case::default().see_access(), Some(expected));
    }

    #[test]
    fn checklist_68_a_resource_server_sees_only_access_tokens_for_what_it_serves() {
        let sees = |serves: &str, target: &str| {
            let case = Case::with(|c| {
                c.caller = client("api");
                c.caller.serves = resources(serves);
                c.family().resources = resources("https://a https://a/deeper https://b");
                c.access.resources = resources(target);
            });
            assert_eq!(case.see_refresh(), None, "a refresh token is none of its business");
            case.see_access().is_some()
        };
        assert!(sees("https://a", "https://a"));
        assert!(sees("https://a https://c", "https://a https://b"));
        assert!(!sees("https://a", "https://b"));
        assert!(!sees("https://a", "https://a/deeper"), "resources are compared whole");
        assert!(!sees("", "https://a"));
        assert!(!sees("https://a", ""), "a token for nothing in particular is not for everyone");
        assert!(!sees("", ""));
    }

    #[test]
    fn checklist_68_another_client_sees_nothing() {
        let case = Case::with(|c| c.caller = client("other"));
        assert_eq!((case.see_access(), case.see_refresh()), (None, None));
    }

    #[test]
    fn checklist_68_nothing_outlives_its_family() {
        let ends: [fn(&mut Case); 8] = [
            |c| c.loaded = None,
            |c| c.family().revoked = Some((at(-1), RevokeReason::Reuse)),
            |c| c.loaded.as_mut().unwrap().user = None,
            |c| c.user().enabled = false,
            |c| c.user().ended.number = Ends::new(4),
            |c| c.family().client_id = client("other").id,
            |c| c.loaded.as_mut().unwrap().client = None,
            |c| c.loaded.as_mut().unwrap().client.as_mut().unwrap().number = Ends::new(5),
        ];
        for end in ends {
            let case = Case::with(end);
            assert_eq!((case.see_access(), case.see_refresh()), (None, None));
        }
    }

    #[test]
    fn an_access_token_ends_alone_and_its_family_lives() {
        let ends: [fn(&mut Case); 4] = [
            |c| c.is_denied = true,
            |c| c.now = at(3_550),
            |c| c.owner = None,
            |c| c.owner().enabled = false,
        ];
        for end in ends {
            let case = Case::with(end);
            assert_eq!(case.see_access(), None);
            assert!(case.see_refresh().is_some());
        }
        let last = Timestamp::from_millis(at(3_550).as_millis() - 1);
        assert!(Case::with(|c| c.now = last).see_access().is_some());
    }

    #[test]
    fn what_the_client_lost_is_left_out_and_what_it_lost_wholly_is_inactive() {
        let seen = |scope: &str, targets: &str| {
            let case = Case::with(|c| {
                c.access.scope = Scope::parse("a b").unwrap();
                c.access.resources = resources("https://a https://b");
                c.owner().scope = Scope::parse(scope).unwrap();
                c.owner().resources = resources(targets);
                c.caller = c.owner().clone();
            });
            let own = Client { serves: resources("https://b"), ..client("api") };
            let of = |active: Option<Active>| {
                active.map(|a| (a.scope.to_string(), a.resources.to_string()))
            };
            let server = Case { caller: own, ..Case::with(|c| c.owner = case.owner.clone()) };
            let server = Case { access: case.access.clone(), ..server };
            (of(case.see_access()), of(case.see_refresh()), server.see_access().is_some())
        };
        let left = |scope: &str, targets: &str| Some((scope.to_owned(), targets.to_owned()));
        let all = left("a b", "https://a https://b");
        assert_eq!(seen("a b c", "https://a https://b https://c"), (all.clone(), all, true));
        let less = left("b", "https://a");
        assert_eq!(seen("b c", "https://a"), (less.clone(), less, false), "no longer the API's");
        let less = left("a", "https://b");
        assert_eq!(seen("a", "https://b"), (less.clone(), less, true));
        assert_eq!(seen("a", ""), (left("a", ""), left("a", ""), false));
        assert_eq!(seen("c", "https://a https://b"), (None, None, false), "nothing is left");
    }

    #[test]
    fn a_token_is_inactive_once_no_grant_of_the_client_leads_to_it() {
        use GrantType::{AuthorizationCode, ClientCredentials, Password, RefreshToken};
        let seen = |grants: &[GrantType], at_browser: bool, own: bool| {
            let case = Case::with(|c| {
                c.owner().grants = grants.to_vec();
                c.caller.grants = grants.to_vec();
                let session = crate::browser_session::BrowserSessionId([1; 16]);
                c.family().origin.browser_session = at_browser.then_some(session);
                if own {
                    c.access.subject = Subject::Client { born: Ends::UNCOUNTED };
                }
            });
            (case.see_access().is_some(), case.see_refresh().is_some())
        };
        assert_eq!(seen(&[Password], false, false), (true, false), "no refresh is answered");
        assert_eq!(seen(&[RefreshToken], false, false), (true, true));
        assert_eq!(seen(&[AuthorizationCode], true, false), (true, false));
        assert_eq!(seen(&[AuthorizationCode, ClientCredentials], false, false), (false, false));
        assert_eq!(seen(&[Password, ClientCredentials], true, false), (false, false));
        assert!(seen(&[ClientCredentials], false, true).0);
        assert!(!seen(&[Password, RefreshToken, AuthorizationCode], false, true).0);
        let implicit = Case::with(|c| {
            c.owner().grants = Vec::new();
            c.owner().authorize.response_types =
                vec![crate::response::ResponseType::parse("token").unwrap()];
            c.family().origin.browser_session =
                Some(crate::browser_session::BrowserSessionId([1; 16]));
        });
        assert!(implicit.see_access().is_some());
        let public = Case::with(|c| {
            c.access.subject = Subject::Client { born: Ends::UNCOUNTED };
            c.owner().auth_methods = vec![crate::client::AuthMethod::None];
        });
        assert_eq!(public.see_access(), None, "a public client can not speak for itself");
    }

    #[test]
    fn what_a_seal_alone_says_of_a_session_is_not_believed() {
        let seen = |change: fn(&mut Case)| Case::with(change).see_access();
        let of = |user_id, id| {
            let subject = Subject::User { user_id, family: FamilyId(id), generation: 5 };
            Case::with(|c| c.access.subject = subject).see_access()
        };
        assert!(of(USER, [1; 16]).is_some());
        assert_eq!(of(UserId([9; 16]), [1; 16]), None);
        assert_eq!(of(USER, [9; 16]), None);
        let wide = seen(|c| c.access.scope = Scope::parse("a c openid").unwrap()).unwrap();
        assert_eq!(wide.scope.as_str(), "a");
        let far = seen(|c| c.access.resources = resources("https://a https://z")).unwrap();
        assert_eq!(far.resources.as_str(), "https://a");
        let late = |c: &mut Case| {
            c.access.expires_at = at(i64::from(u32::MAX));
            c.family().max_expires_at = c.now;
        };
        assert_eq!(seen(late), None);
    }

    #[test]
    fn an_access_token_outlives_an_idle_refresh_token() {
        let case = Case::with(|c| c.family().expires_at = at(-1));
        assert!(case.see_access().is_some());
        assert_eq!(case.see_refresh(), None);
    }

    #[test]
    fn a_renewal_ends_older_access_tokens_only_where_the_policy_says_so() {
        let seen = |generation, revoke| {
            let case = Case::with(|c| {
                let family = c.family().id;
                c.access.subject = Subject::User { user_id: USER, family, generation };
                c.policy.revoke_access_token_on_refresh = revoke;
            });
            case.see_access().is_some()
        };
        assert!(seen(4, false) && seen(5, false));
        assert!(!seen(4, true) && seen(5, true));
        assert!(seen(6, true), "one whose commit was lost is not older");
    }

    #[test]
    fn a_clients_own_access_token_has_no_family_and_ends_with_all_of_its_tokens() {
        let mut case = Case::with(|c| {
            c.access.subject = Subject::Client { born: Ends::new(4) };
            c.loaded = None;
        });
        let public = Case::with(|c| {
            c.access.subject = case.access.subject;
            c.owner().auth_methods = vec![crate::client::AuthMethod::None];
        });
        assert_eq!(public.see_access(), None, "it gets none");
        assert_eq!(case.see_access().unwrap().subject, None);
        case.owner().ended = LastEnd { number: Ends::new(5), at: at(-51) };
        assert_eq!(case.see_access(), None);
        case.owner().ended = LastEnd { number: Ends::new(4), at: at(90_000) };
        assert!(case.see_access().is_some(), "by a clock that was a day ahead");
        case.access.subject = Subject::Client { born: Ends::UNCOUNTED };
        assert_eq!(case.see_access(), None, "issued before the client's first end that is counted");
        case.owner().ended = LastEnd::uncounted(at(-50));
        assert_eq!(case.see_access(), None);
        case.owner().ended = LastEnd::uncounted(at(-51));
        assert!(case.see_access().is_some());
    }

    #[test]
    fn a_client_sees_the_grant_behind_its_newest_refresh_token() {
        let expected = Active {
            client_id: client("demo").id,
            subject: Some(USER),
            scope: Scope::parse("a b").unwrap(),
            resources: resources("https://a https://b"),
            issued_at: at(-50),
            expires_at: at(86_400),
            jti: None,
        };
        assert_eq!(Case::default().see_refresh(), Some(expected));
    }

    #[test]
    fn only_the_newest_refresh_token_is_active() {
        for generation in [0, 4, 6] {
            assert_eq!(Case::with(|c| c.refresh.generation = generation).see_refresh(), None);
        }
        let forged = Case::with(|c| c.refresh.secret = FamilySecret::new([9; 16]));
        assert_eq!(forged.see_refresh(), None);
        for late in [at(86_400), at(86_401)] {
            assert_eq!(Case::with(|c| c.now = late).see_refresh(), None);
        }
        let over = Case::with(|c| c.family().max_expires_at = at(0));
        assert_eq!(over.see_refresh(), None);
    }
}
