//! The database comes back from a backup that is older than what clients hold.

use remint_testbed::{Backup, Cluster, Database, Proxy, Stop, is_available};

use crate::load::{Busy, while_busy};
use crate::nodes::{Nodes, like_alice, through};
use crate::session::Session;
use crate::support::run;

const CLIENTS: usize = 24;
/// How often each client refreshed since the backup.
const SINCE: u32 = 20;

struct World {
    cluster: Cluster,
    database: Database,
    proxy: Proxy,
    nodes: Nodes,
}

fn world() -> World {
    // Recovery from an archive, which begins a new timeline, wants to be told how to fetch from it.
    let cluster = Cluster::start(&[("restore_command", "false")]);
    let database = cluster.create_database();
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
    let settings = [("tokens.grace_period", "60s")];
    let nodes = Nodes::running(3, &through(&proxy, &database), &settings);
    World { cluster, database, proxy, nodes }
}

/// Everybody goes on through a loss of the database and its restoration, and is ahead of it then.
fn everybody_lives_through(world: &World, restore: impl FnOnce(&Backup) -> Cluster) {
    let user = |number| format!("client{number}");
    like_alice(&world.database, (0..CLIENTS).map(user));
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|number| Session::begin(&world.nodes, &user(number))).collect();
    let backup = world.cluster.base_backup();
    let mut busy: Vec<_> = clients.iter_mut().map(|client| client as &mut dyn Busy).collect();
    let _restored = while_busy(&world.nodes, &mut busy, |load| {
        load.wait_for(SINCE);
        world.cluster.kill();
        let restored = restore(&backup);
        world.proxy.repoint(([127, 0, 0, 1], restored.port()).into());
        load.wait_for(SINCE);
        restored
    });
    clients.iter_mut().for_each(Session::refresh);
    let healed = world.nodes.logged("refresh.fast_forward");
    assert!(healed >= CLIENTS, "{healed} of {CLIENTS} were ahead");
    assert_eq!(world.nodes.logged("refresh.forgery_suspected"), 0);
    let refreshes: u32 = clients.iter().map(|client| client.generation).sum();
    eprintln!("{CLIENTS} clients, {refreshes} refreshes; {healed} tokens were ahead and healed");
}

#[test]
fn a_restored_backup_whose_epoch_is_raised_logs_nobody_out() {
    if !is_available() {
        return;
    }
    let world = world();
    everybody_lives_through(&world, |backup| {
        let restored = Cluster::restore(backup);
        // Before any node sees it.
        let mut bump = world.nodes.at(0).command(&["store", "epoch", "bump"]);
        bump.env("REMINT_STORE_URL", restored.url(world.database.name()));
        let said = run(bump, "").ok().stdout;
        assert!(said.contains("the epoch is 1"), "{said}");
        restored
    });
}

#[test]
fn a_restored_backup_on_a_new_timeline_logs_nobody_out() {
    if !is_available() {
        return;
    }
    let world = world();
    everybody_lives_through(&world, |backup| {
        let restored = Cluster::restore(backup);
        let directory = restored.execute("postgres", "SHOW data_directory");
        let signal = format!("COPY (SELECT WHERE false) TO '{directory}/recovery.signal'");
        restored.execute("postgres", &signal);
        restored.stop(Stop::Fast);
        restored.start_again();
        restored
    });
}
