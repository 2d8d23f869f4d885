//! A person at a browser, as the server sees one: cookies, redirects one by one, forms.

use openidconnect::reqwest::blocking::{Client as Http, Response};
use openidconnect::reqwest::header::LOCATION;
use openidconnect::url::Url;

use super::{Result, http};

pub struct Browser {
    http: Http,
}

/// What pages were answered with, and where the browser was sent in the end.
pub struct Visit {
    pub target: Url,
    pub pressed: Vec<String>,
}

impl Browser {
    pub fn new(certificate: &[u8]) -> Result<Self> {
        Ok(Self { http: http(certificate)?.cookie_store(true).build()? })
    }

    /// Opens a URL of the server, signs in and presses the named button where pages ask, until the
    /// browser is sent elsewhere.
    pub fn visit(&self, url: &Url, consent: &str) -> Result<Visit> {
        let mut pressed = Vec::new();
        let mut response = self.http.get(url.clone()).send()?;
        for _ in 0..12 {
            let at = response.url().clone();
            if let Some(location) = response.headers().get(LOCATION) {
                let target = at.join(location.to_str()?)?;
                if target.origin() != at.origin() {
                    return Ok(Visit { target, pressed });
                }
                response = self.http.get(target).send()?;
                continue;
            }
            let status = response.status();
            let page = response.text()?;
            let button = ["login-submit", consent, "logout-confirm"]
                .into_iter()
                .find(|id| page.contains(&format!("id=\"{id}\"")));
            let Some(button) = button else {
                return Err(format!("an unexpected page, {status}: {page}").into());
            };
            pressed.push(button.to_owned());
            response = self.submit(&at, &page, button)?;
        }
        Err(format!("no end of redirects and pages from {url}").into())
    }

    /// Sends the form that has this button.
    fn submit(&self, at: &Url, page: &str, button: &str) -> Result<Response> {
        let id = format!("id=\"{button}\"");
        let form = page.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next());
        let form = form.into_iter().find(|form| form.contains(&id)).ok_or("a form")?;
        let tags = form.split('<').filter(|tag| {
            tag.starts_with("input") || (tag.starts_with("button") && tag.contains(&id))
        });
        let fields: Vec<_> = tags
            .filter_map(|tag| {
                let name = attribute(tag, "name")?;
                let value = match name {
                    "username" => "alice",
                    "password" => "wonderland",
                    _ => attribute(tag, "value")?,
                };
                Some((name, value))
            })
            .collect();
        let action = at.join(attribute(form, "action").ok_or("an action")?)?;
        Ok(self.http.post(action).form(&fields).send()?)
    }
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}
