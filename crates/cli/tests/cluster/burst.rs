//! One token, presented a thousand times at the same moment, at all nodes.

use std::collections::HashSet;

use remint_testbed::{Database, postgres};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use crate::http::at_once;
use crate::nodes::Nodes;
use crate::support::SECRET;

const PRESENTS: usize = 1_000;

/// The status and the body of each answer.
type Answers = Vec<(u16, Value)>;

/// Presents a token everywhere at once.
fn burst(nodes: &Nodes, token: &str) -> Answers {
    let urls = (0..PRESENTS).map(|at| nodes.at(at % 3).url());
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    at_once(urls, &format!("shop:{SECRET}"), &form)
}

/// A connection is a file, and often only 1,024 of them are allowed at first.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

fn burst_with_grace(grace: &str) -> Option<(Nodes, Database, Answers)> {
    let database = postgres()?.create_database();
    allow_many_files();
    let settings = [
        ("tokens.grace_period", grace),
        // All nodes connect at once, on a machine that has its hands full.
        ("store.connect_timeout", "30s"),
        ("store.statement_timeout", "30s"),
    ];
    let nodes = Nodes::running(3, &database.url(), &settings);
    let first = nodes.at(0).log_in().ok().text("refresh_token");
    let second = nodes.at(1).refresh(&first).ok().text("refresh_token");
    let answers = burst(&nodes, &second);
    Some((nodes, database, answers))
}

const ROW: &str = "SELECT generation, revoked_at IS NOT NULL FROM families";

#[test]
fn a_thousand_presents_at_once_within_grace_are_one_renewal_and_get_one_successor() {
    let Some((nodes, database, answers)) = burst_with_grace("60s") else { return };
    let successor = |(status, body): &(u16, Value)| {
        assert_eq!(*status, 200, "{body}");
        body["refresh_token"].as_str().unwrap().to_owned()
    };
    let successors: HashSet<_> = answers.iter().map(successor).collect();
    assert_eq!((answers.len(), successors.len()), (PRESENTS, 1));
    assert_eq!(database.execute(ROW), "2|f");
    for successor in successors {
        nodes.at(2).refresh(&successor).ok();
    }
    assert_eq!(database.execute(ROW), "3|f");
}

#[test]
fn of_a_thousand_presents_at_once_without_grace_one_is_served_and_the_rest_are_reuse() {
    let Some((nodes, database, answers)) = burst_with_grace("0s") else { return };
    let (served, refused): (Answers, Answers) =
        answers.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!((served.len(), refused.len()), (1, PRESENTS - 1));
    for (status, body) in refused {
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    }
    assert_eq!(database.execute(ROW), "2|t");
    assert!(nodes.logged("refresh.reuse_detected") > 0);
    let successor = served[0].1["refresh_token"].as_str().unwrap();
    nodes.at(0).refresh(successor).invalid_grant();
}
