//! The log of a process: where its lines go, and that nobody waits for whoever reads them.
//!
//! Lines wait in a bounded queue for a thread that writes them to standard error. Where its reader stands
//! still, the queue fills up; what comes then is dropped and counted, and once lines get through again, one of
//! them says how many were lost. Requests and the end of the process never wait.

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use remint_protocol::{audit, tell};
use remint_server::LOG_LINES_DROPPED;
use remint_server::config::{Config, LogFormat};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The most lines that wait.
const LINES_MAX: usize = 4_096;
/// The most bytes of all lines that wait.
const BYTES_MAX: usize = 4 << 20;
/// The time for which the end of the process waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins the log of this process, as configured. A second call, as in tests, keeps the first.
pub(crate) fn begin(config: &Config) -> Lines {
    let level = config.log.level.as_str().parse().unwrap_or(tracing::Level::INFO);
    let filter = Targets::new().with_default(tracing::Level::WARN).with_targets(
        ["remint", "remint_protocol", "remint_server", "remint_store", audit::TARGET]
            .map(|t| (t, level)),
    );
    let (lines, queue) = Lines::new();
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || queue.clone())
        // Where a line cannot be written, the complaint about it cannot either, and would panic.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let _ = match config.log.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
    // The default one writes to standard error by itself, and may wait forever.
    std::panic::set_hook(Box::new(|panic| {
        // A message that was made for the occasion may quote what a request had in it.
        let message = panic.payload().downcast_ref::<&'static str>();
        let place = panic.location().map(ToString::to_string);
        tell!(SERVER_PANICKED, place, message);
    }));
    lines
}

enum Job {
    Line(Vec<u8>),
    /// Answered when all lines before it are written.
    Flush(Sender<()>),
}

/// Whoever has this sees to it that the last lines are written.
pub(crate) struct Lines {
    jobs: Sender<Job>,
}

impl Lines {
    fn new() -> (Self, Queue) {
        // A bounded channel would have the memory for all its places from the start on.
        let (jobs, lines) = channel();
        let waiting = Arc::<Waiting>::default();
        let queue = Queue { jobs: jobs.clone(), waiting: Arc::clone(&waiting) };
        thread::spawn(move || write_all(&lines, &waiting));
        (Self { jobs }, queue)
    }
}

impl Drop for Lines {
    /// Waits until the last line is written, as long as that is worth it.
    fn drop(&mut self) {
        let (written, is_written) = channel();
        let _ = self.jobs.send(Job::Flush(written));
        let _ = is_written.recv_timeout(PATIENCE);
    }
}

/// The lines that wait, counted.
#[derive(Default)]
struct Waiting {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// Whether there is room for a line, which it has from now on.
    fn takes(&self, line: &[u8]) -> bool {
        let lines = self.lines.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(line.len(), Ordering::Relaxed) + line.len();
        let has_room = lines <= LINES_MAX && bytes <= BYTES_MAX;
        if !has_room {
            self.gives_back(line);
        }
        has_room
    }

    fn gives_back(&self, line: &[u8]) {
        self.lines.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

thread_local! {
    /// Whether this is the thread that writes: what it has to say is written at once.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

fn write_all(jobs: &Receiver<Job>, waiting: &Waiting) {
    WRITES.set(true);
    let mut told = LOG_LINES_DROPPED.load(Ordering::Relaxed);
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Line(line) => {
                // A reader that went away is no reason to end, and not one to tell it yet.
                let is_written = io::stderr().write_all(&line).is_ok();
                waiting.gives_back(&line);
                if !is_written {
                    LOG_LINES_DROPPED.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
            }
            Job::Flush(written) => {
                let _ = written.send(());
                continue;
            }
        }
        let dropped = LOG_LINES_DROPPED.load(Ordering::Relaxed);
        if dropped > told {
            tell!(LOG_DROPPED, count = dropped - told);
            told = dropped;
        }
    }
}

/// Takes a line from whichever thread has one.
#[derive(Clone)]
struct Queue {
    jobs: Sender<Job>,
    waiting: Arc<Waiting>,
}

impl Queue {
    fn put(&self, line: &[u8]) -> bool {
        self.waiting.takes(line) && self.jobs.send(Job::Line(line.to_vec())).is_ok()
    }
}

impl Write for Queue {
    /// A whole line, as the layer writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if WRITES.get() {
            io::stderr().write_all(line)?;
        } else if !self.put(line) {
            LOG_LINES_DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
