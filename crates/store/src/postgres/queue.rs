//! The queue of jobs that wait for lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::yield_now;
use tokio::time::sleep;

/// The most requests that may wait; further ones are refused at once.
const QUEUE_MAX: usize = 16_384;
/// As many do not wait for another group to be answered.
const GROUP_ENOUGH: usize = 32;
/// The longest wait of a group for another one to be answered.
const LANE_PATIENCE: Duration = Duration::from_millis(5);

/// The jobs that wait for any of several lanes.
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

impl<J> Clone for Queue<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
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
    pub(super) async fn gather(&self, jobs: &mut Vec<J>, most: usize) -> bool {
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

    /// Whether a lane has a connection, and more may be asked of it.
    pub(super) fn is_served(&self) -> bool {
        self.0.connected.load(Ordering::Acquire) > 0 && self.0.sender.strong_count() > 0
    }

    /// A lane has a connection.
    pub(super) fn win(&self) {
        self.0.connected.fetch_add(1, Ordering::AcqRel);
    }

    /// A lane has none any more.
    pub(super) fn lose(&self) {
        self.0.connected.fetch_sub(1, Ordering::AcqRel);
    }

    /// Leaves a job to the other lanes; gives it back where it cannot be.
    pub(super) fn put_back(&self, job: J) -> Result<(), J> {
        let Some(sender) = self.0.sender.upgrade() else { return Err(job) };
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Closed(job) => job,
        })
    }

    /// A lane has its answer.
    pub(super) fn leave(&self) {
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
