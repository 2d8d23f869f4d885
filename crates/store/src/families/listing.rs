//! Listings of families: all of them, in pieces, and what a user has that is alive.

use remint_protocol::client_id::ClientId;
use remint_protocol::family::Loaded;
use remint_protocol::family_id::FamilyId;
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;

use super::{loaded, start};
use crate::batch::Statement;
use crate::row::Value;
use crate::{Error, Store};

pub(super) const LIST: Statement =
    Statement::new(select!("WHERE f.id > ?1 ORDER BY f.id LIMIT ?2"));
pub(super) const LIST_BY_USER: Statement =
    Statement::new(select!("WHERE f.user_id = ?3 AND f.id > ?1 ORDER BY f.id LIMIT ?2"));
pub(super) const LIST_BY_CLIENT: Statement =
    Statement::new(select!("WHERE f.client_id = ?3 AND f.id > ?1 ORDER BY f.id LIMIT ?2"));

/// As [`Loaded::is_alive`], or what is over would take the places of what is not.
pub(super) const LIST_LIVE: Statement = Statement::new(select!(
    "WHERE f.user_id = ?1 AND f.revoked_at IS NULL AND f.expires_at > ?2 AND f.max_expires_at > ?2 \
     AND u.disabled_at IS NULL AND f.proven >= u.ended AND (f.proven > 0 OR f.auth_time > u.not_before) \
     AND f.born >= c.ended AND (f.born > 0 OR f.created_at > c.not_before) \
     ORDER BY f.rotated_at DESC LIMIT ?3"
));

/// The families to list.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// Every one.
    All,
    /// Those of a client.
    Client(&'a ClientId),
    /// Those of a user.
    User(UserId),
}

/// A bounded piece of a listing, in the order of the ids.
#[derive(Clone, Debug)]
pub struct Page {
    /// The families.
    pub families: Vec<Loaded>,
    /// The start of the next piece; `None` after the last one.
    pub next: Option<FamilyId>,
}

impl Store {
    /// Lists at most `limit` families after `after`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_families(
        &self,
        filter: Filter<'_>,
        after: Option<FamilyId>,
        limit: u32,
    ) -> Result<Page, Error> {
        let (statement, by): (_, Option<Value>) = match filter {
            Filter::All => (&LIST, None),
            Filter::Client(id) => (&LIST_BY_CLIENT, Some(id.as_str().into())),
            Filter::User(id) => (&LIST_BY_USER, Some(id.0.into())),
        };
        let mut values = vec![start(after), limit.into()];
        values.extend(by);
        let rows = self.read(statement, &values).await?;
        let families = rows.into_iter().map(loaded).collect::<Result<Vec<_>, _>>()?;
        let is_full = u32::try_from(families.len()).is_ok_and(|found| found == limit);
        let next = families.last().filter(|_| is_full).map(|last| last.family.id);
        Ok(Page { families, next })
    }

    /// Lists at most `limit` families of a user that are alive, those first that were used last.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_live_families(
        &self,
        user: UserId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Loaded>, Error> {
        let values = [user.0.into(), now.into(), limit.into()];
        self.read(&LIST_LIVE, &values).await?.into_iter().map(loaded).collect()
    }
}
