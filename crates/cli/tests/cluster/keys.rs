//! A new root key comes into use while everybody is busy, and the old one goes.

use std::fs;

use remint_testbed::{Database, postgres};
use serde_json::Value;

use crate::load::{Busy, Load, while_busy};
use crate::node::Node;
use crate::nodes::{Nodes, like_alice};
use crate::session::Session;
use crate::support::{SECRET, eventually};

const CLIENTS: usize = 16;
const KEYS: &str = "remint.keys";

/// As an operator would: the file is there as a whole or not at all.
fn copy_keys(from: &Node, to: &Node) {
    let new = to.file("remint.keys-copied");
    fs::copy(from.file(KEYS), &new).unwrap();
    fs::rename(new, to.file(KEYS)).unwrap();
}

fn listed(node: &Node, kid: u64) -> Value {
    let keys = node.run(&["key", "list", "--json"]).ok().json();
    let found = keys.as_array().unwrap().iter().find(|key| key["kid"] == kid);
    found.unwrap_or_else(|| panic!("no key {kid} in {keys}")).clone()
}

/// What people know a node by: all of these are on one machine.
fn name(node: &Node) -> String {
    let host = rustix::system::uname();
    let url = node.url();
    let address = url.strip_prefix("http://").unwrap();
    format!("{} at {address}", host.nodename().to_str().unwrap())
}

/// How many nodes lack a key.
fn lacking(node: &Node, kid: u64) -> usize {
    listed(node, kid)["lacking"].as_array().unwrap().len()
}

/// How many sessions are sealed under each key.
fn kids(database: &Database) -> String {
    database.execute("SELECT kid, count(*) FROM families GROUP BY kid ORDER BY kid")
}

/// The steps that an operator takes, up to where the new key seals.
fn bring_in(nodes: &Nodes, load: &Load<'_>) {
    let first = nodes.at(0);
    let said = first.run(&["key", "add"]).ok().stdout;
    assert!(said.contains("the root key 2 is in"), "{said}");
    eventually("the first has it", || lacking(first, 2) == 2);
    let error = first.run(&["key", "activate", "2"]).failed();
    assert!(
        error.contains("lack the root key 2, and would answer 503 to what it seals: "),
        "{error}"
    );
    let shown = listed(first, 2)["lacking"].to_string();
    for node in nodes.iter().skip(1) {
        let name = name(node);
        assert!(error.contains(&name) && shown.contains(&name), "{name}: {error}, {shown}");
    }
    assert!(!error.contains(&name(first)) && !shown.contains(&name(first)), "{error}, {shown}");
    for node in nodes.iter().skip(1) {
        node.is_unready_in_the_end("lacks the root key 2");
    }
    load.wait_for(2);
    for node in nodes.iter().skip(1) {
        copy_keys(first, node);
    }
    eventually("all have it", || lacking(first, 2) == 0);
    nodes.iter().for_each(Node::is_ready_in_the_end);
    load.wait_for(2);
    first.run(&["key", "activate", "2"]).ok();
    eventually("it seals", || listed(first, 2)["state"] == "sealing");
}

#[test]
fn keys_change_while_everybody_refreshes() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let settings = [("tokens.grace_period", "60s"), ("tokens.access_token_lifetime", "1s")];
    let nodes = Nodes::running(3, &database.url(), &settings);
    let user = |number| format!("client{number}");
    like_alice(&database, (0..=CLIENTS).map(user));
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|number| Session::begin(&nodes, &user(number))).collect();
    let mut idle = Session::begin(&nodes, &user(CLIENTS));
    let mut busy: Vec<_> = clients.iter_mut().map(|client| client as &mut dyn Busy).collect();
    while_busy(&nodes, &mut busy, |load| {
        bring_in(&nodes, load);
        let expected = format!("1|1\n2|{CLIENTS}");
        eventually("all but one have moved", || kids(&database) == expected);
        refuses_to_retire(&nodes);
        idle.refresh();
        assert_eq!(kids(&database), format!("2|{}", CLIENTS + 1));
        let rotate = ["client", "rotate-secret", "shop", "--secret-stdin"];
        nodes.at(0).run_with(&rotate, SECRET).ok();
        eventually("nothing needs the old one", || {
            nodes.at(0).run(&["key", "retire", "1"]).status.success()
        });
        nodes.iter().skip(1).for_each(|node| copy_keys(nodes.at(0), node));
        load.wait_for(4);
    });
    assert!(!fs::read_to_string(nodes.at(1).file(KEYS)).unwrap().contains("kid = 1\n"));
    nodes.iter().for_each(Node::is_ready_in_the_end);
    clients.iter_mut().for_each(Session::refresh);
    idle.refresh();
}

fn refuses_to_retire(nodes: &Nodes) {
    let error = nodes.at(0).run(&["key", "retire", "1"]).failed();
    assert!(error.contains("1 living sessions are sealed under it"), "{error}");
    assert!(error.contains("the secrets of these clients") && error.contains("shop"), "{error}");
    let error = nodes.at(0).run(&["key", "retire", "2"]).failed();
    assert!(error.contains("the root key 2 seals"), "{error}");
}

#[test]
fn a_node_that_lacks_the_key_that_seals_says_later_and_never_no() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(2, &database.url(), &[]);
    let (has, lacks) = (nodes.at(0), nodes.at(1));
    has.run(&["key", "add"]).ok();
    has.run(&["key", "activate", "2", "--force"]).ok();
    let before = has.log_in().ok().text("refresh_token");
    eventually("it seals", || {
        drop(has.log_in().ok());
        kids(&database).contains("2|")
    });
    let token = has.refresh(&before).ok().text("refresh_token");
    lacks.is_unready_in_the_end("lacks the root key 2");
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        lacks.post(path, &[("token", &token)]).later();
    }
    lacks.refresh(&token).later();
    // For an operator to mend, so not told as a fault of the client.
    let log = lacks.log();
    let line = log.lines().find(|line| line.contains("request.failed")).unwrap();
    assert!(line.contains("ERROR") && line.contains("copy that of another node"), "{line}");
    assert_eq!(lacks.get("/health/live").status, 200);
    // What it can open, it serves, under the key that it has.
    let own = lacks.log_in().ok().text("refresh_token");
    has.refresh(&own).ok();
    copy_keys(has, lacks);
    lacks.is_ready_in_the_end();
    lacks.refresh(&token).ok();
}

fn published(node: &Node) -> Value {
    node.get("/oauth2/jwks").ok().json()
}

#[test]
fn nodes_that_start_at_once_on_an_empty_database_sign_with_the_same_keys() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(3, &database.url(), &[]);
    let set = published(nodes.at(0));
    assert_eq!(set["keys"].as_array().unwrap().len(), 4);
    nodes.iter().for_each(|node| assert_eq!(published(node), set));
    nodes.at(1).run(&["key", "rotate", "--alg", "ES256"]).ok();
    for node in nodes.iter() {
        eventually("it has heard", || published(node)["keys"].as_array().unwrap().len() == 5);
    }
    let set = published(nodes.at(0));
    nodes.iter().for_each(|node| assert_eq!(published(node), set));
}

/// The key of another installation, under another number.
fn strange_key(number: u8) -> String {
    let other = Nodes::new(1, "postgres://remint@127.0.0.1/nowhere", &[]);
    let text = fs::read_to_string(other.at(0).file(KEYS)).unwrap();
    let (_, key) = text.split_once("[[key]]").unwrap();
    format!("\n[[key]]{}", key.replace("kid = 1\n", &format!("kid = {number}\n")))
}

#[test]
fn another_key_under_the_same_number_is_not_worked_with() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(2, &database.url(), &[]);
    let (good, bad) = (nodes.at(0), nodes.at(1));
    let right = fs::read_to_string(bad.file(KEYS)).unwrap();
    good.run(&["key", "add"]).ok();
    fs::write(bad.file(KEYS), format!("{right}{}", strange_key(2))).unwrap();
    bad.is_unready_in_the_end("the root key 2 in this node's key file is not the one");
    good.run(&["key", "activate", "2", "--force"]).ok();
    eventually("it seals", || {
        drop(good.log_in().ok());
        kids(&database).contains("2|")
    });
    let token = good.log_in().ok().text("refresh_token");
    bad.refresh(&token).later();
    bad.stop();
    let error = bad.run(&["serve"]).failed();
    assert!(error.contains("the root key 2 in") && error.contains("is not the one"), "{error}");
    copy_keys(good, bad);
    bad.start();
    bad.is_ready_in_the_end();
    bad.refresh(&token).ok();
}

#[test]
fn a_key_file_without_any_of_the_keys_is_not_taken_up() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(2, &database.url(), &[]);
    let (good, bad) = (nodes.at(0), nodes.at(1));
    let token = good.log_in().ok().text("refresh_token");
    fs::write(bad.file(KEYS), strange_key(1)).unwrap();
    bad.is_unready_in_the_end("this node's key file has none of the root keys of this store");
    assert_eq!(bad.log().matches("the root keys stay as they were").count(), 1, "told once");
    let token = bad.refresh(&token).ok().text("refresh_token");
    copy_keys(good, bad);
    bad.is_ready_in_the_end();
    fs::write(bad.file(KEYS), strange_key(1)).unwrap();
    bad.stop();
    let error = bad.run(&["serve"]).failed();
    assert!(error.contains("none of the keys of this store"), "{error}");
    copy_keys(good, bad);
    bad.start();
    bad.refresh(&token).ok();
}
