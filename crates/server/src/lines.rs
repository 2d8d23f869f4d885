//! Lines for a stream whose reader may stand still.
//!
//! Whoever has a line leaves it in a bounded queue and goes on; a thread of its own writes. Where the queue is
//! full the line is dropped and counted, and when lines get through again one of them says how many were lost.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use remint_protocol::tell;

/// How many bytes may wait: some thousands of lines.
const ROOM: usize = 1024 * 1024;

/// The lines that this process lost, for the metrics: a process has one log.
pub(crate) static DROPPED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread is the one that writes: its own lines pass the queue by.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// Takes lines, one with each call of [`Write::write`], and never waits for their reader.
#[derive(Clone, Debug)]
pub struct Lines {
    shared: Arc<Shared>,
    stream: fn() -> Box<dyn Write>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when there is something to write, and when everything is written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
    /// Lost since the last line that said so.
    lost: u64,
}

impl Queue {
    fn is_done(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }

    fn lose(&mut self) {
        self.lost += 1;
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole between any two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next line.
    fn next(&self) -> Vec<u8> {
        let waited = self.changed.wait_while(self.queue(), |queue| queue.lines.is_empty());
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        let line = queue.lines.pop_front().unwrap_or_default();
        queue.bytes -= line.len();
        queue.is_writing = true;
        line
    }

    /// Gives the number of lost lines when it is time to tell it: behind the last line that was not lost, or now
    /// and then where there are always more.
    fn written(&self, is_written: bool, since_told: u64) -> Option<u64> {
        const OFTEN: u64 = 1000;
        let mut queue = self.queue();
        if !is_written {
            queue.lose();
        }
        let is_time = is_written && (queue.lines.is_empty() || since_told >= OFTEN);
        let lost = if is_time { std::mem::take(&mut queue.lost) } else { 0 };
        (lost > 0).then_some(lost)
    }

    fn rest(&self) {
        self.queue().is_writing = false;
        self.changed.notify_all();
    }
}

impl Lines {
    /// Starts the thread that writes to `stream`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(stream: fn() -> Box<dyn Write>) -> io::Result<Self> {
        let lines = Self { shared: Arc::default(), stream };
        let writer = lines.clone();
        thread::Builder::new().name("log".into()).spawn(move || writer.write_all_that_comes())?;
        Ok(lines)
    }

    fn write_all_that_comes(&self) {
        IS_WRITER.set(true);
        let mut since_told = 0;
        loop {
            let line = self.shared.next();
            let mut stream = (self.stream)();
            let is_written = stream.write_all(&line).and_then(|()| stream.flush()).is_ok();
            since_told += 1;
            if let Some(count) = self.shared.written(is_written, since_told) {
                since_told = 0;
                tell!(LOG_DROPPED, count);
            }
            self.shared.rest();
        }
    }

    /// Waits until everything is written, but no longer than `most`.
    pub fn settle(&self, most: Duration) {
        let busy = |queue: &mut Queue| !queue.is_done();
        drop(self.shared.changed.wait_timeout_while(self.shared.queue(), most, busy));
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if IS_WRITER.get() {
            (self.stream)().write_all(line)?;
            return Ok(line.len());
        }
        let mut queue = self.shared.queue();
        if queue.bytes + line.len() > ROOM {
            queue.lose();
        } else {
            queue.bytes += line.len();
            queue.lines.push_back(line.to_vec());
        }
        drop(queue);
        self.shared.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that takes nothing.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A stream whose reader stands still.
    struct Stalled;

    impl Write for Stalled {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_counts_as_lost() {
        let mut lines = Lines::start(|| Box::new(Full)).unwrap();
        for _ in 0..3 {
            lines.write_all(b"line\n").unwrap();
        }
        lines.settle(Duration::from_mins(1));
        assert_eq!(lines.shared.queue().lost, 3);
    }

    #[test]
    fn lines_that_nobody_reads_take_no_more_room_than_there_is() {
        let mut lines = Lines::start(|| Box::new(Stalled)).unwrap();
        let line = [b'x'; 1024];
        for _ in 0..3000 {
            lines.write_all(&line).unwrap();
        }
        lines.settle(Duration::from_millis(1));
        let queue = lines.shared.queue();
        assert!(queue.bytes <= ROOM);
        // One may be with the writer.
        let kept = ROOM as u64 / 1024;
        assert!((2999 - kept..=3000 - kept).contains(&queue.lost), "{}", queue.lost);
    }
}
