//! The primary dies while its standby lacks the last rotations, and the standby takes over.
//!
//! The standby is the synchronous one that revocations wait for, as `store.revocation_commit` has it.
//! Rotations wait for the primary's disk alone, so that a standby that lags loses them. No answered
//! revocation is lost: one that the standby does not get is not answered.

use std::thread::{scope, sleep};
use std::time::Duration;

use remint_testbed::{Cluster, Database, Proxy, is_available};

use crate::load::{Busy, Load, while_busy};
use crate::nodes::{Nodes, like_alice, soak, through};
use crate::revoker::Revoker;
use crate::session::Session;
use crate::thief::{Stolen, THEFTS};

const CLIENTS: usize = 48;
const VICTIMS: usize = 12;
const REVOKERS: usize = 8;
/// How often each client refreshes while the standby lags.
const LOST: u32 = 3;

const SETTINGS: [(&str, &str); 2] =
    [("tokens.grace_period", "60s"), ("store.revocation_commit", "remote_apply")];

/// A primary with its synchronous standby.
pub(crate) fn pair() -> (Cluster, Cluster) {
    let primary = Cluster::start(&[]);
    let standby = primary.standby("second");
    let wait = "ALTER SYSTEM SET synchronous_standby_names = 'second'; SELECT pg_reload_conf()";
    primary.execute("postgres", wait);
    let is_sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    while primary.execute("postgres", is_sync) != "1" {
        sleep(Duration::from_millis(20));
    }
    (primary, standby)
}

/// All who take part.
struct People<'n> {
    nodes: &'n Nodes,
    clients: Vec<Session<'n>>,
    victims: Vec<Stolen<'n>>,
    revokers: Vec<Revoker<'n>>,
}

fn user(kind: &str, number: usize) -> String {
    format!("{kind}{number}")
}

impl<'n> People<'n> {
    fn begin(nodes: &'n Nodes, database: &Database) -> Self {
        let all = [("client", CLIENTS), ("victim", VICTIMS), ("revoker", REVOKERS)];
        like_alice(
            database,
            all.into_iter()
                .flat_map(|(kind, count)| (0..count).map(move |number| user(kind, number))),
        );
        let clients = (0..CLIENTS).map(|number| Session::begin(nodes, &user("client", number)));
        let victims = (0..VICTIMS).map(|number| {
            Stolen::begin(nodes, &user("victim", number), THEFTS[number % THEFTS.len()])
        });
        let revokers = (0..REVOKERS).map(|number| Revoker::new(nodes, &user("revoker", number)));
        let (clients, victims) = (clients.collect(), victims.collect());
        Self { nodes, clients, victims, revokers: revokers.collect() }
    }

    /// What a failover does to them, from the last moment at which the standby has everything.
    fn live_through(&mut self, standby: &Cluster, failover: impl Fn() + Sync) {
        let (victims, revokers) = (&mut self.victims, &mut self.revokers);
        for revoker in revokers.iter_mut() {
            let session = revoker.begin();
            revoker.end(session);
        }
        let sessions: Vec<_> = revokers.iter().map(Revoker::begin).collect();
        let mut busy: Vec<_> = self.clients.iter_mut().map(|c| c as &mut dyn Busy).collect();
        let lose = |load: &Load<'_>| {
            load.wait_for(2);
            standby.catch_up();
            standby.hold_back();
            self.nodes.note("the standby is held back");
            scope(|scope| {
                for (revoker, session) in revokers.iter_mut().zip(sessions) {
                    scope.spawn(move || revoker.end(session));
                }
                victims.iter_mut().for_each(Stolen::go_on);
                load.wait_for(LOST);
                failover();
                self.nodes.note("the standby has taken over");
            });
            load.wait_for(LOST);
        };
        while_busy(self.nodes, &mut busy, lose);
        self.victims.drain(..).for_each(|stolen| stolen.finds_the_thief(self.nodes));
        self.revokers.iter().for_each(Revoker::present_all);
    }

    fn report(&self) {
        let refreshes: u32 = self.clients.iter().map(|client| client.generation).sum();
        let unanswered: u32 = self.clients.iter().map(|client| client.unanswered).sum();
        let healed = self.nodes.logged("refresh.fast_forward");
        let ended: usize = self.revokers.iter().map(|revoker| revoker.ended.len()).sum();
        eprintln!(
            "{CLIENTS} clients, {refreshes} refreshes, {unanswered} unanswered; {healed} tokens were \
             ahead and healed; {VICTIMS} thieves found; {ended} revocations held"
        );
        assert!(healed > 0, "nothing was lost");
        assert_eq!(self.nodes.logged("refresh.forgery_suspected"), 0);
    }
}

/// What the new primary knows of the sessions.
fn check(people: &People<'_>, standby: &Cluster, database: &Database) {
    let ask = |sql: &str| standby.execute(database.name(), sql);
    assert_eq!(ask("SELECT value FROM meta WHERE name = 'epoch'"), "1");
    for client in &people.clients {
        let sql = format!(
            "SELECT f.generation FROM families f JOIN users u ON u.id = f.user_id \
             WHERE u.username = '{}' AND f.revoked_at IS NULL",
            client.user
        );
        assert_eq!(ask(&sql), client.generation.to_string(), "{}", client.user);
    }
    let found = "SELECT count(*) FROM families f JOIN users u ON u.id = f.user_id \
                 WHERE u.username LIKE 'victim%' AND f.revoked_at IS NOT NULL";
    assert_eq!(ask(found), VICTIMS.to_string());
}

fn everybody_lives_through(nodes: &Nodes, database: &Database, failover: &Failover<'_>) {
    let mut people = People::begin(nodes, database);
    people.live_through(failover.standby, || failover.run());
    people.clients.iter_mut().for_each(Session::refresh);
    check(&people, failover.standby, database);
    people.report();
}

struct Failover<'a> {
    primary: &'a Cluster,
    standby: &'a Cluster,
    /// Led to the standby, where the nodes do not find it by themselves.
    proxy: Option<&'a Proxy>,
}

impl Failover<'_> {
    fn run(&self) {
        self.primary.kill();
        self.standby.promote();
        if let Some(proxy) = self.proxy {
            proxy.repoint(([127, 0, 0, 1], self.standby.port()).into());
        }
    }
}

#[test]
fn a_failover_behind_one_address_logs_nobody_out_and_lets_no_thief_stay() {
    if !is_available() {
        return;
    }
    for _ in 0..soak() {
        let (primary, standby) = pair();
        let database = primary.create_database();
        let proxy = Proxy::start(([127, 0, 0, 1], primary.port()).into());
        let nodes = Nodes::running(3, &through(&proxy, &database), &SETTINGS);
        let failover = Failover { primary: &primary, standby: &standby, proxy: Some(&proxy) };
        everybody_lives_through(&nodes, &database, &failover);
    }
}

#[test]
fn a_failover_to_the_other_host_of_the_url_logs_nobody_out_and_lets_no_thief_stay() {
    if !is_available() {
        return;
    }
    for _ in 0..soak() {
        let (primary, standby) = pair();
        let database = primary.create_database();
        let (one, other) = (primary.port(), standby.port());
        let name = database.name();
        let url = format!("postgres://remint@127.0.0.1:{one},127.0.0.1:{other}/{name}");
        let nodes = Nodes::running(3, &url, &SETTINGS);
        let failover = Failover { primary: &primary, standby: &standby, proxy: None };
        everybody_lives_through(&nodes, &database, &failover);
    }
}
