//! The frame of the requests that clients send with their credentials: parsed once, then authenticated.

use remint_protocol::form::Form;
use remint_protocol::time::Timestamp;

use crate::App;
use crate::http::body::Received;
use crate::http::client_auth::{Caller, authenticate};
use crate::http::failure::Failure;
use crate::state::request_ids::RequestId;

/// A request of a client that has authenticated.
pub(crate) struct ClientRequest<'a> {
    pub(crate) app: &'a App,
    pub(crate) form: Form<'a>,
    pub(crate) caller: Caller,
    /// The time of the request, which is read once.
    pub(crate) now: Timestamp,
    pub(crate) request_id: RequestId,
}

impl<'a> ClientRequest<'a> {
    /// Parses the form and authenticates its client.
    pub(crate) async fn authenticate(
        app: &'a App,
        received: &'a Received,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let form = received.form()?;
        let caller = authenticate(app, received, &form, now).await?;
        let request_id = RequestId::of(&received.head.extensions);
        Ok(Self { app, form, caller, now, request_id })
    }
}
