//! The pages that people see: sign-in, consent, sign-out, account, errors, the form that carries an
//! authorization response, and the playground of a development server.
//!
//! Each page is a plain struct, in a file of its own, that says what there is to show; its template is
//! in `templates/`, its sentences in `locales/` (but for [`playground`], which is for developers).
//! [`Pages::respond`] makes a response of it. What is put into a page is escaped by its template, whatever
//! it is; no page has a script (but for [`form_post::FormPost`], whose script the policy allows by its
//! hash), an inline style, or anything from another site. State is in form fields, never in the URL's
//! fragment.
//!
//! Because of `Referrer-Policy: no-referrer`, browsers send `Origin: null` with the forms of these
//! pages: what keeps strangers from posting them is the field `csrf`, or `Sec-Fetch-Site`.

pub mod account;
mod agent;
mod assets;
pub mod consent;
mod csp;
pub mod error;
pub mod form_post;
mod frame;
mod language;
mod link;
mod moment;
mod palette;
mod place;
pub mod playground;
mod scope;
pub mod sign_in;
pub mod sign_out;
mod texts;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::config::Config;
use crate::http::failure::Failure;

pub use agent::Agent;
pub use assets::LogoError;
pub use csp::{Policy, Source};
pub use frame::Frame;
pub use language::Language;
pub use link::Link;
pub use palette::Palette;
pub use place::Place;

use assets::Assets;

/// The hidden field of every form that changes something, against forms of other sites.
pub const CSRF: &str = "csrf";
/// The hidden field that says which authorization request, or which logout, a form belongs to.
pub const FLOW: &str = "flow";
/// The field that says which button was pressed.
pub const DECISION: &str = "decision";

/// The time for which a page is shown that goes on by itself. It begins when all is loaded, its frames as
/// well.
const ONWARD_AFTER: Duration = Duration::from_secs(3);

/// Whether a page stays within reach of the one that opened it in a window of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// It does not.
    Cut,
    /// It does: an application that signs in through a popup waits for the window to come back, and a
    /// link that was once cut stays cut.
    Kept,
}

/// The content of a page, and the needs of its response.
pub trait Page {
    /// The status of the response.
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    /// Returns the permissions that the page needs beyond our stylesheet.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Returns the time after which to try again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Returns the URL to which the browser goes by itself after a few seconds.
    fn onward(&self) -> Option<&str> {
        None
    }

    /// Whether an application may have opened the page in a popup.
    fn opener(&self) -> Opener {
        Opener::Cut
    }

    /// The page as HTML.
    ///
    /// # Errors
    /// Only where memory ends.
    fn html(&self, frame: &Frame<'_>) -> askama::Result<String>;
}

/// The parts that all pages share: the brand, the stylesheet, the address of the server.
#[derive(Debug)]
pub struct Pages {
    brand: String,
    base: String,
    assets: Assets,
}

impl Pages {
    /// Reads the logo and makes the stylesheet.
    ///
    /// # Errors
    /// When the logo cannot be used.
    pub fn new(config: &Config) -> Result<Self, LogoError> {
        let logo = config.brand.logo.as_ref().map(|file| config.path(file));
        Ok(Self {
            brand: config.brand.name.as_str().to_owned(),
            base: config.server.issuer.path().to_owned(),
            assets: Assets::new(config.brand.colour, logo.as_deref())?,
        })
    }

    /// The response that shows a page.
    pub fn respond(&self, language: Language, page: &dyn Page) -> Response {
        let frame = Frame::new(language, &self.brand, &self.base, &self.assets);
        let Ok(html) = page.html(&frame) else {
            return Failure::Internal("a page cannot be made").into_response();
        };
        let mut response = (page.status(), html).into_response();
        set_headers(response.headers_mut(), language, page);
        response
    }

    /// The response to `GET /assets/{file}`.
    pub fn asset(&self, file: &str) -> Response {
        self.assets.respond(file)
    }
}

fn set_headers(headers: &mut HeaderMap, language: Language, page: &dyn Page) {
    let fixed: [(HeaderName, &'static str); 9] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // Pages have secrets in their forms and the names of people.
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept-language, cookie"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // RFC 9700 §4.16: no page in a frame of somebody else; this one is for old browsers.
        (header::X_FRAME_OPTIONS, "DENY"),
        // RFC 9700 §4.2.4: nothing of our URLs goes to others.
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            match page.opener() {
                Opener::Cut => "same-origin",
                Opener::Kept => "unsafe-none",
            },
        ),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.insert(header::CONTENT_SECURITY_POLICY, page.policy().header());
    if let Some(wait) = page.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds(wait).into());
    }
    // HTML §4.2.5.3, "shared declarative refresh steps": the URL is all that follows, unquoted. One that
    // is no header value, such as one with a line break, is left to the page's link.
    let refresh = |url| HeaderValue::try_from(format!("{}; url={url}", seconds(ONWARD_AFTER)));
    if let Some(Ok(value)) = page.onward().map(refresh) {
        headers.insert(header::REFRESH, value);
    }
}

/// Whole seconds, never too few.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
