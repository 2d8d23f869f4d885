//! Health: live means that the process responds, ready that it should be sent requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use remint_protocol::time::Timestamp;
use remint_store::Error;

use crate::App;
use crate::keys::Fault;

/// The most by which the clocks of a node and of its database may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// The reason a node should not be sent requests.
#[derive(Debug, PartialEq, Eq)]
enum Unready {
    Stopping,
    Store,
    StoreLost,
    Clock { ahead: bool, by: Duration },
    KeyFile(Fault),
    LacksKeys(Vec<u8>),
    KeysDiffer(Vec<u8>),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("this node is stopping"),
            Self::Store => f.write_str("the store does not answer"),
            Self::StoreLost => f.write_str(
                "the files of the database were moved, removed or replaced under this node: put the right \
                 ones in place and restart it",
            ),
            Self::Clock { ahead, by } => {
                let (seconds, side) =
                    (by.as_secs_f64(), if *ahead { "ahead of" } else { "behind" });
                write!(f, "this node's clock is {seconds:.1} s {side} the database's: set it")
            }
            Self::KeyFile(Fault::Unusable) => f.write_str(
                "this node's key file cannot be used, and its log says why: mend it, or the node \
                 does not start again",
            ),
            Self::KeyFile(Fault::ForeignKeys) => f.write_str(
                "this node's key file has none of the root keys of this store: copy the key file of \
                 another node, or restore it, or this one does not start again",
            ),
            Self::LacksKeys(kids) => write!(
                f,
                "this node lacks the root key {}: copy the key file of a node that has it",
                numbers(kids)
            ),
            Self::KeysDiffer(kids) => write!(
                f,
                "the root key {} in this node's key file is not the one that the others have: copy \
                 the key file of another node",
                numbers(kids)
            ),
        }
    }
}

fn numbers(kids: &[u8]) -> String {
    kids.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let why = match unready(&app).await {
        // The log has said so.
        Ok(Some(why @ Unready::Stopping)) => why,
        Ok(None) => return "ready\n".into_response(),
        Ok(Some(why)) => {
            tracing::warn!("not ready: {why}");
            why
        }
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Unready::Store
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response()
}

async fn unready(app: &App) -> Result<Option<Unready>, Error> {
    if app.is_stopping() {
        return Ok(Some(Unready::Stopping));
    }
    if app.store().is_lost() {
        return Ok(Some(Unready::StoreLost));
    }
    app.store().ping().await?;
    let keys = app.keys();
    if let Some(fault) = keys.fault {
        return Ok(Some(Unready::KeyFile(fault)));
    }
    if !keys.differs.is_empty() {
        return Ok(Some(Unready::KeysDiffer(keys.differs.clone())));
    }
    if !keys.lacks.is_empty() {
        return Ok(Some(Unready::LacksKeys(keys.lacks.clone())));
    }
    let asked = app.clock().now();
    let Some(theirs) = app.store().time().await? else { return Ok(None) };
    Ok(clock_differs(theirs, asked, app.clock().now()))
}

/// Compares the clocks: the database's was read at some moment between two of ours.
fn clock_differs(theirs: Timestamp, asked: Timestamp, answered: Timestamp) -> Option<Unready> {
    let (ahead, behind) = (asked.left(theirs), theirs.left(answered));
    let (ahead, by) = if ahead > behind { (true, ahead) } else { (false, behind) };
    (by > CLOCKS_DIFFER).then_some(Unready::Clock { ahead, by })
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.metrics().passwords_busy.set(app.passwords().busy().try_into().unwrap_or(i64::MAX));
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, content_type)], app.metrics().render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_be_two_seconds_apart_and_a_slow_answer_is_no_difference() {
        let at = Timestamp::from_millis;
        let why = |theirs, asked, answered| clock_differs(at(theirs), at(asked), at(answered));
        assert_eq!(why(9_000, 1_000, 20_000), None, "somewhere in between");
        assert_eq!(why(1_000, 3_000, 3_000), None);
        let ahead = Unready::Clock { ahead: true, by: Duration::from_millis(2_001) };
        assert_eq!(why(1_000, 3_001, 3_001), Some(ahead));
        let behind = Unready::Clock { ahead: false, by: Duration::from_millis(3_500) };
        assert_eq!(behind.to_string(), "this node's clock is 3.5 s behind the database's: set it");
        assert_eq!(why(6_500, 2_000, 3_000), Some(behind));
    }
}
