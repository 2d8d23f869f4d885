//! Who brings the schema up to date.

use std::thread::scope;

use remint_testbed::postgres;

use crate::node::Node;
use crate::nodes::Nodes;
use crate::support::{CREATE_SHOP, SECRET};

#[test]
fn a_database_without_a_schema_is_refused_by_name() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::new(1, &database.url(), &[]);
    let error = nodes.at(0).run(&["serve"]).failed();
    assert!(error.contains("schema version 0") && error.contains("remint migrate"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(database.execute("SELECT to_regclass('meta')"), "", "nothing was changed");
    let migrated = nodes.at(0).run(&["migrate"]).ok();
    assert!(migrated.stderr.contains("event=\"schema.migrated\" actor=operator:"), "{migrated:?}");
    nodes.at(0).start();
    nodes.at(0).is_ready_in_the_end();
}

#[test]
fn nodes_that_start_at_once_bring_an_empty_database_up_to_date_once() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = Nodes::new(3, &database.url(), &[("store.migrate_on_start", "true")]);
    scope(|scope| {
        for node in nodes.iter() {
            scope.spawn(|| {
                node.start();
                assert_eq!(node.log().matches("cannot").count(), 0, "{}", node.log());
            });
        }
    });
    nodes.iter().for_each(Node::is_ready_in_the_end);
    let steps = database.execute("SELECT value FROM meta WHERE name = 'schema'");
    assert_eq!(nodes.logged("schema migrated").to_string(), steps, "each step once");
    nodes.at(0).run_with(&CREATE_SHOP, SECRET).ok();
    let form = [("grant_type", "client_credentials")];
    nodes.iter().for_each(|node| drop(node.post("/oauth2/token", &form).ok()));
}
