//! Standbys lag, take over, and backups become clusters.

use remint_testbed::{Cluster, Stop, is_available};

const TIMELINE: &str = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)";
const NUMBERS: &str = "SELECT n FROM numbers ORDER BY n";

fn primary() -> Cluster {
    let cluster = Cluster::start(&[("fsync", "off")]);
    cluster.execute("postgres", "CREATE TABLE numbers (n int)");
    cluster
}

fn write(cluster: &Cluster, n: u32) {
    cluster.execute("postgres", &format!("INSERT INTO numbers VALUES ({n})"));
}

#[test]
fn a_standby_that_was_held_back_loses_what_came_after_when_it_takes_over() {
    if !is_available() {
        return;
    }
    let primary = primary();
    let standby = primary.standby("second");
    write(&primary, 1);
    standby.catch_up();
    standby.hold_back();
    write(&primary, 2);
    assert_eq!(primary.execute("postgres", TIMELINE), "00000001");
    primary.stop(Stop::Fast);

    standby.promote();
    assert_eq!(standby.execute("postgres", TIMELINE), "00000002");
    write(&standby, 3);
    assert_eq!(standby.execute("postgres", NUMBERS), "1\n3");
}

#[test]
fn a_standby_that_is_let_go_has_it_all() {
    if !is_available() {
        return;
    }
    let primary = primary();
    let standby = primary.standby("second");
    standby.catch_up();
    standby.hold_back();
    write(&primary, 1);
    primary.execute("postgres", "SELECT pg_switch_wal(); CHECKPOINT");
    write(&primary, 2);
    assert_eq!(standby.execute("postgres", NUMBERS), "");
    standby.let_go();
    standby.catch_up();
    assert_eq!(standby.execute("postgres", NUMBERS), "1\n2");

    standby.kill();
    write(&primary, 3);
    standby.start_again();
    standby.catch_up();
    assert_eq!(standby.execute("postgres", NUMBERS), "1\n2\n3");
}

#[test]
fn a_primary_can_wait_for_a_standby_by_its_name_and_the_standby_then_waits_for_nobody() {
    if !is_available() {
        return;
    }
    let primary = primary();
    let _second = primary.standby("second");
    let wait = "ALTER SYSTEM SET synchronous_standby_names = 'second'; SELECT pg_reload_conf()";
    primary.execute("postgres", wait);
    let sql = "SELECT application_name, sync_state FROM pg_stat_replication";
    while primary.execute("postgres", sql) != "second|sync" {}
    primary.execute("postgres", "SET synchronous_commit = remote_apply; TRUNCATE numbers");
    write(&primary, 1);

    // A copy of the primary with its settings, the one above included.
    let third = primary.standby("third");
    primary.kill();
    third.promote();
    assert_eq!(third.execute("postgres", "SHOW synchronous_standby_names"), "");
    write(&third, 2);
    assert_eq!(third.execute("postgres", NUMBERS), "1\n2");
}

#[test]
fn a_backup_restores_as_it_was_more_than_once() {
    if !is_available() {
        return;
    }
    let original = primary();
    write(&original, 1);
    let backup = original.base_backup();
    write(&original, 2);

    let restored = Cluster::restore(&backup);
    write(&restored, 3);
    assert_eq!(restored.execute("postgres", NUMBERS), "1\n3");
    drop(original);
    let again = Cluster::restore(&backup);
    assert_eq!(again.execute("postgres", NUMBERS), "1");
    assert_eq!(again.execute("postgres", TIMELINE), "00000001");
}
