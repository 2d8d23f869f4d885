//! Checkpoints: the write-ahead log is folded into the database off the writer's path.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::files::Files;
use super::readers::Readers;
use super::{SNAPSHOT_MAX, leave_others_alone, rescue};

/// The length of the log, in pages, at which it is folded into the database.
const CHECKPOINT_PAGES: u32 = 4_096;

/// Folds the write-ahead log into the database beside the writer.
///
/// The thread copies most pages while commits go on. The few that arrived meanwhile are copied by
/// the writer between two commits; only then can the log start over from its beginning.
pub(super) struct Checkpoint {
    start: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    is_running: bool,
    is_copied: Arc<AtomicBool>,
    /// Their snapshots would keep the log from starting over.
    readers: Arc<Readers>,
    /// Pages in the log after the writer's last commit.
    log_pages: Arc<AtomicU32>,
}

impl Checkpoint {
    pub(super) fn start(
        db: Connection,
        readers: Arc<Readers>,
        files: Arc<Files>,
        log_pages: Arc<AtomicU32>,
    ) -> std::io::Result<Self> {
        let (start, starts) = mpsc::channel();
        let is_copied = Arc::new(AtomicBool::new(false));
        let copied = Arc::clone(&is_copied);
        let idle = Arc::clone(&readers);
        let run = move || {
            loop {
                let start = starts.recv_timeout(SNAPSHOT_MAX);
                if start != Err(mpsc::RecvTimeoutError::Disconnected) {
                    idle.end_snapshots();
                }
                let are_there = files.check(|| rescue(&db)).is_ok();
                match start {
                    Err(mpsc::RecvTimeoutError::Timeout) => files.settle(),
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        if !are_there {
                            leave_others_alone(&db);
                        }
                        return;
                    }
                    Ok(()) => {
                        if are_there {
                            fold_log(&db);
                        }
                        copied.store(true, Ordering::Release);
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-checkpoint".into()).spawn(run)?;
        Ok(Self {
            start: Some(start),
            thread: Some(thread),
            is_running: false,
            is_copied,
            readers,
            log_pages,
        })
    }

    pub(super) fn after_commit(&mut self, db: &Connection) {
        if self.is_running {
            if self.is_copied.swap(false, Ordering::Acquire) {
                self.is_running = false;
                self.readers.end_snapshots();
                fold_log(db);
            }
        } else if self.log_pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            self.is_running = self.start.as_ref().is_some_and(|start| start.send(()).is_ok());
        }
    }

    pub(super) fn stop(&mut self) {
        self.start = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn fold_log(db: &Connection) {
    if let Err(error) = db.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
        tracing::warn!(%error, "a checkpoint failed; the write-ahead log grows until one succeeds");
    }
}
