//! The rules that turn each element into a value in the draft, a verdict and a sentence that says why.

use super::address::Address;
use super::document::{Found, Section};
use super::draft::{Draft, Setting, Value};
use super::elements::Rule;
use super::error::ImportError;
use super::placeholders::Placeholders;
use super::placeholders::WHITE_SPACE;
use super::{Line, Verdict};

const DAY: i64 = 24 * 60 * 60;
/// The bounds that the configuration of Remint sets, and its default for a whole session.
const MAX_ACCESS: i64 = 30 * DAY;
const MAX_GRACE: i64 = 10 * 60;
const DEFAULT_SESSION: i64 = 365 * DAY;
const LONG_SESSION: i64 = DEFAULT_SESSION + 1;
/// The defaults of WSO2 for missing elements.
const DEFAULT_ACCESS: i64 = 3600;
/// From here on a lifetime is another word for no end.
const CENTURY: i64 = 36_525 * DAY;

const TOKEN_PATH: &str = "/oauth2/token";
const SHIPPED_REFRESH: i64 = 84_600;

/// The verdict on an element.
pub(super) struct Judgement {
    verdict: Verdict,
    reason: String,
    becomes: Option<String>,
}

impl Judgement {
    /// Nothing takes its place.
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), becomes: None }
    }

    /// This takes its place.
    pub(super) fn becoming(self, becomes: String) -> Self {
        Self { becomes: Some(becomes), ..self }
    }

    /// The line of the report.
    pub(super) fn line(self, element: &str, value: &str, source_line: u32) -> Line {
        let Self { verdict, reason, becomes } = self;
        let (element, value) = (element.to_owned(), value.to_owned());
        Line { element, value, verdict, reason, becomes, source_line }
    }
}

/// Goes through the elements and writes the draft.
pub(super) struct Import<'a> {
    section: &'a Section,
    address: Address,
    draft: Draft,
}

impl<'a> Import<'a> {
    /// Begins with the address, which other elements are compared with.
    pub(super) fn begin(
        section: &'a Section,
        placeholders: &Placeholders,
    ) -> Result<Self, ImportError> {
        let own = placeholders.address();
        let given = section
            .find("OAuth2TokenEPUrl")
            .and_then(|found| Some((found, address(&found.value, &own)?)));
        let (address, from) = match given {
            Some((found, address)) => {
                (address, format!("From OAuth2TokenEPUrl (line {}).", found.at.line))
            }
            None => (
                Address::parse(&own).ok_or(ImportError::NotAnAddress { address: own })?,
                "From the placeholders: the file has no OAuth2TokenEPUrl that is a URL.".to_owned(),
            ),
        };
        let mut import = Self { section, address: address.secured(), draft: Draft::default() };
        import.write_address(&from);
        Ok(import)
    }

    /// The report: a line for every element.
    pub(super) fn report(&mut self) -> Result<Vec<Line>, ImportError> {
        let section = self.section;
        let mut lines = Vec::with_capacity(section.found.len());
        for found in &section.found {
            lines.push(self.judge(found)?.line(&found.path, &found.value, found.at.line));
        }
        Ok(lines)
    }

    /// The draft, for what has no element.
    pub(super) const fn draft(&mut self) -> &mut Draft {
        &mut self.draft
    }

    /// The text of the configuration.
    pub(super) fn finish(self, heading: &str) -> String {
        self.draft.render(heading)
    }

    fn judge(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        match found.rule {
            Rule::Ignored(reason) => Ok(Judgement::new(Verdict::Ignored, *reason)),
            Rule::AccessLifetime => self.access_lifetime(found),
            Rule::ApplicationLifetime => self.application_lifetime(found),
            Rule::RefreshLifetime => self.refresh_lifetime(found),
            Rule::Renew => self.renew(found),
            Rule::Extend => self.extend(found),
            Rule::Grace => self.grace(found),
            Rule::Skew => skew(found),
            Rule::TokenEndpoint => Ok(self.token_endpoint(found)),
            Rule::Endpoint(path) => Ok(self.endpoint(found, path)),
            Rule::Grant(name) => Ok(grant(name)),
            Rule::Always(on, off) => always(found, on, off),
            Rule::RefreshAllowed => refresh_allowed(found),
        }
    }

    /// Sets a value; the comment beside it is the reason in the report.
    fn set(&mut self, key: Setting, value: Value, found: &Found, reason: &str) -> String {
        let comment = format!("{} (line {}): {reason}", found.path, found.at.line);
        self.draft.set(key, value, comment)
    }

    fn write_address(&mut self, from: &str) {
        let comment = format!(
            "{from} WSO2 names its token URL as the issuer of ID tokens; this is the issuer of \
             OAuth 2.0 metadata, which has no path."
        );
        self.draft.set(Setting::Issuer, Value::Text(self.address.origin()), comment);
        let comment = format!(
            "{from} Behind a proxy write the port that it forwards to; like WSO2, Remint then \
             listens on all interfaces unless the address is this machine's own."
        );
        self.draft.set(Setting::Listen, Value::Text(self.address.listen()), comment);
        if self.address.is_plain() {
            let comment = "The address begins with http://, which works on this machine only. \
                           Behind a proxy that speaks TLS write its address as issuer.";
            self.draft.set(Setting::Plain, Value::Switch(true), comment.to_owned());
        } else {
            self.draft.suggest(
                Setting::Certificate,
                Value::text("certificate.pem"),
                "WSO2 keeps its certificate in repository/resources/security/wso2carbon.jks; \
                 export it as PEM and name the files here.",
            );
            self.draft.suggest(Setting::PrivateKey, Value::text("private_key.pem"), "");
        }
    }

    fn token_endpoint(&self, found: &Found) -> Judgement {
        let own = self.address.origin();
        let (verdict, reason) = match address(&found.value, &own) {
            None => (
                Verdict::Approximated,
                "this is no plain URL, so the address is made from the placeholders; \
                 correct issuer and http.listen by hand"
                    .to_owned(),
            ),
            Some(url) if url.path() != TOKEN_PATH => (
                Verdict::Approximated,
                format!(
                    "Remint serves tokens at {TOKEN_PATH} only; change the address in the clients \
                     or let a proxy rewrite the path"
                ),
            ),
            Some(url) if url.is_plain() => (
                Verdict::Approximated,
                "Remint leaves TLS out on its own machine only; everywhere else the clients must \
                 be changed to https"
                    .to_owned(),
            ),
            Some(_) => (
                Verdict::Honoured,
                "the same URL; its address is the issuer, where WSO2's ID tokens name the whole \
                 token URL as theirs"
                    .to_owned(),
            ),
        };
        Judgement::new(verdict, reason).becoming(format!("issuer = \"{own}\""))
    }

    fn endpoint(&self, found: &Found, path: &str) -> Judgement {
        let own = self.address.origin();
        match address(&found.value, &own) {
            Some(url) if url.path() == path && url.origin() == own => {
                Judgement::new(Verdict::Honoured, "the same URL")
            }
            _ => {
                Judgement::new(Verdict::Approximated, format!("Remint serves this at {own}{path}"))
            }
        }
    }

    fn access_lifetime(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        let given = seconds(found)?;
        let (kept, reason) = bounded_access(given);
        let verdict = if kept == given { Verdict::Honoured } else { Verdict::Approximated };
        let becomes = self.set(Setting::AccessLifetime, Value::Seconds(kept), found, reason);
        Ok(Judgement::new(verdict, reason).becoming(becomes))
    }

    fn application_lifetime(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        let given = seconds(found)?;
        let users = self.section.find("UserAccessTokenDefaultValidityPeriod");
        let of_users = bounded_access(users.map_or(Ok(DEFAULT_ACCESS), seconds)?).0;
        let (kept, why) = bounded_access(given);
        if kept == of_users {
            let verdict = if kept == given { Verdict::Honoured } else { Verdict::Approximated };
            let reason = match verdict {
                Verdict::Honoured => "the same lifetime as that of users' access tokens",
                Verdict::Approximated | Verdict::Ignored => why,
            };
            return Ok(Judgement::new(verdict, reason));
        }
        let becomes = format!("remint client update ID --access-token-lifetime {kept}s");
        let reason = "Remint has one lifetime for all access tokens and exceptions for single \
                      clients: set this for those that act for themselves";
        Ok(Judgement::new(Verdict::Approximated, reason).becoming(becomes))
    }

    fn refresh_lifetime(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        let given = seconds(found)?;
        let (verdict, value, reason) = match given {
            ..0 => (
                Verdict::Approximated,
                Value::text("3650d"),
                "Remint has no endless idle lifetime, so ten years from the last refresh must do \
                 (in WSO2 5.1.0 a negative value made every refresh fail as expired)",
            ),
            0 => (
                Verdict::Approximated,
                Value::Seconds(1),
                "one second is the least; to give out no refresh tokens leave refresh_token out \
                 of the grants of the clients",
            ),
            SHIPPED_REFRESH => (
                Verdict::Honoured,
                Value::Seconds(given),
                "kept as it is, but note that it is 23 h 30 min although WSO2's documentation \
                 says one day, which would be 86400",
            ),
            1..=DEFAULT_SESSION => {
                (Verdict::Honoured, Value::Seconds(given), "the same number of seconds")
            }
            LONG_SESSION..CENTURY => (
                Verdict::Honoured,
                Value::Seconds(given),
                "the same number of seconds; because it is more than 365 days, the bound on a \
                 whole session is lifted",
            ),
            _ => (
                Verdict::Approximated,
                Value::text("3650d"),
                "more than a century means no end, and Remint has no endless idle lifetime, so \
                 ten years from the last refresh must do",
            ),
        };
        let becomes = self.set(Setting::RefreshLifetime, value, found, reason);
        if !(0..=DEFAULT_SESSION).contains(&given) {
            let reason = "a session may not be shorter than its refresh tokens, and WSO2 knows no \
                          bound";
            self.set(Setting::MaxLifetime, Value::text("none"), found, reason);
        }
        Ok(Judgement::new(verdict, reason).becoming(becomes))
    }

    fn renew(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        let on = switch(found)?;
        let reason = if on {
            "a refresh gives a new refresh token, and the previous one ends"
        } else {
            "a refresh gives the same refresh token, as documented (WSO2 5.1.0 itself gave a new \
             one by mistake); public clients get a new one all the same"
        };
        let becomes = self.set(Setting::Renew, Value::Switch(on), found, reason);
        Ok(Judgement::new(Verdict::Honoured, reason).becoming(becomes))
    }

    fn extend(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        let on = switch(found)?;
        let reason = if on {
            "a renewed refresh token lives for a full lifetime again"
        } else {
            "a renewed refresh token ends when the first one would have ended"
        };
        let becomes = self.set(Setting::Extend, Value::Switch(on), found, reason);
        Ok(Judgement::new(Verdict::Honoured, reason).becoming(becomes))
    }

    fn grace(&mut self, found: &Found) -> Result<Judgement, ImportError> {
        let reason = "in WSO2 this is the most that an application may choose, in Remint it holds \
                      for every client unless the client has its own, and ten minutes are the most";
        let kept = seconds(found)?.clamp(0, MAX_GRACE);
        let becomes = self.set(Setting::GracePeriod, Value::Seconds(kept), found, reason);
        Ok(Judgement::new(Verdict::Approximated, reason).becoming(becomes))
    }
}

fn grant(name: &str) -> Judgement {
    let reason = "Remint has this grant; it is allowed for each client by name";
    Judgement::new(Verdict::Honoured, reason)
        .becoming(format!("remint client create --grant {name}"))
}

fn skew(found: &Found) -> Result<Judgement, ImportError> {
    Ok(match seconds(found)? {
        0 => Judgement::new(Verdict::Honoured, "tokens live as long as they say"),
        given => Judgement::new(
            Verdict::Approximated,
            format!(
                "WSO2 5.1.0 takes these {given} s off the life of every token, so that it is \
                 refused early; in Remint tokens live as long as they say"
            ),
        ),
    })
}

fn always(found: &Found, on: &str, off: &str) -> Result<Judgement, ImportError> {
    let (verdict, reason) =
        if switch(found)? { (Verdict::Honoured, on) } else { (Verdict::Ignored, off) };
    Ok(Judgement::new(verdict, reason))
}

fn refresh_allowed(found: &Found) -> Result<Judgement, ImportError> {
    let is_own = found.path.contains("[client_credentials]");
    Ok(match (switch(found)?, is_own) {
        (false, true) => Judgement::new(
            Verdict::Honoured,
            "Remint never gives a refresh token for client_credentials",
        ),
        (true, true) => Judgement::new(
            Verdict::Ignored,
            "Remint never gives a refresh token for client_credentials (RFC 6749 §4.4.3)",
        ),
        _ => Judgement::new(
            Verdict::Approximated,
            "Remint decides this for each client: one that has the grant refresh_token gets \
             refresh tokens",
        ),
    })
}

/// An access token's lifetime within Remint's bounds, and why it is what it is.
fn bounded_access(given: i64) -> (i64, &'static str) {
    match given {
        ..0 => (MAX_ACCESS, "negative means endless in WSO2; 30 days are the most in Remint"),
        0 => (1, "one second is the least in Remint"),
        1..=MAX_ACCESS => (given, "the same number of seconds"),
        _ => (MAX_ACCESS, "30 days are the most in Remint"),
    }
}

/// The address in a value, which may be a path on the server's own.
fn address(value: &str, own: &str) -> Option<Address> {
    if value.starts_with('/') {
        Address::parse(&format!("{own}{value}"))
    } else {
        Address::parse(value)
    }
}

fn seconds(found: &Found) -> Result<i64, ImportError> {
    bare(&found.value).parse().map_err(|_| ImportError::NotSeconds {
        element: found.path.clone(),
        value: found.value.clone(),
        at: found.at,
    })
}

/// Reads `true` or `false`, in any case.
pub(super) fn switch(found: &Found) -> Result<bool, ImportError> {
    let value = bare(&found.value);
    [true, false]
        .into_iter()
        .find(|on| value.eq_ignore_ascii_case(if *on { "true" } else { "false" }))
        .ok_or_else(|| ImportError::NotBoolean {
            element: found.path.clone(),
            value: found.value.clone(),
            at: found.at,
        })
}

/// A value without the quotation marks that some put around it.
fn bare(value: &str) -> &str {
    let quoted = |mark| value.strip_prefix(mark).and_then(|rest: &str| rest.strip_suffix(mark));
    quoted('"').or_else(|| quoted('\'')).map_or(value, |inner| inner.trim_matches(WHITE_SPACE))
}
