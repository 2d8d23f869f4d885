//! Whole tables, read a page at a time in the order of their keys, so that no table has to fit into memory.
//!
//! Rows that are inserted meanwhile may be missed; no row is read twice.

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client::Client;
use remint_protocol::family::Loaded;
use remint_protocol::family_id::FamilyId;
use remint_protocol::user::UserId;

use crate::{Error, Filter, Store, User};

/// The most rows of a page.
const PAGE: u32 = 500;

/// All clients.
#[derive(Debug)]
pub struct ClientPages<'a> {
    store: &'a Store,
    after: String,
}

/// All users.
#[derive(Debug)]
pub struct UserPages<'a> {
    store: &'a Store,
    after: String,
}

/// All families that a filter lets through.
#[derive(Debug)]
pub struct FamilyPages<'a> {
    store: &'a Store,
    filter: Filter<'a>,
    after: Option<FamilyId>,
    is_over: bool,
}

/// All browser sessions of one user.
#[derive(Debug)]
pub struct BrowserSessionPages<'a> {
    store: &'a Store,
    user: UserId,
    after: Option<BrowserSessionId>,
}

impl Store {
    /// Begins to read all clients.
    pub const fn client_pages(&self) -> ClientPages<'_> {
        ClientPages { store: self, after: String::new() }
    }

    /// Begins to read all users.
    pub const fn user_pages(&self) -> UserPages<'_> {
        UserPages { store: self, after: String::new() }
    }

    /// Begins to read all families that `filter` lets through.
    pub const fn family_pages<'a>(&'a self, filter: Filter<'a>) -> FamilyPages<'a> {
        FamilyPages { store: self, filter, after: None, is_over: false }
    }

    /// Begins to read all browser sessions of `user`.
    pub const fn browser_session_pages(&self, user: UserId) -> BrowserSessionPages<'_> {
        BrowserSessionPages { store: self, user, after: None }
    }
}

impl ClientPages<'_> {
    /// Reads the next page; `None` after the last one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next(&mut self) -> Result<Option<Vec<Client>>, Error> {
        let page = self.store.list_clients(&self.after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        last.id.as_str().clone_into(&mut self.after);
        Ok(Some(page))
    }
}

impl UserPages<'_> {
    /// Reads the next page; `None` after the last one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next(&mut self) -> Result<Option<Vec<User>>, Error> {
        let page = self.store.list_users(&self.after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        last.username.as_str().clone_into(&mut self.after);
        Ok(Some(page))
    }
}

impl FamilyPages<'_> {
    /// Reads the next page; `None` after the last one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next(&mut self) -> Result<Option<Vec<Loaded>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.store.list_families(self.filter, self.after, PAGE).await?;
        self.after = page.next;
        self.is_over = page.next.is_none();
        Ok(Some(page.families))
    }
}

impl BrowserSessionPages<'_> {
    /// Reads the next page; `None` after the last one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next(&mut self) -> Result<Option<Vec<BrowserSession>>, Error> {
        let page = self.store.list_browser_sessions(self.user, self.after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some(last.id);
        Ok(Some(page))
    }
}
