//! What one accident leaves behind when the next one comes.

use remint_testbed::{Cluster, Proxy, Stop, is_available};

use crate::failover::pair;
use crate::load::{Busy, while_busy};
use crate::node::{Node, client};
use crate::nodes::{Nodes, like_alice, through};
use crate::session::{Sent, Session, send};

const CLIENTS: usize = 24;
/// How often each client refreshes on a database of which a part is lost afterwards.
const LOST: u32 = 3;

fn lead(proxy: &Proxy, to: &Cluster) {
    proxy.repoint(([127, 0, 0, 1], to.port()).into());
    proxy.cut();
}

#[test]
fn a_second_failover_that_loses_the_epoch_of_the_first_logs_nobody_out() {
    if !is_available() {
        return;
    }
    let first = Cluster::start(&[]);
    let second = first.standby("second");
    let database = first.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], first.port()).into());
    let settings = [("tokens.grace_period", "60s")];
    let nodes = Nodes::running(3, &through(&proxy, &database), &settings);
    let user = |number| format!("client{number}");
    like_alice(&database, (0..CLIENTS).map(user));
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|number| Session::begin(&nodes, &user(number))).collect();
    let mut busy: Vec<_> = clients.iter_mut().map(|client| client as &mut dyn Busy).collect();
    let third = while_busy(&nodes, &mut busy, |load| {
        second.catch_up();
        second.hold_back();
        load.wait_for(LOST);
        first.kill();
        second.promote();
        // The third has nothing of what happens on the second, not even that its epoch rises.
        let third = second.standby("third");
        third.hold_back();
        lead(&proxy, &second);
        load.wait_for(LOST);
        second.kill();
        third.promote();
        lead(&proxy, &third);
        load.wait_for(LOST);
        third
    });
    clients.iter_mut().for_each(Session::refresh);
    let epoch = third.execute(database.name(), "SELECT value FROM meta WHERE name = 'epoch'");
    assert_eq!(epoch, "2");
    let healed = nodes.logged("refresh.fast_forward");
    assert!(healed >= 2 * CLIENTS, "{healed} were ahead");
    assert_eq!(nodes.logged("refresh.forgery_suspected"), 0);
}

/// Sends a revocation once; whether it was said to be done.
fn revoke(node: &Node, token: &str) -> bool {
    match send(&client(), node, "/oauth2/revoke", &[("token", token)]) {
        Sent::Answered(answer) => answer.status == 200,
        Sent::Unanswered(_) => false,
    }
}

#[test]
fn a_revocation_that_only_a_crashed_primary_has_is_not_said_to_be_done() {
    if !is_available() {
        return;
    }
    let (primary, standby) = pair();
    let database = primary.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], primary.port()).into());
    let settings = [("store.revocation_commit", "remote_apply")];
    let nodes = Nodes::running(1, &through(&proxy, &database), &settings);
    let node = nodes.at(0);
    let token = node.log_in().ok().text("refresh_token");
    standby.catch_up();
    standby.hold_back();
    assert!(!revoke(node, &token), "it waits for the standby");
    primary.stop(Stop::Immediate);
    primary.start_again();
    node.is_ready_in_the_end();
    let is_done = (0..3).any(|_| revoke(node, &token));
    primary.kill();
    standby.promote();
    lead(&proxy, &standby);
    node.is_ready_in_the_end();
    let lives = node.refresh(&token).status == 200;
    assert!(!(is_done && lives), "it was said to be done, and was undone");
}
