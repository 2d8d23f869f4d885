//! The database is gone, hangs, or is behind the times.

use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::Duration;

use remint_testbed::http::{Answer, connect, form};
use remint_testbed::{Cluster, Proxy, Stop, at_once, is_available, postgres};
use rustix::process::Signal;

use crate::node::Node;
use crate::nodes::{Nodes, through};
use crate::session::Session;
use crate::support::eventually;

const AT_ONCE: usize = 8;

/// A refresh each, at once.
fn refresh_all(node: &Node, tokens: &[String]) -> Vec<Answer> {
    at_once(tokens.len(), |number| node.refresh(&tokens[number]))
}

fn successors(answers: Vec<Answer>) -> Vec<String> {
    answers.into_iter().map(|answer| answer.ok().text("refresh_token")).collect()
}

fn is_red(node: &Node) {
    node.is_unready_in_the_end("the store does not answer");
    assert_eq!(node.get("/health/live").status, 200);
}

#[test]
fn without_its_database_a_node_asks_for_patience_and_recovers_by_itself() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::start(&[]);
    let database = cluster.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
    let settings = [("tokens.grace_period", "60s")];
    let nodes = Nodes::running(2, &through(&proxy, &database), &settings);
    let pids: Vec<_> = nodes.iter().map(Node::pid).collect();
    let log_in = || nodes.any().log_in().ok().text("refresh_token");
    let mut tokens: Vec<_> = (0..AT_ONCE).map(|_| log_in()).collect();
    tokens = successors(refresh_all(nodes.at(0), &tokens));

    // What is under way when the network swallows everything.
    proxy.freeze(true);
    refresh_all(nodes.at(0), &tokens).iter().for_each(Answer::later);
    is_red(nodes.at(0));
    proxy.freeze(false);
    nodes.iter().for_each(Node::is_ready_in_the_end);
    tokens = successors(refresh_all(nodes.at(1), &tokens));

    cluster.stop(Stop::Immediate);
    for node in nodes.iter() {
        refresh_all(node, &tokens).iter().for_each(Answer::later);
        node.log_in().later();
        let token = tokens[0].as_str();
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            node.post(path, &[("token", token)]).later();
        }
        is_red(node);
    }
    cluster.start_again();
    nodes.iter().for_each(Node::is_ready_in_the_end);
    tokens = successors(refresh_all(nodes.at(0), &tokens));
    successors(refresh_all(nodes.at(1), &tokens));
    assert_eq!(nodes.iter().map(Node::pid).collect::<Vec<_>>(), pids, "none was restarted");
}

/// One of those that rotations go through.
const END_ONE: &str = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM \
    pg_stat_activity WHERE datname = current_database() AND query LIKE 'UPDATE families f SET%' \
    LIMIT 1) AS one";

#[test]
fn a_connection_that_can_not_be_made_again_takes_no_requests_from_those_that_are_there() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
    let settings = [("tokens.grace_period", "60s")];
    let nodes = Nodes::running(1, &through(&proxy, &database), &settings);
    let mut session = Session::begin(&nodes, "alice");
    // Until all connections are open.
    (0..10).for_each(|_| session.refresh());
    proxy.refuse(true);
    assert_eq!(database.execute(END_ONE), "1");
    session.refresh();
    let before = session.unanswered;
    (0..50).for_each(|_| session.refresh());
    assert_eq!(session.unanswered - before, 0, "of 50");
}

#[test]
fn the_primary_of_yesterday_ends_no_session_that_went_on_without_it() {
    if !is_available() {
        return;
    }
    let old = Cluster::start(&[]);
    let new = old.standby("second");
    let database = old.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], old.port()).into());
    let settings = [("tokens.grace_period", "60s")];
    let nodes = Nodes::running(2, &through(&proxy, &database), &settings);
    let lead_to = |cluster: &Cluster| {
        proxy.repoint(([127, 0, 0, 1], cluster.port()).into());
        proxy.cut();
    };
    let mut session = Session::begin(&nodes, "alice");
    new.catch_up();
    new.hold_back();
    session.refresh();
    old.kill();
    new.promote();
    lead_to(&new);
    (0..3).for_each(|_| session.refresh());
    assert_eq!(nodes.logged("refresh.fast_forward"), 1);

    // Somebody starts it again, and the nodes are led back to it.
    old.start_again();
    lead_to(&old);
    for node in nodes.iter() {
        eventually("it is the old one that is asked", || {
            node.refresh(&session.token).later();
            node.log().contains("refresh.store_behind")
        });
    }
    assert_eq!(old.execute(database.name(), "SELECT count(revoked_at) FROM families"), "0");
    lead_to(&new);
    (0..3).for_each(|_| session.refresh());
    assert_eq!(nodes.logged("refresh.forgery_suspected"), 0);
}

/// A clock of the database that can be set: found before the true one.
const CLOCK: &str = "CREATE TABLE public.ahead (by interval NOT NULL); \
    INSERT INTO public.ahead VALUES ('0'); \
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS \
    'SELECT pg_catalog.clock_timestamp() + by FROM public.ahead'; \
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', \
    current_database()); END $$";

#[test]
fn a_node_whose_clock_is_not_the_databases_is_not_sent_requests() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    database.execute(CLOCK);
    let nodes = Nodes::running(2, &database.url(), &[]);
    for (by, why) in [("10 s", "behind the database's"), ("-10 s", "ahead of the database's")] {
        database.execute(&format!("UPDATE public.ahead SET by = '{by}'"));
        nodes.iter().for_each(|node| node.is_unready_in_the_end(why));
    }
    database.execute("UPDATE public.ahead SET by = '1 s'");
    nodes.iter().for_each(Node::is_ready_in_the_end);
}

/// What hangs is not waited for: the network swallows what is sent, also at the end.
#[test]
fn a_node_ends_in_an_orderly_way_while_its_database_hangs() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
    let nodes = Nodes::running(2, &through(&proxy, &database), &[]);
    let token = nodes.at(0).log_in().ok().text("refresh_token");
    proxy.freeze(true);
    nodes.at(0).refresh(&token).later();
    nodes.at(0).signal(Signal::TERM);
    // Told twice, the second does not wait for the body of this request.
    let mut slow = connect(nodes.at(1).address());
    let head = form("/oauth2/token", "Expect: 100-continue\r\n", "grant_type=x");
    slow.write_all(head.strip_suffix("grant_type=x").unwrap().as_bytes()).unwrap();
    let mut told = [0; 12];
    slow.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    nodes.at(1).signal(Signal::TERM);
    eventually("it hears the first", || nodes.at(1).log().contains("stopping: running"));
    nodes.at(1).signal(Signal::TERM);
    for node in nodes.iter() {
        // Beyond every time that the end may take by itself.
        let pause = || sleep(Duration::from_millis(20));
        let status = (0..3_000).find_map(|_| node.ended().or_else(|| (pause(), None).1));
        assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", node.log());
    }
    assert!(nodes.at(1).log().contains("running requests were ended"), "{}", nodes.at(1).log());
    proxy.freeze(false);
    nodes.at(0).start();
    nodes.at(0).is_ready_in_the_end();
    nodes.at(0).refresh(&token).ok();
}
