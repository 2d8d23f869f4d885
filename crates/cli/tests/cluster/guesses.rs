//! Who guesses at one node has guessed at all of them.

use remint_testbed::postgres;

use crate::http::{Answer, Http};
use crate::node::Node;
use crate::nodes::Nodes;

/// How many guesses somebody has the patience for.
const PATIENCE: usize = 100;

fn guess_password(node: &Node) -> Answer {
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "wrong")];
    node.post("/oauth2/token", &form)
}

fn guess_secret(node: &Node) -> Answer {
    let form = [("grant_type", "client_credentials")];
    let url = format!("{}/oauth2/token", node.url());
    Http::new().post_as("shop:wrong", &url, &form).unwrap()
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
    let guess = |status| assert_eq!(guess_secret(nodes.at(1)).status, status);
    guess(401);
    guess(429);
}
