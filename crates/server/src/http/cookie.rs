//! Cookies: how each is made, and how one is found among those of a request.

use axum::http::{header, request::Parts};
use cookie::{Cookie, SameSite};

use crate::http::field;

/// A cookie of ours, which lasts until the browser is closed.
pub(crate) fn cookie(name: String, value: String) -> Cookie<'static> {
    let cookie = Cookie::build((name, value)).path("/").secure(true).http_only(true);
    cookie.same_site(SameSite::Lax).build()
}

/// The value of a cookie; `None` if there are two, as a browser sends only one of a `__Host-` name. Names are
/// compared byte by byte: a browser protects the prefix only where it sees it, so U+2000 before a name must
/// not be ignored (RFC 6265bis §5.7 strips SP and HTAB alone).
pub(crate) fn find(head: &Parts, name: &str) -> Option<String> {
    let lines = head.headers.get_all(header::COOKIE).iter();
    // Another server's cookie may hold any bytes, and must not make ours unreadable.
    let pairs = lines.flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    let mut values = pairs.filter_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        let (written, value) = pair.split_at_checked(at)?;
        let is_it = field::strip(written) == name.as_bytes();
        is_it.then(|| field::strip(value.get(1..).unwrap_or_default()))
    });
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn found(lines: &[&[u8]]) -> Option<String> {
        let mut request = Request::builder();
        for line in lines {
            request = request.header(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        find(&request.body(()).unwrap().into_parts().0, "__Host-x")
    }

    #[test]
    fn a_cookie_is_found_by_the_bytes_of_its_name() {
        let found = |line: &str| found(&[line.as_bytes()]);
        let one = Some("1".to_owned());
        for line in
            ["__Host-x=1", "a=2; __Host-x=1", "a=2;__Host-x=1;b", " __Host-x=1\t", "b;__Host-x = 1"]
        {
            assert_eq!(found(line), one, "{line:?}");
        }
        for line in [
            "",
            "__Host-x",
            "x=1",
            "__host-x=1",
            "__HOST-X=1",
            "__Host-xx=1",
            "__Host-x2=1",
            "=__Host-x",
            "\u{2000}__Host-x=1",
            "\u{a0}__Host-x=1",
            "__Host-x\u{2000}=1",
            "\u{feff}__Host-x=1",
            "\u{85}__Host-x=1",
            "\u{3000}__Host-x=1",
            "%5f_Host-x=1",
            "\"__Host-x\"=1",
            "a=2, __Host-x=1",
        ] {
            assert_eq!(found(line), None, "{line:?}");
        }
        assert_eq!(found("__Host-x="), Some(String::new()));
        assert_eq!(found("__Host-x=\"1\""), Some("\"1\"".into()), "the quotes belong to it");
        assert_eq!(found("__Host-x=1=2"), Some("1=2".into()));
    }

    #[test]
    fn two_cookies_of_the_name_count_as_none_and_a_neighbour_does_not_disturb() {
        assert_eq!(found(&[b"__Host-x=1; __Host-x=1"]), None);
        assert_eq!(found(&[b"__Host-x=1", b"__Host-x=2"]), None);
        assert_eq!(found(&[b"__Host-x=1; __Host-x="]), None);
        let neighbours: [&[u8]; 2] = [b"\xff=\xfe; __Host-x=1", b"\xe2\x80\x80__Host-x=2"];
        assert_eq!(found(&neighbours), Some("1".into()));
        assert_eq!(found(&[b"__Host-x=\xff"]), None);
    }
}
