//! Whether commits may have been lost: the primary's timeline, and the epoch that rises with it.
//!
//! A replica that is promoted begins a new timeline. Where it lacked the last commits of its primary,
//! clients are ahead of their rows; the epoch tells them from forgers. Every connection looks at the
//! timeline before it reads anything else, so no row of a new primary is seen with an old epoch.

use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::tell;
use tokio_postgres::{Client, Error};

/// A primary: which database system it is, and which of its timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    system: i64,
    timeline: i64,
}

/// NULL where a server speaks PostgreSQL's protocol but has no such functions.
const FUNCTIONS: &str = "SELECT to_regprocedure('pg_control_system()') IS NOT NULL AND \
    has_function_privilege(to_regprocedure('pg_control_system()')::oid, 'EXECUTE')";
/// The timeline that is written now. What `pg_control_checkpoint` says is that of the last
/// checkpoint, which a promoted replica may still have ahead of it.
const HERE: &str = "SELECT system_identifier, \
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint \
    FROM pg_control_system()";
const KNOWN: &str = "SELECT (SELECT value FROM meta WHERE name = 'system'), \
    (SELECT value FROM meta WHERE name = 'timeline')";
const RAISE: &str = "UPDATE meta SET value = LEAST(value + $1, 65535) WHERE name = 'epoch'";
const REMEMBER: &str = "INSERT INTO meta (name, value) VALUES ('system', $1), ('timeline', $2) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Raises the epoch when the primary is another one than when somebody last looked. It gives the
/// timeline, where the server tells one.
pub(super) async fn see(client: &Client) -> Result<Option<i64>, Error> {
    let Some(here) = here(client).await? else { return Ok(None) };
    if known(client).await? != Some(here) {
        compare(client, here).await?;
    }
    Ok(Some(here.timeline))
}

async fn compare(client: &Client, here: Place) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    // One node at a time: the others find the work done.
    client.execute("SELECT value FROM meta WHERE name = 'epoch' FOR UPDATE", &[]).await?;
    let known = known(client).await?;
    let steps = known.map_or(0, |known| steps(known, here));
    if steps > 0 {
        client.execute(RAISE, &[&steps]).await?;
    }
    if known.is_none() || steps > 0 {
        client.execute(REMEMBER, &[&here.system, &here.timeline]).await?;
    }
    client.batch_execute("COMMIT").await?;
    if steps > 0 {
        tell!(
            STORE_EPOCH_RAISED,
            actor = %Actor::Server,
            on = %Object::Store,
            outcome = audit::DONE,
            source = audit::LOCAL,
            timeline = here.timeline,
            "the database was promoted or restored: sessions that are ahead of their rows will heal",
        );
    }
    Ok(())
}

/// By how much the epoch rises. A rise can itself be lost in the next failover, so what counts is how
/// many timelines lie between: no epoch is ever used for two of them.
fn steps(known: Place, here: Place) -> i64 {
    if known.system == here.system { (here.timeline - known.timeline).max(0) } else { 1 }
}

async fn here(client: &Client) -> Result<Option<Place>, Error> {
    let Ok(found) = client.query_one(FUNCTIONS, &[]).await else { return Ok(None) };
    if !found.try_get::<_, Option<bool>>(0)?.unwrap_or(false) {
        return Ok(None);
    }
    let row = client.query_one(HERE, &[]).await?;
    Ok(Some(Place { system: row.try_get(0)?, timeline: row.try_get(1)? }))
}

async fn known(client: &Client) -> Result<Option<Place>, Error> {
    let row = client.query_one(KNOWN, &[]).await?;
    let (system, timeline): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(system.zip(timeline).map(|(system, timeline)| Place { system, timeline }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_rises_with_the_timeline_and_with_another_system_and_never_falls() {
        let at = |system, timeline| Place { system, timeline };
        assert_eq!(steps(at(1, 4), at(1, 4)), 0);
        assert_eq!(steps(at(1, 4), at(1, 5)), 1);
        assert_eq!(steps(at(1, 4), at(1, 6)), 2, "a rise in between was lost");
        assert_eq!(steps(at(1, 4), at(1, 3)), 0);
        assert_eq!(steps(at(1, 4), at(2, 1)), 1, "copied to another system");
    }
}
