//! The browser of a person: it takes each page from the node that it is told.

use percent_encoding::percent_decode_str;
use remint_testbed::http::{Answer, Http};
use remint_testbed::{Cookies, hidden};

use crate::node::{Node, client};
use crate::support::PASSWORD;

pub(crate) struct Browser {
    http: Http,
    cookies: Cookies,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self { http: client(), cookies: Cookies::default() }
    }

    pub(crate) fn get(&mut self, node: &Node, path: &str) -> Answer {
        let cookies = self.cookies.header();
        let answer = self.http.get(&format!("{}{path}", node.url()), &[("cookie", &cookies)]);
        self.obey(answer.unwrap())
    }

    pub(crate) fn post(&mut self, node: &Node, path: &str, form: &[(&str, &str)]) -> Answer {
        let (cookies, url) = (self.cookies.header(), format!("{}{path}", node.url()));
        let answer = self.http.post(&url, &[("cookie", &cookies)], form);
        self.obey(answer.unwrap())
    }

    fn obey(&mut self, answer: Answer) -> Answer {
        answer.headers("set-cookie").for_each(|set| self.cookies.obey(set));
        answer
    }

    /// Goes to where an answer leads, as long as that is a page of the server.
    pub(crate) fn follow(&mut self, node: &Node, mut answer: Answer) -> Answer {
        while let Some(path) = answer.location().filter(|to| to.starts_with('/')) {
            assert_eq!(answer.status, 303, "{answer:?}");
            answer = self.get(node, path);
        }
        answer
    }

    /// Fills in the sign-in page, and sends it to a node. The answer is not followed.
    pub(crate) fn sign_in(&mut self, node: &Node, page: &Answer) -> Answer {
        self.answer(node, ("/login", page), &[("username", "alice"), ("password", PASSWORD)])
    }

    /// Answers the consent page at a node. The answer is not followed.
    pub(crate) fn allow(&mut self, node: &Node, page: &Answer) -> Answer {
        self.answer(node, ("/consent", page), &[("decision", "allow")])
    }

    fn answer(
        &mut self,
        node: &Node,
        (path, page): (&str, &Answer),
        fields: &[(&str, &str)],
    ) -> Answer {
        let (csrf, flow) = (hidden(&page.body, "csrf"), hidden(&page.body, "flow"));
        self.post(node, path, &[&[("csrf", &*csrf), ("flow", &*flow)], fields].concat())
    }
}

/// A parameter of an answer of the authorization endpoint.
#[track_caller]
pub(crate) fn parameter(answer: &Answer, name: &str) -> String {
    let query = answer.location().and_then(|to| to.split_once('?')).map(|(_, query)| query);
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(n, _)| *n == name).map(|(_, value)| value);
    let value = value.unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    percent_decode_str(value).decode_utf8().unwrap().into_owned()
}
