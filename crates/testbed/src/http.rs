//! HTTP as the tests of a server speak it: a client that takes every answer as it is, and bytes that are sent as
//! they are.

mod answer;
mod raw;

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Response;
use ureq::{Agent, Body, Error, RequestBuilder};

pub use self::answer::Answer;
pub use self::raw::{FORM, connect, exchange, form, request, rest, send};

/// Names and values of header fields.
pub type Headers<'a> = [(&'a str, &'a str)];

/// A client with connections of its own, which are kept open. It follows no redirect, and every status is an
/// answer.
pub struct Http(Agent);

impl Http {
    /// A client that takes an answer for lost when it is not there after so long.
    pub fn new(patience: Duration) -> Self {
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(patience));
        Self(config.build().new_agent())
    }

    /// Asks for something; why there is no answer where there is none.
    pub fn get(&self, url: &str, headers: &Headers<'_>) -> Result<Answer, String> {
        read(with(self.0.get(url), headers).call())
    }

    /// Sends a form; why there is no answer where there is none.
    pub fn post(
        &self,
        url: &str,
        headers: &Headers<'_>,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        read(with(self.0.post(url), headers).send_form(form.iter().copied()))
    }
}

/// The value of `Authorization` for an id and a secret with a colon in between (RFC 7617).
pub fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn with<B>(request: RequestBuilder<B>, headers: &Headers<'_>) -> RequestBuilder<B> {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

fn read(result: Result<Response<Body>, Error>) -> Result<Answer, String> {
    let mut response = result.map_err(|error| error.to_string())?;
    let mut body = String::new();
    let read = response.body_mut().as_reader().read_to_string(&mut body);
    read.map_err(|error| error.to_string())?;
    let headers = response.headers().iter().map(|(name, value)| {
        (name.to_string(), value.to_str().expect("a header is text").to_owned())
    });
    Ok(Answer { status: response.status().as_u16(), headers: headers.collect(), body })
}
