//! Reading a request's form: bounded in size and time before anything looks at it.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header, request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use remint_protocol::form::Form;
use remint_protocol::reject::Why;
use tokio::time::timeout;

use crate::App;
use crate::http::failure::Failure;
use crate::http::field;
use crate::http::notes;

/// The largest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// A request with its whole body.
pub(crate) struct Received {
    pub(crate) head: request::Parts,
    body: Bytes,
}

impl Received {
    /// Reads the body, if it says that it is a form.
    pub(crate) async fn read(app: &App, request: Request) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        refuse_query(&head.uri)?;
        refuse_other_types(&head.headers)?;
        let read = timeout(app.config().http.body_timeout, whole(body));
        let body = read.await.map_err(|_| Failure::BodyTooSlow)??;
        notes::form(head.headers.get(header::AUTHORIZATION), &body);
        Ok(Self { head, body })
    }

    /// Reads the form of one of our pages, or of a request that comes through a browser. A failure comes with
    /// the request's head, for the error page.
    pub(crate) async fn read_form(
        app: &App,
        request: Request,
    ) -> Result<Self, (Box<request::Parts>, Failure)> {
        let (head, body) = request.into_parts();
        if let Err(failure) = refuse_other_types(&head.headers) {
            return Err((Box::new(head), failure));
        }
        let read = timeout(app.config().http.body_timeout, whole(body)).await;
        match read.map_err(|_| Failure::BodyTooSlow).flatten() {
            Ok(body) => {
                notes::form(head.headers.get(header::AUTHORIZATION), &body);
                Ok(Self { head, body })
            }
            Err(failure) => Err((Box::new(head), failure)),
        }
    }

    /// The body as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text: a form is ASCII.
    pub(crate) fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.body).map_err(|_| Why::ParameterMalformed.into())
    }

    /// The parameters.
    pub(crate) fn form(&self) -> Result<Form<'_>, Failure> {
        Ok(Form::parse(&self.body)?)
    }

    /// The `Authorization` header, if there is exactly one.
    pub(crate) fn authorization(&self) -> Result<Option<&[u8]>, Failure> {
        let mut all = self.head.headers.get_all(header::AUTHORIZATION).iter();
        let first = all.next();
        if all.next().is_some() {
            return Err(Why::BasicMalformed.into());
        }
        Ok(first.map(header::HeaderValue::as_bytes))
    }
}

/// The parameters that the endpoints take by form. None may travel in the URL, which logs and browser
/// histories keep.
const PARAMETERS: [&str; 14] = [
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "password",
    "redirect_uri",
    "refresh_token",
    "resource",
    "scope",
    "token",
    "token_type_hint",
    "username",
    "assertion",
];

fn refuse_query(uri: &Uri) -> Result<(), Failure> {
    let Some(query) = uri.query() else { return Ok(()) };
    let form = Form::parse(query.as_bytes())?;
    if form.names().any(|name| PARAMETERS.contains(&name)) {
        return Err(Why::ParametersInQuery.into());
    }
    Ok(())
}

fn refuse_other_types(headers: &HeaderMap) -> Result<(), Failure> {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    // RFC 9110 §8.3: one of two types would be the wrong one.
    let value = match (all.next(), all.next()) {
        (Some(value), None) => value.as_bytes(),
        _ => b"",
    };
    let essence = field::strip(value.split(|b| *b == b';').next().unwrap_or_default());
    if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Ok(())
    } else {
        Err(Why::ContentTypeWrong.into())
    }
}

async fn whole(body: Body) -> Result<Bytes, Failure> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() { Failure::BodyTooLarge } else { Failure::BodyBroken }
    })
}
