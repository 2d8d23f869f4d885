//! What is changed at one node holds at all of them.

use std::thread::scope;

use remint_testbed::{Database, Proxy, postgres};

use crate::node::Node;
use crate::nodes::{Nodes, through};
use crate::support::eventually;

const CLIENT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Changes a client at the first node, and waits until all say so.
fn change_everywhere(nodes: &Nodes) {
    let update = |flag: &str, value: &str| {
        nodes.at(0).run(&["client", "update", "shop", flag, value]).ok();
    };
    let everywhere = |what: &str, holds: &dyn Fn(&Node) -> bool| {
        eventually(what, || nodes.iter().all(holds));
    };
    let lifetime = |node: &Node| node.post("/oauth2/token", &CLIENT).json()["expires_in"].as_i64();
    let is_served = |node: &Node| node.post("/oauth2/token", &CLIENT).status == 200;
    // Everybody has it in the cache.
    assert!(nodes.iter().all(|node| lifetime(node) == Some(3600)));
    update("--access-token-lifetime", "90s");
    everywhere("a token lives for 90 s", &|node| lifetime(node) == Some(90));
    update("--enabled", "false");
    everywhere("the client is refused", &|node| node.post("/oauth2/token", &CLIENT).status == 401);
    update("--enabled", "true");
    everywhere("the client is served again", &is_served);
}

const LISTENING: &str = "FROM pg_stat_activity WHERE datname = current_database() AND \
                         query = 'LISTEN remint'";

fn listeners(database: &Database) -> String {
    database.execute(&format!("SELECT count(*) {LISTENING}"))
}

#[test]
fn a_change_of_a_client_holds_at_every_node() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(3, &database.url(), &[]);
    eventually("all listen", || listeners(&database) == "3");
    change_everywhere(&nodes);
}

#[test]
fn a_change_of_a_client_holds_at_every_node_that_can_not_hear_of_it() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
    // One connection for each purpose, all of which are open before no more are let through.
    let settings = [("store.connections", "3")];
    let mut nodes = Nodes::running(3, &through(&proxy, &database), &settings);
    for node in nodes.iter() {
        let token = node.log_in().ok().text("refresh_token");
        node.refresh(&token).ok();
    }
    eventually("all listen", || listeners(&database) == "3");
    nodes.commands_go_to(&database.url());
    proxy.refuse(true);
    database.execute(&format!("SELECT pg_terminate_backend(pid) {LISTENING}"));
    eventually("none listens", || listeners(&database) == "0");
    change_everywhere(&nodes);
    assert_eq!(listeners(&database), "0");
}

#[test]
fn a_user_who_is_disabled_is_refused_by_every_node_at_once() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(3, &database.url(), &[]);
    let tokens: Vec<_> =
        nodes.iter().map(|node| node.log_in().ok().text("refresh_token")).collect();
    nodes.at(0).run(&["user", "disable", "alice"]).ok();
    for (node, token) in nodes.iter().zip(&tokens) {
        node.refresh(token).invalid_grant();
    }
}

/// Nobody is in the way of a node that is told to stop, or of the others.
#[test]
fn nodes_come_and_go_and_the_store_knows_of_those_that_run() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::running(3, &database.url(), &[]);
    let known = || database.execute("SELECT count(*) FROM nodes");
    eventually("all are known", || known() == "3");
    nodes.at(1).stop();
    assert_eq!(known(), "2");
    nodes.at(2).kill();
    assert_eq!(known(), "2", "it did not say so");
    scope(|scope| {
        scope.spawn(|| nodes.at(1).start());
        scope.spawn(|| nodes.at(2).start());
    });
    eventually("all are known", || known() == "4");
}
