//! Telling clients through the browser that its session is over (OpenID Connect Front-Channel Logout 1.0):
//! the page after signing out loads their URLs in hidden frames.
//!
//! It works only where the browser is there, and lets other sites' cookies into frames. Clients that must
//! know are told by the back channel.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::App;
use crate::browser::pages::Link;
use crate::browser::session::Person;
use crate::http::failure::Failure;

/// The most frames on a page.
const MOST: u32 = 32;

impl App {
    /// Lists the URLs that the page after signing out loads. To be asked before the session ends.
    pub(crate) async fn frames(&self, person: Option<&Person>) -> Result<Vec<Link>, Failure> {
        let Some(Person { session, .. }) = person else { return Ok(Vec::new()) };
        let whose = (session.user_id, session.id);
        let clients = self.store().list_frontchannel_clients(whose, MOST).await?;
        let issuer = self.issuer().as_str();
        let mut links: Vec<Link> = Vec::with_capacity(clients.len());
        for id in clients {
            let found = self.client(id.as_str()).await?;
            let Some(client) = found.as_deref().map(|found| &found.client) else { continue };
            let uri = client.relying_party.frontchannel_logout_uri.as_deref();
            let Some(uri) = uri.filter(|_| client.enabled) else { continue };
            let sid = self.sid(client, session.id).await?;
            links.extend(Link::of(&with_session(uri, issuer, &sid)).filter(|l| !links.contains(l)));
        }
        Ok(links)
    }
}

/// §2: both are always sent, whether or not the client asked for them.
fn with_session(uri: &str, issuer: &str, sid: &str) -> String {
    let joint = if uri.contains('?') { '&' } else { '?' };
    let [issuer, sid] = [issuer, sid].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
    format!("{uri}{joint}iss={issuer}&sid={sid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_and_session_are_added_to_whatever_query_there_is() {
        let add = |uri| with_session(uri, "https://id.example.com", "a_b-1");
        let added = "iss=https%3A%2F%2Fid%2Eexample%2Ecom&sid=a%5Fb%2D1";
        assert_eq!(add("https://app.example/out"), format!("https://app.example/out?{added}"));
        assert_eq!(add("https://app.example/?x=1"), format!("https://app.example/?x=1&{added}"));
    }
}
