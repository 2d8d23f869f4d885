//! The layer around every request: an id, a count, a time, and headers that all responses have.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use remint_protocol::tell;

use crate::App;
use crate::clock::stopwatch;
use crate::http::client_ip;
use crate::http::failure::FailureReport;
use crate::http::front;
use crate::http::notes;
use crate::state::request_ids::Observed;
use crate::telemetry::Endpoint;

/// The address that an observed request comes from: see [`source`].
pub(crate) fn source_of(extensions: &Extensions) -> IpAddr {
    extensions.get().map_or(client_ip::UNKNOWN, |request: &Observed| request.source)
}

/// The state of the layer. The labels are handed in, because those who know the endpoints stand above it.
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) app: Arc<App>,
    pub(crate) label_of: fn(&str) -> Endpoint,
}

pub(crate) async fn observe(
    State(Observer { app, label_of }): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = stopwatch();
    let id = app.request_ids().draw();
    let proxies = &app.config().http.trusted_proxies;
    let source = client_ip::source(request.extensions(), request.headers(), proxies);
    let endpoint = label_of(request.uri().path());
    let observed = Observed { id, source, endpoint };
    request.extensions_mut().insert(observed);
    let is_strict = front::is_strict(app.config(), request.headers());
    let (mut response, notes) = notes::noting(next.run(request)).await;
    let told = response.extensions_mut().remove::<FailureReport>();
    let told = told.or_else(|| FailureReport::by_status(response.status()));
    if let Some(told) = &told {
        app.metrics().reject(told.cause);
        told.record(response.status(), &notes.shown(), observed);
    }
    let (outcome, cause) = told.map_or(("ok", ""), |told| (told.error, told.cause));
    let took = started.elapsed();
    app.metrics().request(endpoint, outcome, took);
    tell!(
        HTTP_REQUEST,
        endpoint = endpoint.name(),
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
