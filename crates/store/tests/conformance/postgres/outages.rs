//! Servers that go away and come back, or take no writes: nobody has to start a node again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use remint_protocol::family::{Family, RevokeReason};
use remint_store::postgres::Settings;
use remint_store::{Error, OpenError, Outcome, Store};
use remint_testbed::{Cluster, Stop};
use tokio::task::{JoinHandle, block_in_place};

use super::{
    answered, cause, impatient, load_soon, narrow, none, on_cluster, place_in, populated, proxied,
    refused, works_again,
};
use crate::backend::{Place, on_postgres, session, settings, soon};
use crate::samples::{at, load, rotation};

/// Refreshes one family after another for as long as it is told to, and gives how far each came.
struct Load {
    goes_on: Arc<AtomicBool>,
    done: Arc<AtomicU32>,
    tasks: Vec<JoinHandle<(Family, u32)>>,
}

impl Load {
    fn start(store: &Store, families: &[Family]) -> Self {
        let (goes_on, done) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let refresh = |family: &Family| {
            let (store, family) = (store.clone(), family.clone());
            let (goes_on, done) = (Arc::clone(&goes_on), Arc::clone(&done));
            tokio::spawn(async move {
                let mut answered = family.generation;
                while goes_on.load(Ordering::SeqCst) {
                    let Ok(Some(loaded)) = store.load_family(family.id).await else { continue };
                    let from = loaded.family.generation;
                    assert!(from == answered || from == answered + 1, "{from} after {answered}");
                    answered = from;
                    if store.rotate(&rotation(family.id, from)).await.is_ok() {
                        answered += 1;
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                }
                (family, answered)
            })
        };
        let tasks = families.iter().map(refresh).collect();
        Self { goes_on, done, tasks }
    }

    /// Waits until so many more are done.
    async fn goes_on(&self, more: u32) {
        let enough = self.done.load(Ordering::SeqCst) + more;
        soon("refreshing goes on", async || self.done.load(Ordering::SeqCst) >= enough).await;
    }

    async fn stop(self) -> Vec<(Family, u32)> {
        self.goes_on.store(false, Ordering::SeqCst);
        let mut ends = Vec::new();
        for task in self.tasks {
            ends.push(answered(task).await.unwrap());
        }
        ends
    }
}

#[test]
fn a_server_that_is_stopped_or_killed_and_started_again_has_all_that_was_answered() {
    on_cluster(async |cluster| {
        let database = cluster.create_database();
        let (store, _, families) = populated(&database.url(), 20).await;
        let load_on_it = Load::start(&store, &families);
        let ends: [&dyn Fn(&Cluster); 3] =
            [&|c| c.stop(Stop::Fast), &|c| c.stop(Stop::Immediate), &Cluster::kill];
        for end in ends {
            load_on_it.goes_on(100).await;
            block_in_place(|| {
                end(&cluster);
                cluster.start_again();
            });
        }
        load_on_it.goes_on(100).await;
        for (family, answered) in load_on_it.stop().await {
            let reached = load_soon(&store, &family).await.generation;
            assert!(reached == answered || reached == answered + 1, "{reached} and {answered}");
        }
    });
}

#[test]
fn connections_that_an_operator_ends_are_made_again() {
    on_postgres(async |place| {
        let (store, _, families) = populated(&place.database().url(), 1).await;
        for _ in 0..5 {
            let family = works_again(&store, &families[0]).await;
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'remint'";
            let ended: u32 = place.database().execute(end).parse().unwrap();
            assert!(ended >= 3, "{ended} connections for reads, rotations and all the rest");
            // They have ended, and nothing was asked meanwhile: that is seen before something is.
            none(place.database(), "application_name = 'remint'").await;
            let next = rotation(family.id, family.generation);
            assert_eq!(store.rotate(&next).await.unwrap(), Outcome::Done);
            assert!(store.load_family(family.id).await.is_ok());
            assert_eq!(store.confirm(family.id, next.to).await.unwrap(), Outcome::Done);
        }
    });
}

#[test]
fn a_server_that_takes_no_writes_is_refused_until_it_does() {
    on_cluster(async |cluster| {
        let database = cluster.create_database();
        let (_, _, families) = populated(&database.url(), 1).await;
        let store = Store::connect(narrow(&database.url())).await.unwrap();
        let family = works_again(&store, &families[0]).await;
        let set = |how: &str| {
            let sql = format!("ALTER SYSTEM {how}; SELECT pg_reload_conf()");
            database.execute(&sql);
        };
        let other = session(&database.url()).await;
        set("SET default_transaction_read_only = on");
        soon("sessions know", async || {
            let row = other.query_one("SHOW transaction_read_only", &[]).await.unwrap();
            row.get::<_, &str>(0) == "on"
        })
        .await;
        let next = rotation(family.id, family.generation);
        let end = || store.revoke_family(family.id, RevokeReason::Operator, at(9));
        // What a connection that was there before says, and then what a new one does.
        for said in ["read-only transaction (25006)", "does not allow writes"] {
            let why = cause(store.rotate(&next).await);
            assert!(why.contains(said), "{why}");
            cause(end().await);
        }
        let error = refused(settings(&database.url())).await.to_string();
        assert!(error.ends_with("does not allow writes"), "{error}");
        set("RESET default_transaction_read_only");
        assert_eq!(load(&open_again(&database.url()).await, family.id).await, family);
        works_again(&store, &family).await;
    });
}

async fn open_again(url: &str) -> Store {
    soon("it takes writes", async || Store::connect(settings(url)).await.is_ok()).await;
    Store::connect(settings(url)).await.unwrap()
}

/// A role that may do no more than it must, and a URL that signs in as it.
struct Role<'a> {
    name: String,
    url: String,
    place: &'a Place,
}

impl<'a> Role<'a> {
    /// It owns the database, and nothing else.
    fn new(place: &'a Place) -> Self {
        let (database, name) = (place.database(), format!("{}_owner", place.database().name()));
        database.execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'secret'; \
             ALTER DATABASE {} OWNER TO {name}; GRANT ALL ON SCHEMA public TO {name}",
            database.name()
        ));
        let url = database.url();
        let (_, rest) = url.split_once('@').unwrap();
        Self { url: format!("postgres://{name}:secret@{rest}"), name, place }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        let Self { name, place, .. } = self;
        place.database().execute(&format!(
            "ALTER DATABASE {} OWNER TO CURRENT_USER; DROP OWNED BY {name} CASCADE; DROP ROLE {name}",
            place.database().name()
        ));
    }
}

#[test]
fn a_role_that_owns_no_more_than_the_database_is_enough_to_run_and_to_see_a_failover() {
    on_postgres(async |place| {
        let role = Role::new(&place);
        let (store, _, families) = populated(&role.url, 1).await;
        works_again(&store, &families[0]).await;
        // What the connection found out about its primary is what tells a failover later.
        let known = "SELECT count(*) FROM meta WHERE name IN ('system', 'timeline')";
        assert_eq!(place.database().execute(known), "2");
    });
}

#[test]
fn a_server_without_room_for_connections_is_said_to_be_so_and_used_again_later() {
    on_postgres(async |place| {
        let role = Role::new(&place);
        let (first, _, families) = populated(&role.url, 1).await;
        first.close().await;
        let limit = |most: i32| {
            place.database().execute(&format!("ALTER ROLE {} CONNECTION LIMIT {most}", role.name))
        };
        none(place.database(), "true").await;
        limit(1);
        // One is there; the lanes that need another say why they have none.
        let store = Store::connect(narrow(&role.url)).await.unwrap();
        let why = cause(store.rotate(&rotation(families[0].id, 0)).await);
        assert!(why.contains("too many connections"), "{why}");
        assert!(cause(store.load_family(families[0].id).await).contains("too many connections"));
        let end = store.revoke_family(families[0].id, RevokeReason::Operator, at(9));
        assert_eq!(end.await.unwrap(), Outcome::Done);
        let error = refused(narrow(&role.url)).await.to_string();
        assert!(error.contains("too many connections") && !error.contains("secret"), "{error}");
        limit(-1);
        soon("there is room", async || store.ping().await.is_ok()).await;
        assert!(load(&store, families[0].id).await.revoked.is_some());
    });
}

/// Addresses of which the last is the one to use. The first may be a machine that is gone without a
/// word, or one that stands still.
#[test]
fn of_several_hosts_the_one_that_takes_writes_is_used_whatever_the_others_do() {
    on_postgres(async |place| {
        let url = place.database().url();
        let (direct, _, families) = populated(&url, 1).await;
        let (silent, through) = proxied(&url);
        silent.freeze(true);
        let (away, other) = proxied(&url);
        away.refuse(true);
        let here = place_in(&url);
        let hosts = |hosts: &[&str]| url.replacen(here, &hosts.join(","), 1);
        for list in [
            hosts(&[place_in(&other), here]),
            hosts(&[place_in(&through), here]),
            hosts(&[place_in(&through), place_in(&other), here]),
        ] {
            let settings = Settings { connections: 1, ..impatient(&list) };
            let store = answered(Store::connect(settings)).await.unwrap();
            soon("all lanes find it", async || {
                let reached = load(&direct, families[0].id).await.generation;
                let next = rotation(families[0].id, reached);
                store.ping().await.is_ok() && store.rotate(&next).await.is_ok()
            })
            .await;
        }
        let none = hosts(&[place_in(&through), place_in(&other)]);
        assert!(matches!(refused(impatient(&none)).await, OpenError::Unreachable { .. }));
    });
}

#[test]
fn lanes_without_a_connection_leave_the_work_to_those_that_have_one_and_end_with_the_store() {
    on_postgres(async |place| {
        let role = Role::new(&place);
        let (first, _, families) = populated(&role.url, 300).await;
        first.close().await;
        none(place.database(), "true").await;
        let store = Store::connect(settings(&role.url)).await.unwrap();
        // One lane for rotations gets its connection, and nobody else ever does.
        assert_eq!(store.rotate(&rotation(families[0].id, 0)).await.unwrap(), Outcome::Done);
        place.database().execute(&format!("ALTER ROLE {} CONNECTION LIMIT 2", role.name));
        let refresh = |family: &Family| {
            let (store, id) = (store.clone(), family.id);
            tokio::spawn(async move {
                for from in 0..20 {
                    store.rotate(&rotation(id, from)).await?;
                }
                Ok::<_, Error>(())
            })
        };
        let tasks: Vec<_> = families[1..].iter().map(refresh).collect();
        for task in tasks {
            answered(task).await.unwrap().unwrap();
        }
        answered(store.close()).await;
    });
}
