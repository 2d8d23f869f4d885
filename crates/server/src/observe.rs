//! What happens around every request: an id, a count, a time, and headers that all answers have.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::clock::stopwatch;
use crate::failure::Told;
use crate::telemetry::Endpoint;
use crate::{App, front};

/// Names a request in its answer's `X-Request-Id` and in every log line about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self(0))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Gives out request ids: unique in this process, and hardly ever the same in another.
#[derive(Debug)]
pub(crate) struct RequestIds {
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) const fn starting_at(seed: u64) -> Self {
        Self { next: AtomicU64::new(seed) }
    }

    fn draw(&self) -> RequestId {
        // An odd constant, so that neighbours do not look alike; it visits every number once.
        RequestId(self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

pub(crate) async fn observe(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = stopwatch();
    let id = app.request_ids.draw();
    request.extensions_mut().insert(id);
    let endpoint = Endpoint::of(request.uri().path());
    let is_strict = front::is_strict(&app.config, request.headers());
    let mut response = next.run(request).await;
    let told = response.extensions().get::<Told>();
    if let Some(fault) = told.and_then(|told| told.fault.as_ref()) {
        tracing::error!(event = "request.failed", fault, endpoint = ?endpoint, request_id = %id);
    }
    let cause = told.map_or("", |told| told.cause);
    let outcome = match told {
        Some(told) => told.error,
        None if is_ok(response.status()) => "ok",
        None => by_status(response.status()),
    };
    let took = started.elapsed();
    app.metrics.request(endpoint, outcome, took);
    tracing::debug!(
        event = "http.request",
        endpoint = ?endpoint,
        status = response.status().as_u16(),
        outcome,
        cause,
        micros = took.as_micros().try_into().unwrap_or(u64::MAX),
        request_id = %id,
    );
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_strict {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// A client that has the newest answer already is served as well.
fn is_ok(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

const fn by_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "failed",
    }
}
