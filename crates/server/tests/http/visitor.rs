//! A browser as the pages need it: cookies, redirects one by one, and the forms of a page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remint_protocol::client::{AuthMethod, Client};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::scope::Scope;
pub(crate) use remint_testbed::pkce::{CHALLENGE, VERIFIER};
use remint_testbed::{Cookies, http};
use serde_json::Value;

use crate::site::{Answer, As, PASSWORD, Site};

pub(crate) const CALLBACK: &str = "https://app.example/cb";

/// A browser at a site. A copy is another window of it: the cookies are as they were.
#[derive(Clone)]
pub(crate) struct Visitor<'s> {
    site: &'s Site,
    cookies: Cookies,
}

/// Parameters of a form or a query.
pub(crate) type Fields<'a> = [(&'a str, &'a str)];

impl Site {
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor { site: self, cookies: Cookies::default() }
    }

    /// Registers a confidential client for the code flow, with the scopes of a person.
    pub(crate) fn register_web(&self, id: &str, change: impl FnOnce(&mut Client)) {
        self.register(id, |client| {
            client.name = "The Shop".into();
            client.scope = Scope::parse("openid profile email offline_access a b").unwrap();
            client.authorize.redirect_uris = vec![RedirectUri::register(CALLBACK).unwrap()];
            change(client);
        });
    }

    /// Registers a public client for the code flow.
    pub(crate) fn register_spa(&self, id: &str, change: impl FnOnce(&mut Client)) {
        self.register_web(id, |client| {
            client.auth_methods = vec![AuthMethod::None];
            client.secret = None;
            client.grants.retain(|grant| grant.as_str() != "client_credentials");
            change(client);
        });
    }

    /// What a cookie is called here: its name, and a hash of the issuer.
    pub(crate) fn cookie_name(&self, name: &str) -> String {
        use sha2::{Digest as _, Sha256};
        if !name.starts_with("__Host-remint-") {
            return name.to_owned();
        }
        let hash = Sha256::digest(self.app.config().server.issuer.as_str());
        let mark: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name}-{mark}")
    }

    /// Redeems a code as the confidential client `web`.
    pub(crate) fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(As::Client("web"), code, &[])
    }

    pub(crate) fn redeem_with(&self, sender: As<'_>, code: &str, more: &Fields<'_>) -> Answer {
        let mut form = vec![("grant_type", "authorization_code"), ("code", code)];
        for (name, value) in [("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)] {
            if !more.iter().any(|(n, _)| *n == name) {
                form.push((name, value));
            }
        }
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.token(sender, &form)
    }
}

/// The query of an authorization request of `web`, changed: an empty value leaves a parameter out.
pub(crate) fn request(changes: &Fields<'_>) -> String {
    let mut all = vec![
        ("client_id", "web"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid a"),
        ("state", "xyz"),
        ("nonce", "n-0S6"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        all.retain(|(n, _)| n != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    encode(&all)
}

pub(crate) fn encode(fields: &Fields<'_>) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    pairs.collect::<Vec<_>>().join("&")
}

impl Visitor<'_> {
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    pub(crate) fn post(&mut self, path: &str, fields: &Fields<'_>) -> Answer {
        self.send("POST", path, http::FORM, &encode(fields))
    }

    /// Sends a request with more header lines, each with its end.
    pub(crate) fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let headers = format!(
            "Cookie: {}\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n\
             {kind}",
            self.cookies.header()
        );
        let answer = self.site.exchange(http::request(method, path, &headers, body));
        answer.headers("set-cookie").for_each(|set| self.cookies.obey(set));
        answer
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        let name = self.site.cookie_name(name);
        self.cookies.set(&name, value);
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.find(&self.site.cookie_name(name))
    }

    /// Puts a cookie there under exactly that name.
    pub(crate) fn plant_cookie(&mut self, name: &str, value: &str) {
        self.cookies.set(name, value);
    }

    /// All cookies, as the browser sends them.
    pub(crate) fn cookies(&self) -> String {
        self.cookies.header()
    }

    /// Puts cookies there, as a browser sends them.
    pub(crate) fn add_cookies(&mut self, cookies: &str) {
        for (name, value) in cookies.split("; ").filter_map(|pair| pair.split_once('=')) {
            self.cookies.set(name, value);
        }
    }

    /// The browser as it sends the form of another site.
    pub(crate) fn without_cookies(&self) -> Self {
        self.site.visitor()
    }

    /// Follows redirects as long as they stay at this server.
    pub(crate) fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..8 {
            match answer.header("location") {
                Some(path) if path.starts_with('/') => {
                    assert_eq!(answer.status, 303, "{answer:?}");
                    let path = path.to_owned();
                    answer = self.get(&path);
                }
                _ => return answer,
            }
        }
        panic!("redirects without an end: {answer:?}")
    }

    /// Opens the authorization endpoint and follows it to a page or to an answer.
    pub(crate) fn authorize(&mut self, changes: &Fields<'_>) -> Answer {
        let answer = self.get(&format!("/oauth2/authorize?{}", request(changes)));
        self.follow(answer)
    }

    /// Fills in the sign-in page.
    pub(crate) fn sign_in(&mut self, page: &Answer, username: &str, password: &str) -> Answer {
        let (csrf, flow) = (hidden(page, "csrf"), hidden(page, "flow"));
        let fields =
            [("csrf", &*csrf), ("flow", &*flow), ("username", username), ("password", password)];
        let answer = self.post("/login", &fields);
        self.follow(answer)
    }

    /// Answers the consent page.
    pub(crate) fn decide(&mut self, page: &Answer, decision: &str) -> Answer {
        let (csrf, flow) = (hidden(page, "csrf"), hidden(page, "flow"));
        let fields = [("csrf", &*csrf), ("flow", &*flow), ("decision", decision)];
        let answer = self.post("/consent", &fields);
        self.follow(answer)
    }

    /// Signs in as `alice` and allows everything that is asked.
    pub(crate) fn obtain(&mut self, changes: &Fields<'_>) -> Callback {
        let mut answer = self.authorize(changes);
        if is_sign_in(&answer) {
            answer = self.sign_in(&answer, "alice", PASSWORD);
        }
        if is_consent(&answer) {
            answer = self.decide(&answer, "allow");
        }
        Callback::of(&answer)
    }

    /// A code for `alice`.
    pub(crate) fn code(&mut self, changes: &Fields<'_>) -> String {
        self.obtain(changes).value("code")
    }
}

pub(crate) fn is_sign_in(answer: &Answer) -> bool {
    answer.body.contains("id=\"login-submit\"")
}

pub(crate) fn is_consent(answer: &Answer) -> bool {
    answer.body.contains("id=\"consent-allow\"")
}

/// The value of a hidden field.
#[track_caller]
pub(crate) fn hidden(page: &Answer, name: &str) -> String {
    remint_testbed::hidden(&page.body, name)
}

/// What came to the client.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) location: String,
    fields: Vec<(String, String)>,
}

impl Callback {
    /// Reads the redirect to the client.
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 303, "{answer:?}");
        let location = answer.header("location").unwrap().to_owned();
        assert!(location.starts_with(CALLBACK), "{location}");
        let parameters = location.split_once(['?', '#']).unwrap().1.trim_end_matches("#_");
        let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let fields = parameters.split('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), decode(value))
        });
        Self { fields: fields.collect(), location }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(n, _)| n == name);
        let found = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} twice in {self:?}");
        found
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }
}

/// What a JWT says.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// What the header of a JWT says.
pub(crate) fn head(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, number: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
