//! Lanes: tasks that each own a connection and answer what has queued up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Connection, Failed};
use super::set::Set;
use super::{Target, transaction};
use crate::batch::{Batch, Outcome, Statement, Survives};
use crate::row::{Row, Value};
use crate::{Error, OpenError};

/// The most requests that may wait; further ones are refused at once.
const QUEUE_MAX: usize = 16_384;
/// The most requests that are answered together.
const GROUP_MAX: usize = 256;
/// As many do not wait for another group to be answered.
const GROUP_ENOUGH: usize = 32;
/// How long a group waits at most for another one to be answered.
const LANE_PATIENCE: Duration = Duration::from_millis(5);
/// How often a group is tried again that others were in the way of.
const RETRIES: u32 = 5;
/// How long a lane waits at most before it tries to connect again.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What PostgreSQL may take longer than its own limit before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// A statement to be read.
pub(super) struct Read {
    pub(super) statement: &'static Statement,
    pub(super) values: Vec<Value>,
    pub(super) done: oneshot::Sender<Result<Vec<Row>, Error>>,
}

/// A batch to be written.
pub(super) struct Commit {
    pub(super) batch: Batch,
    pub(super) done: oneshot::Sender<Result<Outcome, Error>>,
}

/// What waits for any of several lanes.
pub(super) struct Queue<J>(Arc<Waiting<J>>);

struct Waiting<J> {
    jobs: Mutex<mpsc::Receiver<J>>,
    /// To put back what another lane can do.
    sender: mpsc::WeakSender<J>,
    /// Lanes that are asking.
    busy: AtomicUsize,
    is_free: Notify,
    /// Lanes that have a connection.
    connected: AtomicUsize,
}

impl<J> Queue<J> {
    pub(super) fn new() -> (mpsc::Sender<J>, Self) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let waiting = Waiting {
            jobs: Mutex::new(receiver),
            sender: sender.downgrade(),
            busy: AtomicUsize::new(0),
            is_free: Notify::new(),
            connected: AtomicUsize::new(0),
        };
        (sender, Self(Arc::new(waiting)))
    }

    /// Takes what is queued, once something is, but no more than `most`. False when nothing will be
    /// any more.
    async fn gather(&self, jobs: &mut Vec<J>, most: usize) -> bool {
        let mut queue = self.0.jobs.lock().await;
        let Some(first) = queue.recv().await else { return false };
        jobs.push(first);
        // This is no waiting: only tasks that are ready to run go first, and share the round trip.
        yield_now().await;
        drain(&mut queue, jobs, most);
        if self.0.busy.load(Ordering::Acquire) > 0 {
            self.wait_for_a_free_lane(&mut queue, jobs, most).await;
        }
        self.0.busy.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// While another lane asks, what arrives goes together in the next group. It goes beside it where
    /// it is many, or where the other one takes its time.
    async fn wait_for_a_free_lane(
        &self,
        queue: &mut mpsc::Receiver<J>,
        jobs: &mut Vec<J>,
        most: usize,
    ) {
        let patience = sleep(LANE_PATIENCE);
        tokio::pin!(patience);
        while jobs.len() < GROUP_ENOUGH.min(most) {
            tokio::select! {
                biased;
                () = self.0.is_free.notified() => break,
                () = &mut patience => break,
                job = queue.recv() => match job {
                    Some(job) => jobs.push(job),
                    None => break,
                },
            }
        }
        drain(queue, jobs, most);
    }

    fn is_served(&self) -> bool {
        self.0.connected.load(Ordering::Acquire) > 0
    }

    /// Leaves a job to the other lanes; gives it back where it can not be.
    fn put_back(&self, job: J) -> Result<(), J> {
        let Some(sender) = self.0.sender.upgrade() else { return Err(job) };
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Closed(job) => job,
        })
    }

    /// A lane has its answer.
    fn leave(&self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
        self.0.is_free.notify_one();
    }
}

fn drain<J>(queue: &mut mpsc::Receiver<J>, jobs: &mut Vec<J>, most: usize) {
    while jobs.len() < most
        && let Ok(job) = queue.try_recv()
    {
        jobs.push(job);
    }
}

/// What a lane is for.
pub(super) trait Work: Send + 'static {
    type Job: Send;
    /// The most jobs that it answers together.
    const MOST: usize;
    /// What its commits outlive.
    const SURVIVES: Survives;

    /// Answers all jobs, but for those that a broken connection left open: they are still there.
    fn run(
        &self,
        connection: &mut Connection,
        jobs: &mut Vec<Self::Job>,
    ) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Answers a job that can not be done.
    fn refuse(&self, job: Self::Job, cause: &str);
}

/// A task with a connection of its own, which it makes when it has something to ask.
pub(super) struct Lane<W: Work> {
    target: Arc<Target>,
    queue: Queue<W::Job>,
    work: W,
    connection: Option<Connection>,
    outage: Option<Outage>,
}

/// Nothing answers.
struct Outage {
    cause: String,
    pause: Duration,
    until: Instant,
}

impl<W: Work> Lane<W> {
    pub(super) fn start(
        target: &Arc<Target>,
        queue: &Queue<W::Job>,
        work: W,
        connection: Option<Connection>,
    ) -> JoinHandle<()> {
        let queue = Queue(Arc::clone(&queue.0));
        let target = Arc::clone(target);
        let mut lane = Self { target, queue, work, connection: None, outage: None };
        lane.keep(connection);
        tokio::spawn(lane.run())
    }

    async fn run(mut self) {
        let mut jobs = Vec::with_capacity(W::MOST);
        loop {
            // While others have a connection, one that has none leaves the requests to them.
            while self.outage.is_some() && self.queue.is_served() {
                self.wait_and_connect().await;
            }
            if !self.queue.gather(&mut jobs, W::MOST).await {
                return;
            }
            self.answer(&mut jobs).await;
            self.queue.leave();
        }
    }

    async fn wait_and_connect(&mut self) {
        if let Some(outage) = &self.outage {
            sleep_until(outage.until).await;
        }
        let opened = self.open().await;
        self.keep(opened.ok());
    }

    fn keep(&mut self, connection: Option<Connection>) {
        if connection.is_some() {
            self.queue.0.connected.fetch_add(1, Ordering::AcqRel);
        }
        self.connection = connection;
    }

    /// The connection, while it is used and not counted.
    fn take(&mut self) -> Option<Connection> {
        let connection = self.connection.take()?;
        self.queue.0.connected.fetch_sub(1, Ordering::AcqRel);
        // One may break while nothing is asked, as when the database is restarted.
        Some(connection).filter(|connection| !connection.is_closed())
    }

    async fn answer(&mut self, jobs: &mut Vec<W::Job>) {
        let Some(mut connection) = self.connect(jobs).await else { return };
        let limit = self.target.settings.statement_timeout + PATIENCE;
        let failed = match timeout(limit, self.work.run(&mut connection, jobs)).await {
            Ok(Ok(())) => None,
            Ok(Err(failed)) => Some(failed.cause().to_owned()),
            Err(_) => {
                connection.give_up(&self.target);
                Some("the database did not answer in time".to_owned())
            }
        };
        match failed {
            None => self.keep(Some(connection)),
            Some(cause) => {
                tracing::warn!(cause, "a connection to the database was lost");
                self.refuse(jobs, &cause);
            }
        }
    }

    /// The connection, a new one where there is none. Where none can be made, the jobs are left to
    /// other lanes, or refused where none has one.
    async fn connect(&mut self, jobs: &mut Vec<W::Job>) -> Option<Connection> {
        if let Some(connection) = self.take() {
            return Some(connection);
        }
        if self.outage.as_ref().is_none_or(|outage| outage.until <= Instant::now())
            && let Ok(connection) = self.open().await
        {
            return Some(connection);
        }
        let cause = self.outage.as_ref().map(|outage| outage.cause.clone()).unwrap_or_default();
        for job in jobs.drain(..) {
            let left = if self.queue.is_served() { self.queue.put_back(job) } else { Err(job) };
            if let Err(job) = left {
                self.work.refuse(job, &cause);
            }
        }
        None
    }

    async fn open(&mut self) -> Result<Connection, OpenError> {
        let opened = Connection::open(&self.target, W::SURVIVES).await;
        match &opened {
            Ok(_) => {
                self.target.stats.connect();
                if self.outage.take().is_some() {
                    tracing::info!("the database answers again");
                }
            }
            Err(error) => self.pause(error),
        }
        opened
    }

    fn pause(&mut self, error: &OpenError) {
        const FIRST: Duration = Duration::from_millis(50);
        if self.outage.is_none() {
            tracing::error!(%error, "the database does not answer");
        }
        let pause = self.outage.as_ref().map_or(FIRST, |o| (o.pause * 2).min(PAUSE_MAX));
        let until = Instant::now() + pause;
        self.outage = Some(Outage { cause: error.to_string(), pause, until });
    }

    fn refuse(&self, jobs: &mut Vec<W::Job>, cause: &str) {
        jobs.drain(..).for_each(|job| self.work.refuse(job, cause));
    }
}

/// Reads: those of one kind in one statement, and all statements in one round trip.
pub(super) struct Reads;

impl Work for Reads {
    type Job = Read;
    const MOST: usize = GROUP_MAX;
    const SURVIVES: Survives = Survives::Crash;

    async fn run(&self, connection: &mut Connection, jobs: &mut Vec<Read>) -> Result<(), Failed> {
        for read in &*jobs {
            connection.prepare(read.statement.set.unwrap_or(read.statement.sql)).await?;
        }
        let kinds = kinds(std::mem::take(jobs), |read| read.statement);
        let connection = &*connection;
        let asked = kinds.into_iter().map(|(statement, reads)| async move {
            let result = read_all(connection, statement, &reads).await;
            (reads, result)
        });
        let mut broken = Ok(());
        for (reads, result) in join_all(asked).await {
            match result {
                Ok(mut rows) => {
                    for (read, rows) in reads.into_iter().zip(rows.drain(..)) {
                        let _ = read.done.send(Ok(rows));
                    }
                }
                Err(failed) => {
                    for read in reads {
                        self.refuse(read, failed.cause());
                    }
                    if matches!(failed, Failed::Broken(_)) {
                        broken = Err(failed);
                    }
                }
            }
        }
        broken
    }

    fn refuse(&self, job: Read, cause: &str) {
        let _ = job.done.send(Err(Error::Unavailable { cause: cause.to_owned() }));
    }
}

/// The rows of each read, in the order of the reads.
async fn read_all(
    connection: &Connection,
    statement: &'static Statement,
    reads: &[Read],
) -> Result<Vec<Vec<Row>>, Failed> {
    let mut found = vec![Vec::new(); reads.len()];
    if statement.set.is_some() {
        let set = Set::new(statement, reads.iter().map(|read| &read.values[..]));
        for (place, row) in set.run(connection).await? {
            if let Some(rows) = found.get_mut(place) {
                rows.push(row);
            }
        }
        return Ok(found);
    }
    // The same read several times over, in one round trip all the same.
    let each = reads.iter().map(|read| {
        let values: Vec<_> =
            read.values.iter().map(|v| v as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        async move { connection.query(statement.sql, &values).await }
    });
    join_all(each).await.into_iter().collect()
}

/// Jobs by their statement.
fn kinds<J>(
    jobs: Vec<J>,
    statement: impl Fn(&J) -> &'static Statement,
) -> Vec<(&'static Statement, Vec<J>)> {
    let mut kinds: Vec<(&'static Statement, Vec<J>)> = Vec::with_capacity(1);
    for job in jobs {
        let of = statement(&job);
        match kinds.iter_mut().find(|(kind, _)| std::ptr::eq(*kind, of)) {
            Some((_, same)) => same.push(job),
            None => kinds.push((of, vec![job])),
        }
    }
    kinds
}

/// Rotations: all of them in one statement, and so in one commit.
pub(super) struct Rotations(pub(super) Arc<Target>);

impl Work for Rotations {
    type Job = Commit;
    const MOST: usize = GROUP_MAX;
    const SURVIVES: Survives = Survives::Crash;

    async fn run(&self, connection: &mut Connection, jobs: &mut Vec<Commit>) -> Result<(), Failed> {
        let statement = |commit: &Commit| commit.batch.first().map(|write| write.statement);
        let known = std::mem::take(jobs).into_iter().filter(|job| statement(job).is_some());
        for (statement, mut commits) in
            kinds(known.collect(), |job| statement(job).unwrap_or(&crate::families::ROTATE))
        {
            // In one order on every node, so that none waits for a row of another that waits for it.
            commits.sort_by(|a, b| key(a).cmp(key(b)));
            self.0.stats.begin(commits.len());
            match rotate(connection, statement, &commits).await {
                Ok(written) => {
                    for (commit, outcome) in commits.into_iter().zip(written) {
                        let _ = commit.done.send(Ok(outcome));
                    }
                }
                Err(failed) => {
                    self.0.stats.fail();
                    for commit in commits {
                        self.refuse(commit, failed.cause());
                    }
                    if matches!(failed, Failed::Broken(_)) {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, job: Commit, cause: &str) {
        refuse(job, cause);
    }
}

fn key(commit: &Commit) -> &[u8] {
    match commit.batch.first().and_then(|write| write.values.first()) {
        Some(Value::Blob(key)) => key,
        _ => &[],
    }
}

async fn rotate(
    connection: &mut Connection,
    statement: &'static Statement,
    commits: &[Commit],
) -> Result<Vec<Outcome>, Failed> {
    connection.prepare(statement.set.unwrap_or(statement.sql)).await?;
    let values = commits.iter().filter_map(|c| c.batch.first()).map(|write| &write.values[..]);
    let set = Set::new(statement, values);
    let mut tries = 0;
    let touched = loop {
        match set.run(connection).await {
            Err(Failed::Rolled(_)) if tries < RETRIES => pause(&mut tries).await,
            result => break result?,
        }
    };
    let mut outcomes = vec![Outcome::Conflict; commits.len()];
    for (place, _) in touched {
        if let Some(outcome) = outcomes.get_mut(place) {
            *outcome = Outcome::Done;
        }
    }
    Ok(outcomes)
}

/// Everything that must be as durable as the cluster can make it: one transaction after another.
pub(super) struct Commits(pub(super) Arc<Target>);

impl Work for Commits {
    type Job = Commit;
    const MOST: usize = 1;
    const SURVIVES: Survives = Survives::Failover;

    async fn run(&self, connection: &mut Connection, jobs: &mut Vec<Commit>) -> Result<(), Failed> {
        for commit in std::mem::take(jobs) {
            self.0.stats.begin(1);
            let mut tries = 0;
            let result = loop {
                match transaction::run(connection, &commit.batch).await {
                    Err(Failed::Rolled(_)) if tries < RETRIES => pause(&mut tries).await,
                    result => break result,
                }
            };
            match result {
                Ok(outcome) => drop(commit.done.send(Ok(outcome))),
                Err(failed) => {
                    self.0.stats.fail();
                    refuse(commit, failed.cause());
                    if matches!(failed, Failed::Broken(_)) {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, job: Commit, cause: &str) {
        refuse(job, cause);
    }
}

/// Before what others were in the way of is tried again.
async fn pause(tries: &mut u32) {
    *tries += 1;
    sleep(Duration::from_millis(1 << *tries)).await;
}

fn refuse(job: Commit, cause: &str) {
    let _ = job.done.send(Err(Error::Unavailable { cause: cause.to_owned() }));
}
