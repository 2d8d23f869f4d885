//! The credentials and parameters of a request, kept until the response for the log line of a refusal.
//!
//! They are parsed only if that line is written, and then only parameters that are no secrets: no token,
//! code, password or user name gets into the log.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;

use axum::body::Bytes;
use axum::http::HeaderValue;
use remint_protocol::client_auth;
use remint_protocol::form::Form;
use url::{Url, form_urlencoded};

/// The longest value that is logged, in bytes.
const VALUE_MAX: usize = 200;

tokio::task_local! {
    static NOTES: RefCell<Notes>;
}

/// The notes on a request.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    authorization: Option<HeaderValue>,
    body: Bytes,
    /// The parameters of a request that came through a browser, however they came.
    carried: Option<String>,
}

/// Runs `answering`, and returns its output with the notes that it made.
pub(crate) async fn noting<T>(answering: impl Future<Output = T>) -> (T, Notes) {
    let mut scope = pin!(NOTES.scope(RefCell::default(), answering));
    let answer = scope.as_mut().await;
    let notes = scope.take_value().map(RefCell::into_inner).unwrap_or_default();
    (answer, notes)
}

/// Notes the form of a request, and its `Authorization` header.
pub(crate) fn form(authorization: Option<&HeaderValue>, body: &Bytes) {
    // Outside of a request there is nothing to note it in.
    let _ = NOTES.try_with(|notes| {
        let mut notes = notes.borrow_mut();
        notes.authorization = authorization.cloned();
        notes.body = body.clone();
    });
}

/// Notes parameters that came in a URL, or that a page carried.
pub(crate) fn parameters(parameters: &str) {
    let _ = NOTES.try_with(|notes| notes.borrow_mut().carried = Some(parameters.to_owned()));
}

/// Parameters that are logged when repeated. Other names are the requester's own text, and may be anything.
const NAMES: [&str; 24] = [
    "access_token",
    "claims",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "password",
    "post_logout_redirect_uri",
    "prompt",
    "redirect_uri",
    "refresh_token",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "token",
    "username",
];

/// The fields of the log line that are about the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The parameter that came twice.
    pub(crate) parameter: Option<&'static str>,
    /// The client that the request names. The cause tells whether it is authenticated.
    pub(crate) client_id: Option<String>,
    pub(crate) grant_type: Option<String>,
    pub(crate) response_type: Option<String>,
    pub(crate) scope: Option<String>,
    /// Scheme, host, port and path.
    pub(crate) redirect_uri: Option<String>,
    /// Scheme, host, port and path.
    pub(crate) resource: Option<String>,
}

impl Notes {
    pub(crate) fn shown(&self) -> Shown {
        let parameters = self.carried.as_deref().map_or(&*self.body, str::as_bytes);
        // More lenient than the real parser, for requests that are refused because they cannot be read.
        let value = |wanted| form_urlencoded::parse(parameters).find(|(name, _)| name == wanted);
        let find = |name| value(name).map(|(_, value)| cleaned(&value));
        let url = |name| value(name).map(|(_, url)| cleaned(&without_query(&url)));
        let twice = Form::repeated(parameters);
        let authorization = self.authorization.as_ref().map(HeaderValue::as_bytes);
        let credentials = authorization.and_then(|header| client_auth::parse_basic(header).ok());
        let redirect_uri = url("redirect_uri").or_else(|| url("post_logout_redirect_uri"));
        Shown {
            parameter: twice.and_then(|name| NAMES.into_iter().find(|known| *known == name)),
            client_id: credentials.map(|(id, _)| cleaned(&id)).or_else(|| find("client_id")),
            grant_type: find("grant_type"),
            response_type: find("response_type"),
            scope: find("scope"),
            redirect_uri,
            resource: url("resource"),
        }
    }
}

/// The part of a URL before query and fragment, without user and password.
fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) if parsed.has_host() => {
            format!("{}{}", parsed.origin().ascii_serialization(), parsed.path())
        }
        Ok(parsed) => format!("{}:{}", parsed.scheme(), parsed.path()),
        // Not a URL: leave out what could be a user and a password in it.
        Err(_) => {
            let text = url.split(['?', '#']).next().unwrap_or_default();
            text.rsplit('@').next().unwrap_or_default().to_owned()
        }
    }
}

/// Text of a stranger: bounded, and without anything that could be taken for another line or field.
fn cleaned(text: &str) -> String {
    let is_visible = |c: char| c == ' ' || c.is_ascii_graphic();
    let mut kept: String =
        text.chars().take(VALUE_MAX).map(|c| if is_visible(c) { c } else { '?' }).collect();
    if text.chars().nth(VALUE_MAX).is_some() {
        kept.push_str("...");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(authorization: Option<&'static str>, body: &'static str) -> Shown {
        let authorization = authorization.map(HeaderValue::from_static);
        Notes { authorization, body: Bytes::from_static(body.as_bytes()), carried: None }.shown()
    }

    #[test]
    fn a_client_is_named_by_its_header_or_its_form() {
        // demo:secret
        let basic = Some("Basic ZGVtbzpzZWNyZXQ=");
        assert_eq!(shown(basic, "client_id=other").client_id.as_deref(), Some("demo"));
        assert_eq!(shown(None, "client_id=other").client_id.as_deref(), Some("other"));
        assert_eq!(shown(Some("Bearer x"), "").client_id, None);
    }

    #[test]
    fn a_request_that_cannot_be_read_says_whose_it_is_and_which_parameter_came_twice() {
        let twice = shown(None, "client_id=demo&scope=a&scope=b");
        let known = (twice.client_id.as_deref(), twice.parameter, twice.scope.as_deref());
        assert_eq!(known, (Some("demo"), Some("scope"), Some("a")));
        assert_eq!(shown(None, "client_id=demo&x=%zz").client_id.as_deref(), Some("demo"));
        // A name that is not known may be anything.
        let secret = shown(None, "rmrt_SECRET&rmrt_SECRET");
        assert_eq!(secret, Shown::default());
    }

    #[test]
    fn of_a_url_only_origin_and_path_are_shown() {
        for (url, expected) in [
            ("https://app.example/cb?secret=1#x", "https://app.example/cb"),
            ("https://u:p@app.example:8443/cb", "https://app.example:8443/cb"),
            ("com.example.app:/cb?code=1", "com.example.app:/cb"),
            ("nonsense?secret=1", "nonsense"),
            ("https://u:p@[bad/cb?secret=1", "[bad/cb"),
            ("//app.example/cb#secret", "//app.example/cb"),
        ] {
            assert_eq!(without_query(url), expected);
        }
    }

    #[test]
    fn what_a_stranger_writes_is_bounded_and_stays_within_its_field() {
        assert_eq!(cleaned("a\r\nevent=\u{1b}[31m\u{e9}"), "a??event=?[31m?");
        assert_eq!(cleaned(&"x".repeat(10_000)).len(), VALUE_MAX + 3);
        assert_eq!(shown(None, "client_id=%C3%A9").client_id.as_deref(), Some("?"));
    }

    #[test]
    fn no_secret_is_shown() {
        let body = "client_id=demo&client_secret=SECRET&code=SECRET&password=SECRET&username=SECRET\
                    &refresh_token=SECRET&token=SECRET&code_verifier=SECRET&state=SECRET&nonce=SECRET\
                    &id_token_hint=SECRET&login_hint=SECRET&assertion=SECRET";
        let shown = format!("{:?}", shown(Some("Basic ZGVtbzpTRUNSRVQ="), body));
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
