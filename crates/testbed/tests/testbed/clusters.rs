//! Servers start, stop and come back.

use std::thread;

use remint_testbed::{Cluster, Stop, is_available, postgres};

const SLEEP: &str = "SELECT pg_sleep(60)";
const SLEEPERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

#[test]
fn what_was_committed_survives_every_way_to_end() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::start(&[]);
    cluster.execute("postgres", "CREATE TABLE kept (n bigint)");
    let ends: [fn(&Cluster); 3] =
        [|it| it.stop(Stop::Fast), |it| it.stop(Stop::Immediate), Cluster::kill];
    for end in ends {
        cluster.execute("postgres", "INSERT INTO kept SELECT count(*) FROM kept");
        thread::scope(|scope| {
            let session = scope.spawn(|| cluster.try_execute("postgres", SLEEP));
            while cluster.execute("postgres", SLEEPERS) != "1" {}
            end(&cluster);
            assert!(session.join().unwrap().is_err());
        });
        let refused = cluster.try_execute("postgres", "SELECT 1").unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
        cluster.start_again();
    }
    assert_eq!(cluster.execute("postgres", "SELECT n FROM kept ORDER BY n"), "0\n1\n2");
}

#[test]
fn only_the_shared_cluster_is_not_durable() {
    let Some(shared) = postgres() else { return };
    let own = Cluster::start(&[("work_mem", "5MB"), ("application_name", "o'clock \\")]);
    let sql = "SHOW fsync; SHOW synchronous_commit; SHOW max_connections";
    assert_eq!(shared.execute("postgres", sql), "off\non\n300");
    assert_eq!(own.execute("postgres", sql), "on\non\n100");
    let sql = "SHOW work_mem; SELECT boot_val IS NOT NULL, reset_val FROM pg_settings WHERE name = \
               'cluster_name'";
    assert_eq!(own.execute("postgres", sql), "5MB\nt|");
    let sql = "SELECT system_identifier FROM pg_control_system()";
    assert_ne!(shared.execute("postgres", sql), own.execute("postgres", sql));
}

#[test]
fn a_database_is_empty_and_apart_from_others_and_goes_away() {
    let Some(cluster) = postgres() else { return };
    let (one, other) = (cluster.create_database(), cluster.create_database());
    one.execute("CREATE TABLE mine (n int); INSERT INTO mine VALUES (7)");
    assert_eq!(cluster.execute(one.name(), "SELECT n, n + 1 FROM mine"), "7|8");
    assert_eq!(other.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'mine'"), "0");
    assert_eq!(one.url(), cluster.url(one.name()));

    let name = one.name().to_owned();
    drop(one);
    let gone = cluster.try_execute(&name, "SELECT 1").unwrap_err();
    assert!(gone.contains("does not exist"), "{gone}");
}

#[test]
fn statements_before_the_one_that_fails_are_committed() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let sql = "CREATE TABLE t (n int);\nINSERT INTO t VALUES (1);\nSELECT 1 / 0;\nDROP TABLE t";
    let error = cluster.try_execute(database.name(), sql).unwrap_err();
    assert!(error.contains(":3: ERROR:  division by zero"), "{error}");
    assert_eq!(database.execute("SELECT n FROM t"), "1");
}
