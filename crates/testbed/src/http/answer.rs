//! Answers, and what tests ask of them.

use serde_json::Value;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// The names and values of its header fields, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
}

impl Answer {
    /// Reads the one answer that a text is. It has to be there to its end.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {text:?}"));
        let field = |line: &str| {
            let pair = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
            (pair.0.to_owned(), pair.1.to_owned())
        };
        let answer = Self { status, headers: lines.map(field).collect(), body: body.to_owned() };
        // What answers HEAD has the length of a body that is not sent, as 304 may.
        let length = answer.header("content-length").filter(|_| !body.is_empty());
        assert!(length.is_none_or(|length| length == body.len().to_string()), "cut off: {text:?}");
        answer
    }

    /// The value of a header field, the first where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// The values of a header field, in their order.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(it, _)| it.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The place that it leads to.
    pub fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// The seconds after which to try again.
    pub fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.parse().ok()
    }

    /// The body, which is JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A member of the body, which is a string.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        let json = self.json();
        let text = json.get(member).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }

    /// Status and error code, which is what most tests ask of a refusal.
    #[track_caller]
    pub fn error(&self) -> (u16, String) {
        (self.status, self.text("error"))
    }

    /// Asserts a success.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "many tests ask for nothing else")]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    /// Asserts a refusal.
    #[track_caller]
    pub fn expect(&self, status: u16, error: &str) -> &Self {
        assert_eq!(self.error(), (status, error.to_owned()), "{self:?}");
        self
    }

    /// Asserts a refusal for good.
    #[track_caller]
    pub fn invalid_grant(&self) {
        self.expect(400, "invalid_grant");
    }

    /// Asserts a refusal for now, which says when to try again.
    #[track_caller]
    pub fn later(&self) {
        self.expect(503, "temporarily_unavailable");
        assert!(self.retry_after().is_some(), "{self:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_headers_and_a_body() {
        let text = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 6\r\nset-cookie: a\r\n\
                    Set-Cookie: b\r\ncontent-length: 16\r\n\r\n{\"error\":\"wait\"}";
        let answer = Answer::parse(text);
        answer.expect(429, "wait");
        assert_eq!((answer.retry_after(), answer.location()), (Some(6), None));
        assert_eq!(answer.headers("set-cookie").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_answer_to_head_has_the_length_of_what_is_not_sent() {
        assert_eq!(Answer::parse("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n").body, "");
    }

    #[test]
    #[should_panic(expected = "cut off")]
    fn an_answer_that_breaks_off_is_none() {
        Answer::parse("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"error\"");
    }

    #[test]
    #[should_panic(expected = "no answer")]
    fn nothing_is_no_answer() {
        Answer::parse("");
    }
}
