//! The bare server: the least that a token endpoint over axum can do.
//!
//! It reads the form and the Basic header of every request and answers 400 static bytes. It checks
//! nothing, stores nothing and signs nothing.

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::process::{READY, TOKEN};

/// As long as a token response usually is.
const ANSWER_BYTES: usize = 400;

/// Serves on loopback, on one thread, until it is killed.
pub(crate) fn serve(port: u16) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        let listener = listener.tap_io(|stream| {
            // Without it an answer might wait for the next one; it is slower, not wrong.
            let _ = stream.set_nodelay(true);
        });
        let app = Router::new()
            .route(TOKEN, post(token))
            .route(READY, get(|| async { "ready" }))
            .with_state(answer());
        axum::serve(listener, app).await?;
        Ok(())
    })
}

async fn token(
    State(answer): State<Bytes>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse + use<> {
    let credentials = basic(&headers);
    let fields: Vec<(String, String)> =
        body.split('&').filter_map(|field| field.split_once('=')).map(decoded).collect();
    std::hint::black_box((credentials, fields));
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], answer)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    pair.split_once(':').map(decoded)
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    (decode(name), decode(value))
}

fn decode(text: &str) -> String {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    } else {
        percent_decode_str(text).decode_utf8_lossy().into_owned()
    }
}

fn answer() -> Bytes {
    let begin = r#"{"token_type":"Bearer","expires_in":300,"scope":"a b c","access_token":""#;
    let end = "\"}";
    let filler = "x".repeat(ANSWER_BYTES.saturating_sub(begin.len() + end.len()));
    Bytes::from(format!("{begin}{filler}{end}"))
}
