//! A request of the playground, sent to this very server, and its answer, both as they travel.
//!
//! It goes through the same router as a request from outside. What is left out is what the connection
//! adds: TLS, `Date`, `Connection`.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::App;
use crate::browser::pages::playground::Message;
use crate::http::client_ip::Peer;
use crate::http::failure::Failure;

/// The characters that RFC 3986 §2.3 leaves as they are, taken out.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The largest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// The most of one message that is kept, in bytes.
const KEPT_MAX: usize = 16 * 1024;
/// The length beyond which a value is a token, and abbreviated in the middle.
const SHORT: usize = 40;

/// Parameters of a form or a query.
pub(super) type Fields<'a> = [(&'a str, &'a str)];

/// `application/x-www-form-urlencoded`.
pub(super) fn encode(fields: &Fields<'_>) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A request to be sent.
pub(super) struct Draft {
    method: Method,
    path: &'static str,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl Draft {
    pub(super) const fn get(path: &'static str) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: String::new() }
    }

    pub(super) fn post(path: &'static str, form: &Fields<'_>) -> Self {
        let kind = "application/x-www-form-urlencoded".into();
        let body = encode(form);
        let headers =
            vec![(header::CONTENT_TYPE, kind), (header::CONTENT_LENGTH, body.len().to_string())];
        Self { method: Method::POST, path, headers, body }
    }

    pub(super) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.insert(0, (name, value));
        self
    }

    /// The request as it travels.
    pub(super) fn message(&self, app: &App) -> Message {
        let issuer = app.issuer();
        let mut head = format!("{} {}{} HTTP/1.1\n", self.method, issuer.path(), self.path);
        let authority = issuer.as_str().split("//").nth(1).and_then(|rest| rest.split('/').next());
        head.push_str(&format!("host: {}\n", authority.unwrap_or_default()));
        self.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\n")));
        message(&head, &self.body, &self.body.replace('&', "\n&"))
    }

    /// Sends it, from where the browser is.
    pub(super) async fn send(&self, app: &Arc<App>, peer: Option<Peer>) -> Result<Sent, Failure> {
        let mut request = Request::builder().method(&self.method).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(peer) = peer {
            request = request.extension(peer);
        }
        let broken = |_| Failure::Internal("the playground's request is none");
        let request = request.body(Body::from(self.body.clone())).map_err(broken)?;
        let Ok(answer) = crate::router(app).oneshot(request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, ANSWER_MAX).await.map_err(|_| Failure::BodyBroken)?;
        let text = String::from_utf8_lossy(&body);
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Sent {
            request: self.message(app),
            answer: answer_message(head.status, &head.headers, &text, &json),
            status: head.status,
            json,
        })
    }
}

/// A request that was answered.
pub(super) struct Sent {
    pub(super) request: Message,
    pub(super) answer: Message,
    pub(super) status: StatusCode,
    /// The answer's body; null where it is not JSON.
    pub(super) json: Value,
}

impl Sent {
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.json.get(member)?.as_str()
    }
}

fn answer_message(status: StatusCode, headers: &HeaderMap, body: &str, json: &Value) -> Message {
    let mut head = format!("HTTP/1.1 {status}\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("…")));
    }
    message(&head, body, &readable(json).unwrap_or_else(|| body.to_owned()))
}

/// JSON with one member to a line.
pub(super) fn readable(json: &Value) -> Option<String> {
    if json.is_null() { None } else { serde_json::to_string_pretty(json).ok() }
}

/// A request of the browser's: only its target matters.
pub(super) fn navigation(target: &str) -> Message {
    let lines = target.replacen('?', "\n?", 1).replace('&', "\n&");
    Message {
        short: format!("GET {}", abbreviated(&cut(&lines))),
        whole: format!("GET {}", cut(target)),
    }
}

fn message(head: &str, body: &str, lines: &str) -> Message {
    let joint = if body.is_empty() { "" } else { "\n" };
    Message {
        short: abbreviated(&cut(&format!("{head}{joint}{lines}"))),
        whole: cut(&format!("{head}{joint}{body}")),
    }
}

fn cut(text: &str) -> String {
    let end = (0..=KEPT_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// Leaves the middle of everything long out.
fn abbreviated(text: &str) -> String {
    let is_joint = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    text.split_inclusive(is_joint).map(abbreviate).collect()
}

fn abbreviate(piece: &str) -> String {
    let word = piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let joint = piece.get(word.len()..).unwrap_or_default();
    match (word.get(..14), word.len().checked_sub(8).and_then(|at| word.get(at..))) {
        (Some(first), Some(last)) if word.len() > SHORT => format!("{first}…{last}{joint}"),
        _ => piece.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_left_out_in_the_middle_and_nothing_else() {
        let token =
            "rmrt_AQGuvgYeJOuXRpIT4HQLvki0QRwQ-xS785hsDBxGFsZKz7_p4-JIf2EYw45bFMGOpcluAyMPxto";
        let text = format!("{{\"a\": \"{token}\",\n \"b\": \"ü {token}\"}}");
        let short = "rmrt_AQGuvgYeJ…uAyMPxto";
        let expected = format!("{{\"a\": \"{short}\",\n \"b\": \"ü {short}\"}}");
        assert_eq!(abbreviated(&text), expected);
        for same in ["", "grant_type=refresh_token&client_id=playground", &"a".repeat(SHORT)] {
            assert_eq!(abbreviated(same), same);
        }
    }

    #[test]
    fn nothing_grows_beyond_bounds() {
        assert_eq!(cut(&"ü".repeat(KEPT_MAX)).len(), KEPT_MAX);
        assert!(navigation(&"&".repeat(3 * KEPT_MAX)).short.len() <= KEPT_MAX + 4);
    }

    #[test]
    fn a_form_is_encoded() {
        assert_eq!(encode(&[("a", "b c&d"), ("e", "x-._~")]), "a=b%20c%26d&e=x-._~");
    }
}
