//! PostgreSQL: any number of nodes on one database, with nothing in a node that another one needs.
//!
//! Every statement goes through a lane: a task with a connection of its own, which takes what has
//! queued up and answers it together. Reads of one kind become one statement over arrays, and so do
//! rotations, which thereby share their round trip and their commit. No lane waits for company: an
//! idle node asks at once, a busy one shares.
//!
//! A connection that breaks takes what was in flight with it, answered as unavailable: whether a
//! commit happened is then unknown, and the caller's retry is right in both cases. The lane connects
//! again when it is asked next, with pauses while nothing answers.

mod connection;
mod lane;
mod migrate;
mod queue;
mod set;
mod timeline;
mod tls;
mod transaction;
mod url;
mod value;
mod watch;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres_rustls::MakeRustlsConnect;

use remint_protocol::time::Timestamp;

use crate::batch::{Batch, Durability, Outcome, Statement, Write};
use crate::row::{Columns, Row, Value};
use crate::stats::Stats;
use crate::{Error, OpenError};

#[cfg(test)]
pub(crate) use connection::TUNE;
pub(crate) use migrate::{migrate, missing};
pub use url::Url;
#[cfg(test)]
pub(crate) use value::dollars;
pub(crate) use watch::Changes;

use connection::Connection;
use lane::Lane;
use queue::Queue;
use work::{Commit, Commits, Read, Reads, Rotations};

/// The way to reach PostgreSQL, and the time to wait for it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its URL.
    pub url: Url,
    /// The certificates to trust, PEM; `None` for those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The most connections that a node opens, besides one that listens for changes.
    pub connections: u32,
    /// The time that making a connection may take.
    pub connect_timeout: Duration,
    /// The time that a statement may take.
    pub statement_timeout: Duration,
    /// The durability of a revocation before it is acknowledged.
    pub revocation_commit: RevocationCommit,
}

/// The durability that a revocation must have before it is acknowledged: values of PostgreSQL's
/// `synchronous_commit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationCommit {
    /// Whatever the server's `synchronous_commit` says, but never less than its own disk.
    Server,
    /// The disks of the synchronous replicas.
    On,
    /// The operating systems of the synchronous replicas.
    RemoteWrite,
    /// The synchronous replicas' readers.
    RemoteApply,
}

impl RevocationCommit {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Server, Self::On, Self::RemoteWrite, Self::RemoteApply];

    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::On => "on",
            Self::RemoteWrite => "remote_write",
            Self::RemoteApply => "remote_apply",
        }
    }
}

/// The target that every lane connects to.
pub(crate) struct Target {
    settings: Settings,
    tls: MakeRustlsConnect,
    stats: Stats,
    /// The index of the host that accepted writes the last time.
    host: AtomicUsize,
    /// The timeline that the newest connection saw; 0, which is none, where the server does not tell.
    timeline: AtomicI64,
}

impl Target {
    pub(crate) fn new(settings: Settings) -> Result<Self, OpenError> {
        let tls = tls::client(settings.url.is_encrypted(), settings.ca_file.as_deref())?;
        let (host, timeline) = (AtomicUsize::new(0), AtomicI64::new(0));
        Ok(Self { settings, tls, stats: Stats::default(), host, timeline })
    }
}

/// An open database.
pub(crate) struct Postgres {
    target: Arc<Target>,
    queues: Mutex<Option<Queues>>,
    lanes: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Queues {
    reads: mpsc::Sender<Read>,
    rotations: mpsc::Sender<Commit>,
    commits: mpsc::Sender<Commit>,
}

impl Postgres {
    /// Opens one connection to see whether the database can be used; lanes open theirs when they are
    /// needed.
    pub(crate) async fn open(settings: Settings) -> Result<Self, OpenError> {
        let target = Arc::new(Target::new(settings)?);
        let first = Connection::raw(&target).await?;
        migrate::check(first.client(), &target).await?;
        first.begin(&target, Durability::Replicated).await?;
        let mut lanes = Vec::new();
        let [few, most] = shares(target.settings.connections);
        let (reads, queue) = Queue::new();
        for _ in 0..few {
            lanes.push(Lane::start(&target, &queue, Reads, None));
        }
        let (rotations, queue) = Queue::new();
        for _ in 0..few {
            lanes.push(Lane::start(&target, &queue, Rotations(Arc::clone(&target)), None));
        }
        let (commits, queue) = Queue::new();
        let mut first = Some(first);
        for _ in 0..most {
            lanes.push(Lane::start(&target, &queue, Commits(Arc::clone(&target)), first.take()));
        }
        let queues = Queues { reads, rotations, commits };
        Ok(Self { target, queues: Mutex::new(Some(queues)), lanes: Mutex::new(lanes) })
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.target.stats
    }

    fn queues(&self) -> Option<Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn read(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        let (done, rows) = oneshot::channel();
        let read = Read { statement, values: values.to_vec(), done };
        self.queues().ok_or_else(closed)?.reads.try_send(read).map_err(|_| overloaded())?;
        rows.await.unwrap_or_else(|_| Err(unanswered()))
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Outcome, Error> {
        let (done, outcome) = oneshot::channel();
        let queues = self.queues().ok_or_else(closed)?;
        let queue = if is_rotation(&batch) { queues.rotations } else { queues.commits };
        queue.try_send(Commit { batch, done }).map_err(|_| overloaded())?;
        outcome.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Returns the number of writes that wait now; `None` once nothing is written any more.
    pub(crate) fn queued(&self) -> Option<usize> {
        let queues = self.queues()?;
        let waiting = |queue: &mpsc::Sender<_>| queue.max_capacity() - queue.capacity();
        Some(waiting(&queues.rotations) + waiting(&queues.commits))
    }

    /// Waits until everything queued is answered.
    pub(crate) async fn close(&self) {
        drop(self.queues.lock().unwrap_or_else(PoisonError::into_inner).take());
        let lanes = std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        for lane in lanes {
            if lane.await.is_err_and(|error| error.is_panic()) {
                tracing::error!("a lane of the store panicked");
            }
        }
    }

    pub(crate) async fn time(&self) -> Result<Timestamp, Error> {
        let row = self.read(&TIME, &[]).await?.into_iter().next().unwrap_or_default();
        Columns::new("clock", row).take("clock_timestamp")
    }

    /// The timeline that the epoch rises with, where the server tells one.
    pub(crate) fn timeline(&self) -> Option<i64> {
        Some(self.target.timeline.load(Ordering::Relaxed)).filter(|seen| *seen > 0)
    }

    /// Hears of changes that other nodes make.
    pub(crate) fn changes(&self) -> Changes {
        Changes::listen(Arc::clone(&self.target))
    }
}

const TIME: Statement =
    Statement::new("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");

/// One that may share its commit: what a failover loses of it heals by itself.
fn is_rotation(batch: &[Write]) -> bool {
    let [write] = batch else { return false };
    write.statement.set.is_some() && write.statement.durability == Durability::Local
}

/// Splits the connections into lanes that read, lanes that rotate, and lanes that write all the rest.
fn shares(connections: u32) -> [u32; 2] {
    let few = (connections / 4).max(1);
    [few, connections.saturating_sub(2 * few).max(1)]
}

fn closed() -> Error {
    Error::Unavailable { cause: "the store is closing".into() }
}

fn overloaded() -> Error {
    Error::Unavailable { cause: "too many statements are waiting".into() }
}

fn unanswered() -> Error {
    Error::Unavailable { cause: "the database did not answer in time".into() }
}
