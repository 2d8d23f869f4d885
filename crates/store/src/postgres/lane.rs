//! Lanes: tasks that each own a connection and answer what has queued up.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::Target;
use super::connection::Connection;
use super::queue::Queue;
use super::work::Work;
use crate::OpenError;

/// The longest wait of a lane before it tries to connect again.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The time that PostgreSQL may take beyond its own limit before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(1);

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
        let queue = queue.clone();
        let target = Arc::clone(target);
        if connection.is_some() {
            queue.win();
        }
        let lane = Self { target, queue, work, connection, outage: None };
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
        self.connection = self.open().await.ok();
    }

    /// The connection, while it is used.
    fn take(&mut self) -> Option<Connection> {
        let connection = self.connection.take()?;
        // One may break while nothing is asked, as when the database is restarted.
        if connection.is_closed() {
            self.queue.lose();
            return None;
        }
        Some(connection)
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
            None => self.connection = Some(connection),
            Some(cause) => {
                self.queue.lose();
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
        if self.outage.as_ref().is_none_or(|outage| outage.until <= now())
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
        let opened = Connection::open(&self.target, W::DURABILITY).await;
        match &opened {
            Ok(_) => {
                self.queue.win();
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
        let until = now() + pause;
        self.outage = Some(Outage { cause: error.to_string(), pause, until });
    }

    fn refuse(&self, jobs: &mut Vec<W::Job>, cause: &str) {
        jobs.drain(..).for_each(|job| self.work.refuse(job, cause));
    }
}

/// The moment, for the pauses of this lane alone.
#[expect(clippy::disallowed_methods, reason = "no rule and no row gets to know it")]
fn now() -> Instant {
    Instant::now()
}
