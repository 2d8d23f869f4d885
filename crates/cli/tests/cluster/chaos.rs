//! Everything that can be killed, restarted or cut off without losing what was committed.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::Duration;

use remint_testbed::{Cluster, Database, Proxy, Stop, is_available};

use crate::load::{Busy, Load, while_busy};
use crate::nodes::{Nodes, any, like_alice, soak, through};
use crate::revoker::Revoker;
use crate::session::Session;

const CLIENTS: usize = 64;
const REVOKERS: usize = 4;
/// How often each fault comes.
const ROUNDS: usize = 1;

#[derive(Clone, Copy, Debug)]
enum Fault {
    KillNode(usize),
    StopNode(usize),
    CutConnections,
    CutWithinAQuery,
    /// Long enough that everybody gives up what is under way, which happens afterwards nevertheless.
    Silence,
    StopDatabase,
    CrashDatabase,
    KillDatabase,
}

use Fault::{
    CrashDatabase, CutConnections, CutWithinAQuery, KillDatabase, KillNode, Silence, StopDatabase,
    StopNode,
};

const FAULTS: [Fault; 11] = [
    KillNode(0),
    CutWithinAQuery,
    KillNode(1),
    StopDatabase,
    CutConnections,
    KillNode(2),
    CrashDatabase,
    CutWithinAQuery,
    StopNode(0),
    Silence,
    KillDatabase,
];

/// What is there to be broken.
struct World<'a> {
    cluster: &'a Cluster,
    proxy: &'a Proxy,
    nodes: &'a Nodes,
}

impl World<'_> {
    fn suffer(&self, fault: Fault) {
        self.nodes.note(&format!("{fault:?}"));
        match fault {
            KillNode(number) => self.nodes.at(number).kill(),
            StopNode(number) => self.nodes.at(number).stop(),
            CutConnections => self.proxy.cut(),
            CutWithinAQuery => self.proxy.cut_after_bytes(any(4_000) as u64),
            Silence => self.proxy.freeze(true),
            StopDatabase => self.cluster.stop(Stop::Fast),
            CrashDatabase => self.cluster.stop(Stop::Immediate),
            KillDatabase => self.cluster.kill(),
        }
        match fault {
            Silence => sleep(Duration::from_millis(2_500)),
            _ => a_moment(),
        }
        match fault {
            KillNode(number) | StopNode(number) => self.nodes.at(number).start(),
            Silence => self.proxy.freeze(false),
            StopDatabase | CrashDatabase | KillDatabase => self.cluster.start_again(),
            CutConnections | CutWithinAQuery => {}
        }
        self.nodes.note("over");
    }

    fn suffer_all(&self, load: &Load<'_>) {
        for round in 0..ROUNDS * soak() {
            // Each round in another order, so that what follows what differs.
            let start = any(FAULTS.len());
            for at in 0..FAULTS.len() {
                self.suffer(FAULTS[(start + at * (1 + round % 10)) % FAULTS.len()]);
                self.nodes.check();
                a_moment();
            }
        }
        // Between two faults not everybody has got anything done.
        load.wait_for(2);
    }
}

fn a_moment() {
    sleep(Duration::from_millis(any(300) as u64));
}

/// The generation of each user's one session that has not ended.
fn generations(database: &Database) -> HashMap<String, u32> {
    let rows = database.execute(
        "SELECT u.username, f.generation FROM families f JOIN users u ON u.id = f.user_id \
         WHERE f.revoked_at IS NULL AND u.username LIKE 'client%'",
    );
    let mut found = HashMap::new();
    for row in rows.lines() {
        let (user, generation) = row.split_once('|').unwrap();
        let before = found.insert(user.to_owned(), generation.parse().unwrap());
        assert_eq!(before, None, "{user} has two sessions");
    }
    found
}

#[test]
fn killed_nodes_restarted_databases_and_cut_connections_log_nobody_out() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::start(&[]);
    let database = cluster.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
    let settings = [("tokens.grace_period", "60s")];
    let nodes = Nodes::running(3, &through(&proxy, &database), &settings);
    let client = |number| format!("client{number}");
    let revoker = |number| format!("revoker{number}");
    like_alice(&database, (0..CLIENTS).map(client).chain((0..REVOKERS).map(revoker)));
    let mut sessions: Vec<_> =
        (0..CLIENTS).map(|number| Session::begin(&nodes, &client(number))).collect();
    for session in &mut sessions {
        session.repeats = true;
    }
    let mut revokers: Vec<_> =
        (0..REVOKERS).map(|number| Revoker::new(&nodes, &revoker(number))).collect();

    let world = World { cluster: &cluster, proxy: &proxy, nodes: &nodes };
    let honest = sessions.iter_mut().map(|session| session as &mut dyn Busy);
    let ending = revokers.iter_mut().map(|revoker| revoker as &mut dyn Busy);
    while_busy(&nodes, &mut honest.chain(ending).collect::<Vec<_>>(), |load| {
        world.suffer_all(load);
    });

    sessions.iter_mut().for_each(Session::refresh);
    revokers.iter().for_each(Revoker::present_all);
    let generations = generations(&database);
    for session in &sessions {
        assert_eq!(generations[&session.user], session.generation, "{}", session.user);
    }
    assert_eq!(nodes.logged("refresh.forgery_suspected"), 0);
    assert_eq!(nodes.logged("refresh.fast_forward"), 0, "nothing was lost");
    report(&sessions, &revokers);
}

fn report(sessions: &[Session<'_>], revokers: &[Revoker<'_>]) {
    let refreshes: u32 = sessions.iter().map(|session| session.generation).sum();
    let unanswered: u32 = sessions.iter().map(|session| session.unanswered).sum();
    let ended: usize = revokers.iter().map(|revoker| revoker.ended.len()).sum();
    let clients = sessions.len();
    eprintln!("{clients} clients, {refreshes} refreshes, {unanswered} unanswered, {ended} ended");
    assert!(unanswered > 0 && ended > 0, "nothing happened");
}
