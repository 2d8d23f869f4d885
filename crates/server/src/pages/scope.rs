//! What a scope lets an application do, in words (OpenID Connect Core §5.4, §11). A scope of the
//! application's own is shown by its name.

/// The sentence for a scope, where there is one.
pub(super) fn key(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "openid" => "scope-openid",
        "profile" => "scope-profile",
        "email" => "scope-email",
        "address" => "scope-address",
        "phone" => "scope-phone",
        "offline_access" => "scope-offline",
        _ => return None,
    })
}
