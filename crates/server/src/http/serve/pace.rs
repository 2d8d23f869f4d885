//! Time limits of a connection: for the head of a request, and between two requests.
//!
//! hyper has one limit for both. Here they are two, so that an idle connection outlasts the timeout of a load
//! balancer, which closes it first, while a head that never ends is cut off soon. Requests do not reset the
//! timer: it looks again when the shortest of its limits is over.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::clock::stopwatch;

/// Interval between checks of a connection that has been idle for long.
const AGAIN: Duration = Duration::from_secs(5);

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The time for the head of a request.
    pub(super) head: Duration,
    /// The time between two requests.
    pub(super) idle: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The head of a request is being read.
    Head,
    /// A request is being handled; its body has a limit of its own.
    Busy,
    /// No request is pending.
    Idle,
    /// There is a response, and nothing of it was taken yet.
    Answered,
}

impl Phase {
    const fn of(state: u64) -> Self {
        match state & 3 {
            0 => Self::Head,
            1 => Self::Busy,
            2 => Self::Idle,
            _ => Self::Answered,
        }
    }
}

/// The phase of a connection, and when it began.
#[derive(Debug)]
pub(super) struct Pace {
    began: std::time::Instant,
    /// Milliseconds since the beginning, times four, plus the phase. The time is set only in phases that wait
    /// for the client: the clock is not read for the others.
    state: AtomicU64,
}

impl Pace {
    /// The pace of a new connection, which owes a head.
    pub(super) fn begin() -> Arc<Self> {
        let pace = Self { began: stopwatch(), state: AtomicU64::new(0) };
        pace.enter(Phase::Head);
        Arc::new(pace)
    }

    /// Records that a whole head has been read.
    pub(super) fn request_read(&self) {
        self.state.store(Phase::Busy as u64, Ordering::Relaxed);
    }

    /// Records that the response is on its way.
    pub(super) fn response_ready(&self) {
        self.state.store(Phase::Answered as u64, Ordering::Relaxed);
    }

    fn enter(&self, phase: Phase) {
        self.state.store(self.now(phase), Ordering::Relaxed);
    }

    fn now(&self, phase: Phase) -> u64 {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        (millis << 2) | phase as u64
    }

    fn phase(&self) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        (Phase::of(state), self.began.elapsed().saturating_sub(Duration::from_millis(state >> 2)))
    }

    /// Counts a response of which nothing was taken as idle from now on.
    fn wait_for_taking(&self) {
        let (answered, idle) = (Phase::Answered as u64, self.now(Phase::Idle));
        // If it fails, something moved meanwhile.
        let _ = self.state.compare_exchange(answered, idle, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Resolves when a limit is exceeded. While connections are scarce, idle ones get the shorter limit.
    pub(super) async fn exceeded(
        &self,
        limits: Limits,
        are_scarce: impl Fn() -> bool,
    ) -> &'static str {
        let shortest = limits.head.min(limits.idle);
        loop {
            let (phase, passed) = self.phase();
            let wait = match phase {
                Phase::Head if passed >= limits.head => {
                    return "the head of a request took too long";
                }
                Phase::Idle if passed >= limits.idle => return "idle for too long",
                Phase::Idle if passed >= shortest && are_scarce() => {
                    return "idle, and others wait for its place";
                }
                // Whatever begins from now on has at least this long.
                Phase::Busy => shortest,
                Phase::Answered => {
                    self.wait_for_taking();
                    shortest
                }
                Phase::Head => limits.head.saturating_sub(passed).min(shortest),
                Phase::Idle if passed < shortest => shortest.saturating_sub(passed),
                Phase::Idle => limits.idle.saturating_sub(passed).min(shortest).min(AGAIN),
            };
            sleep(wait + Duration::from_millis(1)).await;
        }
    }
}

/// A stream that records when bytes move on it.
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S> Paced<S> {
    pub(super) const fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }

    /// Enters `phase` after a response: bytes read begin a head, bytes written restart the idle time.
    fn moved(&self, phase: Phase) {
        let now = Phase::of(self.pace.state.load(Ordering::Relaxed));
        if matches!(now, Phase::Idle | Phase::Answered) {
            self.pace.enter(phase);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.moved(Phase::Head);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.moved(Phase::Idle);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.moved(Phase::Idle);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
