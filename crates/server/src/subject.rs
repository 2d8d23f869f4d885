//! What a client knows a user by (OpenID Connect Core §8).

use remint_protocol::client::Client;
use remint_protocol::id_token::SubjectId;
use remint_protocol::user::UserId;

use crate::App;
use crate::failure::Failure;

impl App {
    /// The `sub` of a user for a client, wherever it is told one.
    pub(crate) async fn subject(
        &self,
        _client: &Client,
        user: UserId,
    ) -> Result<SubjectId, Failure> {
        SubjectId::parse(&user.subject()).ok_or(Failure::Internal("a subject is no subject"))
    }
}
