//! An honest client: it holds one refresh token and presents it until it is answered.

use std::collections::VecDeque;
use std::thread::sleep;
use std::time::Duration;

use remint_testbed::http::{Answer, Http};

use crate::load::Busy;
use crate::node::{Node, client};
use crate::nodes::{Nodes, any};
use crate::support::PASSWORD;

/// How often a request is sent before it is certain that nobody will ever answer it.
pub(crate) const TRIES: usize = 1_000;
/// How much of its story a client remembers.
const STORY: usize = 200;

pub(crate) struct Session<'n> {
    nodes: &'n Nodes,
    http: Http,
    pub(crate) user: String,
    pub(crate) token: String,
    /// How many tokens came after the first.
    pub(crate) generation: u32,
    /// How many answers were lost or put off.
    pub(crate) unanswered: u32,
    /// Whether it acts now and then as if an answer had been lost.
    pub(crate) repeats: bool,
    story: VecDeque<String>,
}

/// What became of a request.
pub(crate) enum Sent {
    Answered(Answer),
    /// The answer was lost, or is to be had later.
    Unanswered(String),
}

/// Sends a form to a node. Whoever is told to come back later is also told when.
pub(crate) fn send(http: &Http, node: &Node, path: &str, form: &[(&str, &str)]) -> Sent {
    match node.send(http, path, form) {
        Ok(answer) if answer.status == 503 => {
            answer.later();
            Sent::Unanswered("later".to_owned())
        }
        Ok(answer) => Sent::Answered(answer),
        Err(lost) => Sent::Unanswered(lost),
    }
}

/// A moment between a request that was not answered and its repetition.
pub(crate) fn pause() {
    sleep(Duration::from_millis(20 + any(60) as u64));
}

/// Sends a form to any node, again and again until it is answered.
pub(crate) fn insist(nodes: &Nodes, http: &Http, path: &str, form: &[(&str, &str)]) -> Answer {
    for _ in 0..TRIES {
        nodes.check();
        match send(http, nodes.any(), path, form) {
            Sent::Answered(answer) => return answer,
            Sent::Unanswered(_) => pause(),
        }
    }
    panic!("nobody answers. What was done:\n{}", nodes.deeds());
}

/// Logs a user in that has alice's password.
pub(crate) fn log_in(nodes: &Nodes, http: &Http, user: &str) -> Answer {
    let form = [("grant_type", "password"), ("username", user), ("password", PASSWORD)];
    insist(nodes, http, "/oauth2/token", &form).ok()
}

impl<'n> Session<'n> {
    pub(crate) fn begin(nodes: &'n Nodes, user: &str) -> Self {
        let http = client();
        let token = log_in(nodes, &http, user).text("refresh_token");
        let (user, story) = (user.to_owned(), VecDeque::new());
        let (generation, unanswered, repeats) = (0, 0, false);
        Self { nodes, http, user, token, generation, unanswered, repeats, story }
    }

    /// Gets its next token, from whichever node gives it.
    pub(crate) fn refresh(&mut self) {
        let presented = self.token.clone();
        let token = self.present(&presented);
        assert_ne!(token, presented, "{}", self.story());
        self.token = token;
        self.generation += 1;
    }

    /// Presents a token until it is answered, and gives its successor.
    pub(crate) fn present(&mut self, token: &str) -> String {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        for _ in 0..TRIES {
            self.nodes.check();
            let node = self.nodes.any();
            match send(&self.http, node, "/oauth2/token", &form) {
                Sent::Answered(answer) if answer.status == 200 => {
                    let successor = answer.text("refresh_token");
                    self.tell(node, &format!("{} gives {}", end(token), end(&successor)));
                    return successor;
                }
                Sent::Answered(refusal) => {
                    self.tell(node, &format!("{} is refused: {}", end(token), refusal.body));
                    panic!("{} was logged out. {}", self.user, self.story());
                }
                Sent::Unanswered(why) => {
                    self.unanswered += 1;
                    self.tell(node, &format!("{} unanswered: {why}", end(token)));
                    pause();
                }
            }
        }
        panic!("{} is never answered. {}", self.user, self.story());
    }

    fn tell(&mut self, node: &Node, what: &str) {
        if self.story.len() == STORY {
            self.story.pop_front();
        }
        let generation = self.generation;
        let line = format!(
            "{:6} at generation {generation}, node {}: {what}",
            self.nodes.tick(),
            node.number
        );
        self.story.push_back(line);
    }

    /// All that this client did, and what was done to the nodes meanwhile.
    fn story(&self) -> String {
        let story: Vec<_> = self.story.iter().map(String::as_str).collect();
        format!("Its story:\n{}\nWhat was done:\n{}", story.join("\n"), self.nodes.deeds())
    }
}

impl Busy for Session<'_> {
    fn step(&mut self) {
        let before = self.token.clone();
        self.refresh();
        if self.repeats && any(4) == 0 {
            let again = self.present(&before);
            assert_eq!(again, self.token, "another successor. {}", self.story());
        }
        sleep(Duration::from_millis(any(20) as u64));
    }
}

/// The end of a token, by which it is told apart in a story.
fn end(token: &str) -> &str {
    &token[token.len() - 8..]
}
