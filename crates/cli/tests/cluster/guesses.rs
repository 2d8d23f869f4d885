//! Who guesses at one node has guessed at all of them.

use remint_protocol::throttle::Bucket;
use remint_testbed::http::Answer;
use remint_testbed::{at_once, postgres};

use crate::node::{Node, client};
use crate::nodes::Nodes;

/// How many guesses somebody has the patience for.
const PATIENCE: usize = 100;

/// How many guesses the waits let through while a test sends its own: one after a second, one after two
/// more, after four more and so on, and no test takes half an hour.
const WAITS: usize = 10;

fn guess_password(node: &Node) -> Answer {
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "wrong")];
    node.post("/oauth2/token", &form)
}

fn guess_secret(node: &Node) -> Answer {
    let form = [("grant_type", "client_credentials")];
    node.send_as(&client(), "shop:wrong", ("/oauth2/token", &form)).unwrap()
}

/// Guesses at a node until it says that one must wait, and longer than a moment.
fn exhaust(node: &Node, guess: impl Fn(&Node) -> Answer) {
    for _ in 0..PATIENCE {
        let answer = guess(node);
        if answer.status == 429 {
            let wait = answer.retry_after().unwrap();
            if wait > 4 {
                return;
            }
            // Each guess after that lasts twice as long.
            std::thread::sleep(std::time::Duration::from_secs(wait));
        }
    }
    panic!("nobody is ever slowed down");
}

#[test]
fn wrong_passwords_at_one_node_count_at_another() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(2, &database.url(), &[]);
    exhaust(nodes.at(0), guess_password);
    let answer = nodes.at(1).log_in();
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.retry_after().is_some());
}

#[test]
fn wrong_client_secrets_at_one_node_count_at_another_from_its_first_on() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(2, &database.url(), &[]);
    exhaust(nodes.at(0), guess_secret);
    let answer = guess_secret(nodes.at(1));
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.retry_after().is_some());
}

/// How many of so many wrong secrets, sent at once to these nodes, are judged.
fn judged_at_once(nodes: &[&Node], guesses: usize) -> usize {
    let threads = 40;
    let guesser = |number: usize| {
        let node = nodes[number % nodes.len()];
        let answers = (0..guesses / threads).map(|_| guess_secret(node).status);
        answers.filter(|status| *status == 401).count()
    };
    at_once(threads, guesser).into_iter().sum()
}

#[test]
fn wrong_secrets_sent_at_once_are_counted_before_they_are_judged_at_whichever_node() {
    let Some(cluster) = postgres() else { return };
    let free = Bucket::ClientFrom("shop", [127, 0, 0, 1].into()).limit().free as usize;
    for count in [1, 3] {
        let database = cluster.create_database();
        let nodes = Nodes::running(count, &database.url(), &[]);
        let nodes: Vec<_> = (0..count).map(|at| nodes.at(at)).collect();
        let judged = judged_at_once(&nodes, 800);
        assert!((free..=free + WAITS).contains(&judged), "{judged} by {count} nodes");
    }
}

#[test]
fn wrong_passwords_sent_at_once_to_several_nodes_are_counted_before_they_are_judged() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(3, &database.url(), &[]);
    let statuses = at_once(60, |number| guess_password(nodes.at(number % 3)).status);
    let free = Bucket::AccountFrom("alice", [127, 0, 0, 1].into()).limit().free as usize;
    let judged = statuses.iter().filter(|status| **status == 400).count();
    assert!((free..=free + WAITS).contains(&judged), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 400 | 429)), "{statuses:?}");
}
