//! The resource owner password credentials grant (RFC 6749 §4.3).
//!
//! The rules before and after the password is checked; the check itself costs tens of milliseconds
//! by design and belongs to the server's pool. OAuth 2.1 drops this grant: a client has it only
//! where an operator registered it.

use crate::authorize::ACR_PASSWORD;
use crate::client::{Client, GrantType};
use crate::ends::Ends;
pub use crate::extent::Extent;
use crate::family::{Family, Origin};
use crate::form::Form;
use crate::grant::{Access, Grant, Issuing, NewFamilyIds};
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::user::UserId;

/// The user name and the password of the request.
///
/// # Errors
/// `invalid_request` where one is missing.
pub fn credentials<'f>(form: &'f Form<'_>) -> Result<(&'f str, &'f str), Reject> {
    let username = form.find("username").ok_or(Why::UsernameMissing)?;
    let password = form.find("password").ok_or(Why::PasswordMissing)?;
    Ok((username, password))
}

/// Everything that can be refused before the password is looked at.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_target`.
pub fn extent(
    client: &Client,
    scope: Option<&Scope>,
    resources: Option<&Resources>,
) -> Result<Extent, Reject> {
    if !client.may_use(GrantType::Password) {
        return Err(Why::GrantNotRegistered.into());
    }
    Ok(Extent {
        scope: Scope::grant(scope, &client.scope)?,
        resources: Resources::grant(resources, &client.resources)?,
    })
}

/// A user whose password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedUser {
    /// The user.
    pub id: UserId,
    /// The number of ends counted when the password's hash was read.
    pub ends: Ends,
    /// The time of the proof.
    pub at: Timestamp,
}

/// Starts the family of a user whose password was right, with its first access token.
pub fn start_family(
    client: &Client,
    user: VerifiedUser,
    extent: Extent,
    fresh: &NewFamilyIds,
    issuing: Issuing<'_>,
) -> (Family, Access) {
    let grant = Grant {
        user_id: user.id,
        scope: extent.scope,
        resources: extent.resources,
        auth_time: user.at,
        // It is authorized by the request that begins it.
        born: Ends::UNCOUNTED,
        proven: user.ends,
        origin: Origin { acr: ACR_PASSWORD.into(), amr: "pwd".into(), ..Origin::default() },
    };
    grant.start_family(client, fresh, issuing)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::tests::client;
    use crate::family_id::FamilyId;
    use crate::grant::Seal;
    use crate::policy::MaxLifetime;
    use crate::policy::Policy;
    use crate::reject::Code;
    use crate::secret::FamilySecret;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const SEAL: Seal = Seal { kid: 2, epoch: 7 };

    fn shop() -> Client {
        let mut shop = client("shop");
        shop.resources = Resources::parse(["https://a", "https://b"]).unwrap();
        shop
    }

    fn begun(client: &Client, policy: &Policy) -> (Family, Access) {
        let fresh = NewFamilyIds { id: FamilyId([1; 16]), secret: FamilySecret::new([2; 16]) };
        let extent = extent(client, Some(&Scope::parse("b a").unwrap()), None).unwrap();
        start_family(
            client,
            VerifiedUser { id: UserId([3; 16]), ends: Ends::new(2), at: NOW },
            extent,
            &fresh,
            Issuing { policy, seal: SEAL, now: NOW },
        )
    }

    #[test]
    fn both_user_name_and_password_must_be_there() {
        let read = |body: &'static str| {
            let form = Form::parse(body.as_bytes()).unwrap();
            credentials(&form)
                .map(|(u, p)| (u.to_owned(), p.to_owned()))
                .map_err(|r| (r.code, r.why))
        };
        assert_eq!(read("username=alice&password=+x"), Ok(("alice".into(), " x".into())));
        assert_eq!(read("password=x"), Err((Code::InvalidRequest, Why::UsernameMissing)));
        assert_eq!(read("username=&password=x"), Err((Code::InvalidRequest, Why::UsernameMissing)));
        assert_eq!(read("username=alice"), Err((Code::InvalidRequest, Why::PasswordMissing)));
        assert_eq!(read("username=a&password="), Err((Code::InvalidRequest, Why::PasswordMissing)));
    }

    #[test]
    fn checklist_56_a_client_has_the_grant_only_where_it_is_registered() {
        let mut shop = shop();
        assert!(extent(&shop, None, None).is_ok());
        shop.grants.retain(|grant| *grant != GrantType::Password);
        let reject = extent(&shop, None, None).unwrap_err();
        assert_eq!((reject.code, reject.why), (Code::UnauthorizedClient, Why::GrantNotRegistered));
    }

    #[test]
    fn a_grant_has_no_more_than_the_client_is_registered_for() {
        let given = |scope: Option<&str>, resource: Option<&str>| {
            let scope = scope.map(|text| Scope::parse(text).unwrap());
            let resources = resource.map(|uri| Resources::parse([uri]).unwrap());
            extent(&shop(), scope.as_ref(), resources.as_ref())
                .map(|e| (e.scope.to_string(), e.resources.to_string()))
                .map_err(|reject| reject.why)
        };
        assert_eq!(given(None, None), Ok(("a b c".into(), "https://a https://b".into())));
        assert_eq!(given(Some("c a"), Some("https://b")), Ok(("a c".into(), "https://b".into())));
        assert_eq!(given(Some("a d"), None), Err(Why::ScopeNotRegistered));
        assert_eq!(given(None, Some("https://c")), Err(Why::ResourceNotGranted));
    }

    #[test]
    fn a_family_begins_with_its_first_generation() {
        let day = Duration::from_hours(24);
        let (family, access) = begun(&shop(), &Policy::default());
        let expected = Family {
            id: FamilyId([1; 16]),
            secret_hash: FamilySecret::new([2; 16]).hash(),
            client_id: shop().id,
            user_id: UserId([3; 16]),
            scope: Scope::parse("a b").unwrap(),
            resources: shop().resources,
            auth_time: NOW,
            origin: Origin { acr: ACR_PASSWORD.into(), amr: "pwd".into(), ..Origin::default() },
            born: Ends::UNCOUNTED,
            proven: Ends::new(2),
            created_at: NOW,
            max_expires_at: NOW.after(day * 365),
            generation: 0,
            grace_floor: 0,
            epoch: 7,
            kid: 2,
            rotated_at: NOW,
            expires_at: NOW.after(day),
            confirmed: false,
            revoked: None,
        };
        assert_eq!(family, expected);
        let expected = Access {
            user_id: UserId([3; 16]),
            family: FamilyId([1; 16]),
            generation: 0,
            scope: Scope::parse("a b").unwrap(),
            resources: shop().resources,
            expires_at: NOW.after(Duration::from_hours(1)),
        };
        assert_eq!(access, expected);
    }

    #[test]
    fn no_token_outlives_the_authorization() {
        let max = Duration::from_mins(10);
        let policy = Policy {
            refresh_token_max_lifetime: MaxLifetime::Of(max),
            refresh_token_lifetime: max * 2,
            ..Policy::default()
        };
        let (family, access) = begun(&shop(), &policy);
        let end = NOW.after(max);
        assert_eq!((family.max_expires_at, family.expires_at, access.expires_at), (end, end, end));
    }

    #[test]
    fn without_a_bound_a_session_lasts_as_long_as_it_is_refreshed() {
        let policy =
            Policy { refresh_token_max_lifetime: MaxLifetime::Endless, ..Policy::default() };
        let (family, access) = begun(&shop(), &policy);
        assert_eq!(family.max_expires_at.as_millis(), i64::MAX);
        assert_eq!(family.expires_at, NOW.after(policy.refresh_token_lifetime));
        assert_eq!(access.expires_at, NOW.after(policy.access_token_lifetime));
    }

    #[test]
    fn without_the_refresh_grant_a_session_is_as_long_as_its_only_access_token() {
        let mut shop = shop();
        shop.grants.retain(|grant| *grant != GrantType::RefreshToken);
        let (family, access) = begun(&shop, &Policy::default());
        assert_eq!(family.expires_at, access.expires_at);
        assert_eq!(family.expires_at, NOW.after(Duration::from_hours(1)));
    }
}
