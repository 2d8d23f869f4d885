//! A link to another site that a registration names. Only https goes into a page: a `javascript:` URL
//! in a registration must never become one.

use std::fmt;

use super::csp::Source;

/// An https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// The link, where the URL is https and has a plain host; plain http for loopback, where people
    /// try things.
    pub fn of(url: &str) -> Option<Self> {
        let origin = Source::of(url)?.to_string();
        let is_local = ["http://localhost", "http://127.0.0.1"]
            .iter()
            .filter_map(|local| origin.strip_prefix(local))
            .any(|port| port.is_empty() || port.starts_with(':'));
        let is_good = origin.starts_with("https://") || is_local;
        (is_good && !url.contains(char::is_control)).then(|| Self(url.to_owned()))
    }

    /// Returns its destination, as the policy wants it.
    pub fn source(&self) -> Option<Source> {
        Source::of(&self.0)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_becomes_a_link_and_http_on_loopback() {
        for url in ["https://a.example/terms?x=1#y", "http://localhost:8080/", "http://127.0.0.1/x"]
        {
            assert_eq!(Link::of(url).map(|l| l.to_string()).as_deref(), Some(url));
        }
        for url in [
            "",
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            "http://a.example/",
            "http://localhost.example/",
            "com.example.app:/x",
            "//a.example/",
            "https://a.example/\u{0}",
            "data:text/html,x",
        ] {
            assert_eq!(Link::of(url), None, "{url}");
        }
    }
}
