//! The extent of a grant: its scope (RFC 6749 §3.3) and its resources (RFC 8707).
//!
//! A grant keeps what was authorized; what it is good for is judged by the client's registration of today.
//! Every endpoint that issues or takes a token asks [`Extent::of_today`], so that none of them says more of a
//! token than another one does.

use crate::client::Client;
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::Scope;

/// The scope and the resources of a grant or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The scope.
    pub scope: Scope,
    /// The resources.
    pub resources: Resources,
}

impl Extent {
    /// Returns what is left of a scope and of resources, less what the client has lost since they were
    /// granted.
    ///
    /// # Errors
    /// `invalid_scope` where nothing of the scope is left. A response could not tell: one without `scope` says
    /// that all of it was granted (RFC 6749 §5.1).
    pub fn of_today(scope: &Scope, resources: &Resources, client: &Client) -> Result<Self, Reject> {
        let left = scope.intersect(&client.scope);
        if left.is_empty() && !scope.is_empty() {
            return Err(Why::ScopeLost.into());
        }
        Ok(Self { scope: left, resources: resources.intersect(&client.resources) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;

    #[test]
    fn what_the_client_lost_is_left_out_and_nothing_else() {
        let of = |scope: &str, registered: &str| {
            let mut client = client("demo");
            client.scope = Scope::parse(registered).unwrap();
            client.resources = Resources::parse(["https://a", "https://c"]).unwrap();
            let resources = Resources::parse(["https://a", "https://b"]).unwrap();
            Extent::of_today(&Scope::parse(scope).unwrap(), &resources, &client)
                .map(|left| (left.scope.to_string(), left.resources.to_string()))
                .map_err(|reject| reject.why)
        };
        let left = |scope: &str| Ok((scope.to_owned(), "https://a".to_owned()));
        assert_eq!(of("a b", "a b c"), left("a b"));
        assert_eq!(of("a b", "b c"), left("b"));
        assert_eq!(of("", "a"), left(""), "there was none to lose");
        assert_eq!(of("a", "b"), Err(Why::ScopeLost));
        assert_eq!(of("a", ""), Err(Why::ScopeLost));
    }
}
