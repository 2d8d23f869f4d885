//! Requests and their answers, or none.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::SECRET;

/// How long a client waits for an answer before it takes it for lost.
const PATIENCE: Duration = Duration::from_secs(15);

/// What somebody sends requests with: connections of their own, kept open.
pub(crate) struct Http(ureq::Agent);

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: String,
}

impl Answer {
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
        assert!(self.retry_after.is_some(), "{self:?}");
    }
}

impl Http {
    pub(crate) fn new() -> Self {
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
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
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        let request = self.0.post(url).header("authorization", basic);
        answer(request.send_form(form.iter().copied()))
    }

    pub(crate) fn get(&self, url: &str) -> Result<Answer, String> {
        answer(self.0.get(url).call())
    }
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, String> {
    let mut response = result.map_err(|error| error.to_string())?;
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = String::new();
    let read = response.body_mut().as_reader().read_to_string(&mut body);
    read.map_err(|error| error.to_string())?;
    Ok(Answer { status: response.status().as_u16(), retry_after, body })
}
