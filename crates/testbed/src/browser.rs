//! The part of a browser that a walk through the pages needs: cookies, and the forms of a page.

use std::collections::BTreeMap;

/// The attributes that every cookie of the server must have.
const ATTRIBUTES: [&str; 4] = ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"];

/// The cookies of one browser, whatever host and port it asks.
#[derive(Clone, Debug, Default)]
pub struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Does what a `Set-Cookie` says, which is to be one that no other host and no script can reach.
    pub fn obey(&mut self, set: &str) {
        let (cookie, attributes) = set.split_once("; ").unwrap_or((set, ""));
        for attribute in ATTRIBUTES {
            assert!(attributes.split("; ").any(|it| it == attribute), "no {attribute}: {set}");
        }
        let (name, value) = cookie.split_once('=').expect(set);
        assert!(name.starts_with("__Host-"), "{set}");
        if attributes.split("; ").any(|it| it == "Max-Age=0") {
            self.0.remove(name);
        } else {
            self.set(name, value);
        }
    }

    /// Puts a cookie there, whoever it is from.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// The value of a cookie.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The header `Cookie`.
    pub fn header(&self) -> String {
        let all: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.join("; ")
    }
}

/// The value of a hidden field of a page.
#[track_caller]
pub fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&start).map(|(_, rest)| rest);
    let value = rest.and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no field {name} in {page}")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

    #[test]
    fn a_cookie_stays_until_it_is_taken_back() {
        let mut cookies = Cookies::default();
        cookies.obey(&format!("__Host-a=1; {REST}"));
        cookies.obey(&format!("__Host-b=2; {REST}; Max-Age=9"));
        assert_eq!(cookies.header(), "__Host-a=1; __Host-b=2");
        cookies.obey(&format!("__Host-a=; {REST}; Max-Age=0"));
        assert_eq!((cookies.find("__Host-a"), cookies.find("__Host-b")), (None, Some("2")));
    }

    #[test]
    #[should_panic(expected = "no HttpOnly")]
    fn a_cookie_that_scripts_can_read_is_a_fault() {
        Cookies::default().obey("__Host-a=1; Path=/; Secure; SameSite=Lax");
    }

    #[test]
    fn a_hidden_field_is_found_by_its_name() {
        let page =
            "<input type=\"hidden\" name=\"csrf\" value=\"x\"><input name=\"flow\" value=\"\">";
        assert_eq!((hidden(page, "csrf").as_str(), hidden(page, "flow").as_str()), ("x", ""));
    }
}
