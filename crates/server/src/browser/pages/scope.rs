//! The permissions of a scope, in words (OpenID Connect Core §5.4, §11). A scope of the application's own is
//! shown by its name.

/// The scopes that have a sentence, in the order to tell them: who one is, what is known of one, and for
/// how long.
const SENTENCES: [(&str, &str); 6] = [
    ("openid", "scope-openid"),
    ("profile", "scope-profile"),
    ("email", "scope-email"),
    ("address", "scope-address"),
    ("phone", "scope-phone"),
    ("offline_access", "scope-offline"),
];

/// The sentence for a scope, where there is one.
pub(super) fn key(scope: &str) -> Option<&'static str> {
    SENTENCES.iter().find(|(name, _)| *name == scope).map(|(_, key)| *key)
}

/// Scopes with their sentences in the order to tell them, those of the application's own last.
pub(super) fn in_order(scopes: &[String]) -> Vec<(&str, Option<&'static str>)> {
    let known = SENTENCES.iter().filter(|(name, _)| scopes.iter().any(|scope| scope == name));
    let own = scopes.iter().filter(|scope| key(scope).is_none());
    known.map(|(name, key)| (*name, Some(*key))).chain(own.map(|s| (s.as_str(), None))).collect()
}
