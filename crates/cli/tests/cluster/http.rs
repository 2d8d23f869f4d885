//! Requests and their answers, or none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, Error};

use crate::support::SECRET;

/// How long a client waits for an answer before it takes it for lost.
const PATIENCE: Duration = Duration::from_secs(15);

/// What somebody sends requests with: connections of their own, kept open.
pub(crate) struct Http(Agent);

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The values of a header, in their order.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.headers("retry-after").next()?.parse().ok()
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.headers("location").next()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn text(&self, member: &str) -> String {
        let json = self.json();
        json[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    /// Asserts a refusal for good.
    #[track_caller]
    pub(crate) fn invalid_grant(&self) {
        assert_eq!(self.status, 400, "{self:?}");
        assert_eq!(self.text("error"), "invalid_grant");
    }

    /// Asserts a refusal for now.
    #[track_caller]
    pub(crate) fn later(&self) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.text("error"), "temporarily_unavailable");
        assert!(self.retry_after().is_some(), "{self:?}");
    }
}

impl Http {
    pub(crate) fn new() -> Self {
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE));
        Self(config.build().new_agent())
    }

    /// Sends a form with the shop's credentials; why there is no answer where there is none.
    pub(crate) fn post(
        &self,
        url: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        self.post_as(&format!("shop:{SECRET}"), &format!("{url}{path}"), form)
    }

    pub(crate) fn post_as(
        &self,
        credentials: &str,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        self.post_with(("authorization", &basic(credentials)), url, form)
    }

    /// Sends a form with a header of one's own.
    pub(crate) fn post_with(
        &self,
        (name, value): (&str, &str),
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        answer(self.0.post(url).header(name, value).send_form(form.iter().copied()))
    }

    pub(crate) fn get(&self, url: &str) -> Result<Answer, String> {
        answer(self.0.get(url).call())
    }

    /// Asks for something with a header of one's own.
    pub(crate) fn get_with(
        &self,
        (name, value): (&str, &str),
        url: &str,
    ) -> Result<Answer, String> {
        answer(self.0.get(url).header(name, value).call())
    }
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn answer(result: Result<Response<Body>, Error>) -> Result<Answer, String> {
    let mut response = result.map_err(|error| error.to_string())?;
    let mut body = String::new();
    let read = response.body_mut().as_reader().read_to_string(&mut body);
    read.map_err(|error| error.to_string())?;
    let (head, _) = response.into_parts();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Presents one form to the token endpoints of many nodes at the same moment: sends all requests but for
/// their last byte, then all the last bytes, then reads all answers, each a status and a body.
pub(crate) fn at_once(
    urls: impl Iterator<Item = String>,
    credentials: &str,
    form: &str,
) -> Vec<(u16, Value)> {
    let (form, last) = form.split_at(form.len() - 1);
    let mut waiting: Vec<_> = urls.map(|url| begin(&url, credentials, form)).collect();
    for stream in &mut waiting {
        stream.write_all(last.as_bytes()).unwrap();
    }
    waiting.into_iter().map(end).collect()
}

/// A request without the last byte of its form.
fn begin(url: &str, credentials: &str, form: &str) -> TcpStream {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    write!(
        stream,
        "POST /oauth2/token HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Authorization: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        basic(credentials),
        form.len() + 1
    )
    .unwrap();
    stream
}

fn end(mut stream: TcpStream) -> (u16, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}
