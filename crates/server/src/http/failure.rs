//! Every response that is not a success, rendered in one place.
//!
//! The client sees the RFC's error code and a fixed sentence; the log sees the cause.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use remint_protocol::reject::{Code, Reject, Why};
use remint_protocol::tell;
use remint_protocol::token::Unopened;

use crate::browser::pages::error::Parameter;
use crate::entropy::NoEntropy;
use crate::http::notes::Shown;
use crate::state::request_ids::Observed;

/// The reason a request was not served.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A rule refused it.
    Reject(Reject),
    /// A parameter that a page can name was sent twice.
    Repeated(Parameter),
    /// The body is larger than any request.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTooSlow,
    /// The connection broke within the body.
    BodyBroken,
    /// A form that was not given to this browser, or is too old.
    FormExpired,
    /// A new password that is too short or too long, or is not repeated.
    PasswordUnfit,
    /// Too many logins at once.
    Overloaded,
    /// Too many wrong guesses; wait this long.
    Throttled(Duration),
    /// More requests from one source than are allowed; wait this long.
    TooManyRequests(Duration),
    /// Sealed under a key that has not reached this node.
    KeyNotHere,
    /// A fresh store has no key to sign with yet.
    NoSigningKey,
    /// The store is older than the token: a replaced primary, or one from a backup.
    StoreBehind,
    /// Other requests changed the same session, again and again.
    Contended,
    /// The store did not respond, or its data is corrupt.
    Store(remint_store::Error),
    /// A fault of ours.
    Internal(&'static str),
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<Why> for Failure {
    fn from(why: Why) -> Self {
        Self::Reject(why.into())
    }
}

impl From<remint_store::Error> for Failure {
    fn from(error: remint_store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<NoEntropy> for Failure {
    fn from(_: NoEntropy) -> Self {
        Self::Internal("the operating system gives no randomness")
    }
}

const UNAVAILABLE: &str = "temporarily_unavailable";
const TRY_AGAIN: &str =
    "The server cannot do this right now. Try again after the time in Retry-After.";

/// A failure as it goes over the wire.
struct Shape {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    retry_after: Option<u64>,
}

impl Failure {
    /// The failure of a form whose sealed content does not open: it is too old or not ours, or sealed by a
    /// node that has a newer key, which is worth a retry.
    pub(crate) const fn of_form(why: Unopened) -> Self {
        match why {
            Unopened::Garbage => Self::FormExpired,
            Unopened::UnknownKey => Self::KeyNotHere,
        }
    }

    /// The cause in logs and metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Reject(reject) => reject.why.name(),
            Self::Repeated(_) => Why::ParameterTwice.name(),
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::BodyBroken => "body_broken",
            Self::FormExpired => "form_expired",
            Self::PasswordUnfit => "password_unfit",
            Self::Overloaded => "overloaded",
            Self::Throttled(_) => "throttled",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::KeyNotHere => "key_not_here",
            Self::NoSigningKey => "no_signing_key",
            Self::StoreBehind => "store_behind",
            Self::Contended => "contended",
            Self::Store(remint_store::Error::Unavailable { .. }) => "store_unavailable",
            Self::Store(remint_store::Error::Corrupt { .. }) => "store_corrupt",
            Self::Internal(_) => "internal",
        }
    }

    /// Attaches the report to a page that shows the failure in its own way.
    pub(crate) fn shown_by(&self, mut page: Response) -> Response {
        page.extensions_mut().insert(FailureReport::of(self));
        page
    }

    fn shape(&self) -> Shape {
        let invalid = |status, description| Shape {
            status,
            error: Code::InvalidRequest.as_str(),
            description,
            retry_after: None,
        };
        let later = |status, seconds, description| Shape {
            status,
            error: UNAVAILABLE,
            description,
            retry_after: Some(seconds),
        };
        match self {
            Self::Reject(reject) => Shape {
                status: status(*reject),
                error: reject.code.as_str(),
                description: reject.description(),
                retry_after: None,
            },
            Self::Repeated(_) => Self::from(Why::ParameterTwice).shape(),
            Self::BodyTooLarge => {
                invalid(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB.")
            }
            Self::BodyTooSlow => {
                invalid(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.")
            }
            Self::BodyBroken => invalid(StatusCode::BAD_REQUEST, "The body is incomplete."),
            Self::FormExpired => invalid(StatusCode::FORBIDDEN, "The form is not valid any more."),
            Self::PasswordUnfit => {
                invalid(StatusCode::BAD_REQUEST, "The new password cannot be used.")
            }
            Self::Throttled(wait) => later(
                StatusCode::TOO_MANY_REQUESTS,
                seconds(*wait),
                "Too many wrong guesses. Try again after the time in Retry-After.",
            ),
            Self::TooManyRequests(wait) => later(
                StatusCode::TOO_MANY_REQUESTS,
                seconds(*wait),
                "Too many requests from this address. Try again after the time in Retry-After.",
            ),
            Self::Overloaded
            | Self::KeyNotHere
            | Self::NoSigningKey
            | Self::StoreBehind
            | Self::Contended
            | Self::Store(remint_store::Error::Unavailable { .. }) => {
                later(StatusCode::SERVICE_UNAVAILABLE, 1, TRY_AGAIN)
            }
            Self::Store(remint_store::Error::Corrupt { .. }) | Self::Internal(_) => Shape {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                description: "The server made a mistake. Its log has the details.",
                retry_after: None,
            },
        }
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

fn status(reject: Reject) -> StatusCode {
    match reject.why {
        Why::ContentTypeWrong => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => match reject.code {
            // RFC 6750 §3.1.
            Code::InvalidToken | Code::InvalidClient => StatusCode::UNAUTHORIZED,
            Code::InsufficientScope => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        },
    }
}

/// A cause that a request can be refused for, as the reference has it.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// The cause in logs and metrics.
    pub name: &'static str,
    /// The status of a response that is neither a redirect nor a page of its own.
    pub status: u16,
    /// The error code that the client sees; for a response without one, its name in metrics.
    pub error: &'static str,
    /// The sentence of `error_description`; empty where the response is plain text or its status alone.
    pub sentence: &'static str,
    /// The advice to whoever looks after the client or the server.
    pub advice: &'static str,
}

/// Every cause, in the order of their names.
pub fn causes() -> Vec<Cause> {
    let rules = Why::ALL.iter().map(|why| Failure::from(*why).cause(why.advice()));
    let own = Failure::OWN.iter().map(|(failure, advice)| failure.cause(advice));
    let bare = |(status, name, advice)| Cause { name, status, error: name, sentence: "", advice };
    let mut all: Vec<_> = rules.chain(own).chain(BARE.map(bare)).collect();
    all.sort_by_key(|cause| cause.name);
    all
}

/// Responses without an error of OAuth: plain text, or their status alone.
const BARE: [(u16, &str, &str); 8] = [
    (400, "host_malformed", "Send one `Host` header with a host name; look at the proxy in front."),
    (
        400,
        "length_ambiguous",
        "Send `Content-Length` or `Transfer-Encoding`; look at the proxy in front.",
    ),
    (
        500,
        "failed",
        "Report it, with what the log says beside the line; the status is that of the response.",
    ),
    (403, "forbidden", "Compare the request with what the endpoint takes."),
    (
        403,
        "not_from_proxy",
        "Add the proxy to `http.trusted_proxies`, or let nobody else reach this port.",
    ),
    (
        404,
        "not_found",
        "Compare the path with [endpoints](endpoints.md), and how the proxy in front changes it.",
    ),
    (405, "method_not_allowed", "Use the method that the endpoint takes."),
    (503, "unavailable", "Try again; `/health/ready` says what is wrong."),
];

impl Failure {
    /// The failures that no rule caused, each with advice.
    const OWN: &[(Self, &str)] = &[
        (Self::BodyTooLarge, "Send less than 64 KiB."),
        (Self::BodyTooSlow, "Send the body at once; see `http.body_timeout`."),
        (Self::BodyBroken, "Send as many bytes as `Content-Length` says."),
        (Self::FormExpired, "Open the page again; cookies must be allowed for this site."),
        (Self::PasswordUnfit, "Choose a longer password, and repeat it exactly."),
        (Self::Overloaded, "Try again; where it comes often, see [passwords](operations.md)."),
        (
            Self::Throttled(Duration::ZERO),
            "Wait as long as `Retry-After` says; `login.throttled` or `client.throttled` is beside it in the log.",
        ),
        (
            Self::TooManyRequests(Duration::ZERO),
            "Wait as long as `Retry-After` says, or raise the limit in `[limits]`.",
        ),
        (Self::KeyNotHere, "Copy the newest key file to this node; `remint key list` compares."),
        (Self::NoSigningKey, "Try again: the first signing keys are being made."),
        (
            Self::StoreBehind,
            "See `refresh.store_behind`: this node talks to a primary that was replaced.",
        ),
        (Self::Contended, "Try again: others changed the same session."),
        (
            Self::Store(remint_store::Error::Unavailable { cause: String::new() }),
            "Try again; the reason is in `fault` of `request.failed`.",
        ),
        (
            Self::Store(remint_store::Error::Corrupt { table: "", column: "" }),
            "Look at the row that `fault` of `request.failed` names; restore a backup.",
        ),
        (Self::Internal(""), "Report it, with the line `request.failed` or `server.panicked`."),
    ];

    fn cause(&self, advice: &'static str) -> Cause {
        let Shape { status, error, description, .. } = self.shape();
        Cause { name: self.name(), status: status.as_u16(), error, sentence: description, advice }
    }
}

/// The report of a failure, attached to the response so that `observe` can log it with the request id.
#[derive(Clone, Debug)]
pub(crate) struct FailureReport {
    /// The error code that the client sees.
    pub(crate) error: &'static str,
    /// The exact cause.
    pub(crate) cause: &'static str,
    /// The details for an operator, if the server itself is at fault.
    pub(crate) fault: Option<String>,
}

impl FailureReport {
    /// The report of plain HTTP from elsewhere than a trusted proxy.
    pub(crate) const NOT_FROM_PROXY: Self =
        Self { error: "forbidden", cause: "not_from_proxy", fault: None };

    /// The report of a failure.
    pub(crate) fn of(failure: &Failure) -> Self {
        let fault = match failure {
            Failure::Store(error) => Some(error.to_string()),
            Failure::Internal(fault) => Some((*fault).to_owned()),
            Failure::KeyNotHere => Some(
                "this node's key file lacks a root key that the store has: copy that of another node"
                    .to_owned(),
            ),
            Failure::NoSigningKey => Some("there is no key of the algorithm that signs".to_owned()),
            _ => None,
        };
        Self { error: failure.shape().error, cause: failure.name(), fault }
    }

    /// The report of a response that has none, by its status; `None` if that is no refusal.
    pub(crate) fn by_status(status: StatusCode) -> Option<Self> {
        let cause = match status {
            status if status.as_u16() < 400 => return None,
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::FORBIDDEN => "forbidden",
            _ => "failed",
        };
        Some(Self { error: cause, cause, fault: None })
    }

    /// Writes the log line of a refusal.
    pub(crate) fn record(&self, status: StatusCode, shown: &Shown, observed: Observed) {
        let Observed { id: request_id, source, endpoint } = observed;
        // `tracing` wants an event's level known at compile time.
        macro_rules! event {
            ($event:ident $(, $fault:ident)?) => {
                tell!(
                    $event,
                    $($fault,)?
                    endpoint = endpoint.name(),
                    status = status.as_u16(),
                    error = self.error,
                    cause = self.cause,
                    parameter = shown.parameter,
                    client_id = shown.client_id,
                    grant_type = shown.grant_type,
                    response_type = shown.response_type,
                    scope = shown.scope,
                    redirect_uri = shown.redirect_uri,
                    resource = shown.resource,
                    %source,
                    %request_id,
                )
            };
        }
        match &self.fault {
            Some(fault) => event!(REQUEST_FAILED, fault),
            None => event!(REQUEST_REFUSED),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (shape, told) = (self.shape(), FailureReport::of(&self));
        let body =
            serde_json::json!({ "error": shape.error, "error_description": shape.description });
        let mut response = (shape.status, json(body.to_string())).into_response();
        if shape.status == StatusCode::UNAUTHORIZED {
            // RFC 6749 §5.2: name the scheme that the client may use.
            let challenge = HeaderValue::from_static("Basic realm=\"remint\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = shape.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(told);
        response
    }
}

/// A JSON body that no cache may keep (RFC 6749 §5.1).
pub(crate) fn json(body: impl Into<axum::body::Body>) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
            (header::PRAGMA, "no-cache"),
        ],
        body.into(),
    )
}
