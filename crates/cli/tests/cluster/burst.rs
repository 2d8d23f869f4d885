//! One token, presented a thousand times at the same moment, at all nodes.

use std::collections::HashSet;
use std::io::Write as _;
use std::time::Duration;

use remint_testbed::http::{self, Answer, basic};
use remint_testbed::{Database, postgres};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::node::Node;
use crate::nodes::Nodes;
use crate::support::SECRET;

const PRESENTS: usize = 1_000;

/// Presents one form to the token endpoints of many nodes at the same moment: sends all requests but for
/// their last byte, then all the last bytes, then reads all answers.
pub(crate) fn present_at_once<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    credentials: &str,
    form: &str,
) -> Vec<Answer> {
    let headers = format!("Authorization: {}\r\n", basic(credentials));
    let request = http::form("/oauth2/token", &headers, form);
    let (request, last) = request.as_bytes().split_at(request.len() - 1);
    let begin = |node: &Node| {
        let mut stream = http::connect(node.address());
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.write_all(request).unwrap();
        stream
    };
    let mut waiting: Vec<_> = nodes.map(begin).collect();
    for stream in &mut waiting {
        stream.write_all(last).unwrap();
    }
    waiting.into_iter().map(|stream| Answer::parse(&http::rest(stream))).collect()
}

/// Presents a token everywhere at once.
fn burst(nodes: &Nodes, token: &str) -> Vec<Answer> {
    let everywhere = (0..PRESENTS).map(|at| nodes.at(at % 3));
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    present_at_once(everywhere, &format!("shop:{SECRET}"), &form)
}

/// A connection is a file, and often only 1,024 of them are allowed at first.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

fn burst_with_grace(grace: &str) -> Option<(Nodes, Database, Vec<Answer>)> {
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
    assert_eq!(answers.len(), PRESENTS);
    let successors = answers.into_iter().map(|answer| answer.ok().text("refresh_token"));
    let successors: HashSet<_> = successors.collect();
    assert_eq!(successors.len(), 1);
    assert_eq!(database.execute(ROW), "2|f");
    for successor in successors {
        nodes.at(2).refresh(&successor).ok();
    }
    assert_eq!(database.execute(ROW), "3|f");
}

#[test]
fn of_a_thousand_presents_at_once_without_grace_one_is_served_and_the_rest_are_reuse() {
    let Some((nodes, database, answers)) = burst_with_grace("0s") else { return };
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert_eq!((served.len(), refused.len()), (1, PRESENTS - 1));
    refused.into_iter().for_each(Answer::invalid_grant);
    assert_eq!(database.execute(ROW), "2|t");
    assert!(nodes.logged("refresh.reuse_detected") > 0);
    nodes.at(0).refresh(&served[0].text("refresh_token")).invalid_grant();
}
