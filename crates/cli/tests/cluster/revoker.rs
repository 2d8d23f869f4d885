//! A client that ends its sessions and looks whether they stay ended.

use remint_testbed::http::Http;

use crate::load::Busy;
use crate::node::client;
use crate::nodes::{Nodes, any};
use crate::session::{insist, log_in};

/// The tokens of a session that was ended, as the server said.
pub(crate) struct Ended {
    refresh: String,
    access: String,
}

pub(crate) struct Revoker<'n> {
    nodes: &'n Nodes,
    http: Http,
    user: String,
    pub(crate) ended: Vec<Ended>,
}

impl<'n> Revoker<'n> {
    pub(crate) fn new(nodes: &'n Nodes, user: &str) -> Self {
        Self { nodes, http: client(), user: user.to_owned(), ended: Vec::new() }
    }

    /// Begins a session and refreshes it once.
    pub(crate) fn begin(&self) -> Ended {
        let login = log_in(self.nodes, &self.http, &self.user);
        let presented = login.text("refresh_token");
        let form = [("grant_type", "refresh_token"), ("refresh_token", &presented)];
        let next = insist(self.nodes, &self.http, "/oauth2/token", &form).ok();
        Ended { refresh: next.text("refresh_token"), access: next.text("access_token") }
    }

    /// Ends a session: sends that until somebody says that it is done.
    pub(crate) fn end(&mut self, session: Ended) {
        let form = [("token", session.refresh.as_str())];
        insist(self.nodes, &self.http, "/oauth2/revoke", &form).ok();
        self.ended.push(session);
    }

    /// Presents the tokens of one that it ended, at any node.
    pub(crate) fn present(&self, ended: &Ended) {
        let deeds = || format!("A session came back. What was done:\n{}", self.nodes.deeds());
        let form = [("grant_type", "refresh_token"), ("refresh_token", ended.refresh.as_str())];
        let answer = insist(self.nodes, &self.http, "/oauth2/token", &form);
        assert_eq!(answer.status, 400, "{} {}", answer.body, deeds());
        let form = [("token", ended.access.as_str())];
        let answer = insist(self.nodes, &self.http, "/oauth2/introspect", &form).ok();
        assert_eq!(answer.json()["active"].as_bool(), Some(false), "{}", deeds());
    }

    /// Presents the tokens of all that it ended.
    pub(crate) fn present_all(&self) {
        self.ended.iter().for_each(|ended| self.present(ended));
    }
}

impl Busy for Revoker<'_> {
    fn step(&mut self) {
        let session = self.begin();
        self.end(session);
        self.present(&self.ended[self.ended.len() - 1]);
        self.present(&self.ended[any(self.ended.len())]);
    }
}
