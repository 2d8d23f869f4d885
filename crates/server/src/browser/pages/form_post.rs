//! The page that carries an authorization response to the client by a form (OAuth 2.0 Form Post
//! Response Mode). It sends itself by the only script there is, which the policy allows by its hash;
//! without scripts there is a button.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Frame, Opener, Page, Policy, Source};

const SCRIPT: &str = "document.forms[0].submit()";

/// The form.
#[derive(Clone, Debug, Default)]
pub struct FormPost {
    /// The redirect URI: registered, and compared byte by byte.
    pub redirect_uri: String,
    /// The parameters of the response.
    pub fields: Vec<(String, String)>,
    /// The application's name.
    pub client: String,
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct Html<'a> {
    at: &'a Frame<'a>,
    page: &'a FormPost,
    script: &'static str,
}

impl Page for FormPost {
    fn policy(&self) -> Policy {
        static HASH: LazyLock<String> = LazyLock::new(|| {
            let hash = digest::digest(&digest::SHA256, SCRIPT.as_bytes());
            format!("sha256-{}", STANDARD.encode(hash))
        });
        Policy {
            form_targets: Source::of(&self.redirect_uri).into_iter().collect(),
            script: Some(HASH.clone()),
            ..Policy::default()
        }
    }

    fn opener(&self) -> Opener {
        Opener::Kept
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Html { at, page: self, script: SCRIPT }.render()
    }
}
