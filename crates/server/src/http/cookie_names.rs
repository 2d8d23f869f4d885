//! The names of the cookies. Cookies belong to a host, whatever the port (RFC 6265 §8.5), so servers on one
//! host would overwrite each other's. Therefore each name carries a short hash of the issuer.

use sha2::{Digest as _, Sha256};

use crate::config::Issuer;

/// The browser session's cookie before names carried the issuer. It is still read, so that no upgrade signs
/// anybody out.
pub(crate) const SESSION_BEFORE: &str = "__Host-remint-session";
/// The forms' cookie before names carried the issuer.
pub(crate) const FORM_BEFORE: &str = "__Host-remint-form";

/// The names of this server's cookies.
#[derive(Debug)]
pub(crate) struct CookieNames {
    pub(crate) session: String,
    pub(crate) form: String,
    pub(crate) device: String,
    pub(crate) playground: String,
}

impl CookieNames {
    pub(crate) fn of(issuer: &Issuer) -> Self {
        let hash = Sha256::digest(issuer.as_str());
        let mark: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self {
            session: format!("{SESSION_BEFORE}-{mark}"),
            form: format!("{FORM_BEFORE}-{mark}"),
            device: format!("__Host-remint-device-{mark}"),
            playground: format!("__Host-remint-playground-{mark}"),
        }
    }
}
