//! The root of this server, which people open in a browser when they have nothing but its name: it leads
//! where the configuration says, or to the account page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use crate::App;
use crate::browser::authorize::see_other;
use crate::browser::pages;

pub(crate) async fn home(State(app): State<Arc<App>>) -> Response {
    match &app.config().pages.home {
        Some(home) => see_other(home.as_str()),
        None => see_other(&format!("{}{}", app.issuer().path(), pages::account::PATH)),
    }
}

/// `GET /assets/{file}`: what the pages load.
pub(crate) async fn asset(State(app): State<Arc<App>>, Path(file): Path<String>) -> Response {
    app.pages().asset(&file)
}
