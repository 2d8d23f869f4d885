//! The frame of the handlers that a browser calls: what cannot go on is rendered as a page.

use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;

use crate::App;
use crate::browser::error_page;
use crate::http::body::Received;
use crate::http::failure::Failure;

/// Answers a request that has no body.
pub(crate) async fn page(
    app: &App,
    request: Request,
    answer: impl AsyncFnOnce(&Parts) -> Result<Response, Failure>,
) -> Response {
    let (head, _) = request.into_parts();
    let answered = answer(&head).await;
    answered.unwrap_or_else(|failure| error_page::render(app, &head, &failure))
}

/// Answers a form.
pub(crate) async fn form(
    app: &App,
    request: Request,
    answer: impl AsyncFnOnce(&Received) -> Result<Response, Failure>,
) -> Response {
    let received = match Received::read_form(app, request).await {
        Ok(received) => received,
        Err((head, failure)) => return error_page::render(app, &head, &failure),
    };
    let answered = answer(&received).await;
    answered.unwrap_or_else(|failure| error_page::render(app, &received.head, &failure))
}
