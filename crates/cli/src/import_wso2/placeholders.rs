//! The placeholders in WSO2's configuration files, like `${carbon.host}`.

use std::collections::BTreeMap;

/// XML 1.0 §2.3: `S ::= (#x20 | #x9 | #xD | #xA)+`. What only Unicode calls white space is text.
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The values of the placeholders. WSO2 takes them from carbon.xml; the defaults are those of an untouched
/// installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholders {
    /// `${carbon.host}`.
    pub host: String,
    /// `${carbon.protocol}`.
    pub protocol: String,
    /// `${carbon.management.port}`.
    pub port: u16,
    /// Any others, by their full name, for example `carbon.context`; they come before the above.
    pub others: BTreeMap<String, String>,
}

impl Default for Placeholders {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            protocol: "https".to_owned(),
            port: 9443,
            others: BTreeMap::new(),
        }
    }
}

impl Placeholders {
    /// Replaces the placeholders in `text`; those that are not known stay as they are, and what is
    /// put in is not searched again.
    pub(super) fn resolve(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            if let Some((name, tail)) = after.split_once('}')
                && let Some(value) = self.value(name.trim_matches(WHITE_SPACE))
            {
                out.push_str(&value);
                rest = tail;
            } else {
                out.push_str("${");
                rest = after;
            }
        }
        out.push_str(rest);
        out
    }

    /// The address that the placeholders make together.
    pub(super) fn address(&self) -> String {
        format!("{}://{}:{}", self.protocol, self.host, self.port)
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.others.get(name) {
            return Some(value.clone());
        }
        match name {
            "carbon.host" => Some(self.host.clone()),
            "carbon.protocol" => Some(self.protocol.clone()),
            "carbon.management.port" | "mgt.transport.https.port" => Some(self.port.to_string()),
            // WSO2 stands at the root of its host unless carbon.xml says otherwise.
            "carbon.context" | "carbon.proxycontextpath" | "carbon.webcontextroot" => {
                Some(String::new())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_an_untouched_installation_unless_the_caller_knows_better() {
        let untouched = Placeholders::default();
        let url = "${carbon.protocol}://${carbon.host}:${carbon.management.port}\
                   ${carbon.proxycontextpath}/oauth2/token";
        assert_eq!(untouched.resolve(url), "https://localhost:9443/oauth2/token");
        let moved = Placeholders {
            host: "id.example.com".to_owned(),
            port: 443,
            others: BTreeMap::from([("carbon.proxycontextpath".to_owned(), "/auth".to_owned())]),
            ..untouched
        };
        assert_eq!(moved.resolve(url), "https://id.example.com:443/auth/oauth2/token");
    }

    #[test]
    fn what_is_no_known_placeholder_stays_as_it_is() {
        let placeholders = Placeholders { host: "${carbon.host}".to_owned(), ..Default::default() };
        for (text, expected) in [
            ("${carbon.home}/x", "${carbon.home}/x"),
            ("${carbon.host}", "${carbon.host}"),
            ("${ carbon.protocol }", "https"),
            ("${", "${"),
            ("a ${b ${carbon.protocol}", "a ${b https"),
            ("}${}", "}${}"),
        ] {
            assert_eq!(placeholders.resolve(text), expected);
        }
    }
}
