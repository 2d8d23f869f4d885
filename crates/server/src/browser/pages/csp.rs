//! The content security policy of a page (CSP Level 3): nothing but our own stylesheet and logo, no
//! script, no frame around it.

use std::fmt;

use axum::http::HeaderValue;

/// Another site that a page may reach: where a form leads in the end, or what a frame shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(String);

impl Source {
    /// The origin of a URL, or the scheme of one that has no origin, such as a private-use redirect
    /// URI (RFC 8252 §7.1). None for what is no URL, and for schemes that run or show what stands in
    /// the URL itself.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        match scheme.as_str() {
            _ if !is_scheme => None,
            "http" | "https" => {
                let authority = rest.strip_prefix("//")?.split(['/', '?', '#', '\\']).next()?;
                Self::of_authority(&scheme, authority)
            }
            "javascript" | "data" | "vbscript" | "file" | "about" | "blob" | "filesystem" => None,
            _ => Some(Self(format!("{scheme}:"))),
        }
    }

    fn of_authority(scheme: &str, authority: &str) -> Option<Self> {
        // CSP3 §2.3.1: a host source has letters, digits and dashes only, so an IPv6 literal cannot be
        // named. Its scheme can.
        if authority.starts_with('[') {
            return Some(Self(format!("{scheme}:")));
        }
        let is_good = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        let is_host = authority.starts_with(|c: char| c.is_ascii_alphanumeric());
        (is_host && authority.bytes().all(is_good)).then(|| Self(format!("{scheme}://{authority}")))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The permissions that a page needs beyond the stylesheet and the logo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether there are forms that lead to this server.
    pub forms: bool,
    /// Further targets of forms. A browser that follows Chrome's reading applies `form-action` also to the
    /// redirects after a form was sent.
    pub form_targets: Vec<Source>,
    /// The sources of frames.
    pub frames: Vec<Source>,
    /// The hash of the one script, as `sha256-…`.
    pub script: Option<String>,
}

impl Policy {
    /// Only forms that lead to this server.
    pub fn with_forms() -> Self {
        Self { forms: true, ..Self::default() }
    }

    /// Forms that lead to this server and from there, by a redirect, to `target`.
    pub fn with_forms_to(target: Option<&Source>) -> Self {
        Self { forms: true, form_targets: target.cloned().into_iter().collect(), ..Self::default() }
    }

    pub(super) fn header(&self) -> HeaderValue {
        // What sources are made of fits into a header.
        HeaderValue::try_from(self.to_string())
            .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "default-src 'none'; style-src 'self'; img-src 'self'; ")?;
        if let Some(hash) = &self.script {
            write!(f, "script-src '{hash}'; ")?;
        }
        if !self.frames.is_empty() {
            f.write_str("frame-src")?;
            self.frames.iter().try_for_each(|source| write!(f, " {source}"))?;
            f.write_str("; ")?;
        }
        f.write_str("form-action")?;
        if self.forms {
            f.write_str(" 'self'")?;
        } else if self.form_targets.is_empty() {
            f.write_str(" 'none'")?;
        }
        self.form_targets.iter().try_for_each(|source| write!(f, " {source}"))?;
        f.write_str("; frame-ancestors 'none'; base-uri 'none'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> Option<String> {
        Source::of(url).map(|source| source.to_string())
    }

    #[test]
    fn a_source_is_an_origin_or_a_scheme() {
        for (url, expected) in [
            ("https://app.example.com/cb?x=1", "https://app.example.com"),
            ("HTTPS://app.example.com:8443", "https://app.example.com:8443"),
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
            ("http://[::1]:51004/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("com.example.app://cb;x", "com.example.app:"),
        ] {
            assert_eq!(source(url).as_deref(), Some(expected), "{url}");
        }
    }

    #[test]
    fn nothing_slips_from_a_url_into_the_policy() {
        for url in [
            "",
            "app",
            "https:app.example.com",
            "https://",
            "https://*/cb",
            "https://*.example.com",
            "https://a; script-src *",
            "https://a, default-src *",
            "https://a b/",
            "https://user@a/",
            "https://a\r\nx: y",
            "https://ä.example",
            "java script:x",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "'unsafe-inline':x",
            "*:x",
            "1a:x",
        ] {
            assert_eq!(source(url), None, "{url}");
        }
    }

    #[test]
    fn a_page_without_forms_frames_and_scripts_allows_none() {
        assert_eq!(
            Policy::default().to_string(),
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        let policy = Policy {
            forms: true,
            form_targets: vec![Source::of("https://a.example/cb").unwrap()],
            frames: vec![Source::of("https://b.example/out").unwrap()],
            script: Some("sha256-x".into()),
        };
        assert_eq!(
            policy.to_string(),
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'sha256-x'; \
             frame-src https://b.example; form-action 'self' https://a.example; \
             frame-ancestors 'none'; base-uri 'none'"
        );
    }
}
