//! The connections through a proxy, and the bytes that flow in them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// The time for which a receiver that does not read can keep a thread from seeing that all has changed.
const WRITING: Duration = Duration::from_millis(20);

/// Far longer than closing takes; a test that fails is better than one that does not end.
const CLOSING: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From client to server.
    Up,
    Down,
}

/// Has the kernel send a reset as soon as the last owner of this stream is gone.
pub(crate) fn reset(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// Resets a stream that nobody takes up any more.
#[expect(clippy::needless_pass_by_value, reason = "what is passed is the owner that goes away")]
fn abandon(stream: Arc<TcpStream>) {
    reset(&stream);
    // Wakes the thread that reads, and sends nothing.
    let _ = stream.shutdown(Shutdown::Read);
}

/// One end of a connection. Threads own its stream only while they use it, so that it closes when
/// it is taken away.
struct End(Mutex<Option<Arc<TcpStream>>>);

impl End {
    fn new(stream: TcpStream) -> Self {
        // A proxy that holds small pieces back would be slower than the network it stands for.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(WRITING));
        Self(Mutex::new(Some(Arc::new(stream))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<TcpStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self) -> Option<Arc<TcpStream>> {
        self.lock().clone()
    }

    fn take(&self) -> Option<Arc<TcpStream>> {
        self.lock().take()
    }
}

pub(crate) struct Pair {
    client: End,
    server: End,
    /// The number of the two directions that have come to their end.
    ended: AtomicU8,
}

impl Pair {
    pub(crate) fn new(client: TcpStream, server: TcpStream) -> Self {
        let ended = AtomicU8::new(0);
        Self { client: End::new(client), server: End::new(server), ended }
    }

    fn ends(&self, direction: Direction) -> (&End, &End) {
        match direction {
            Direction::Up => (&self.client, &self.server),
            Direction::Down => (&self.server, &self.client),
        }
    }

    fn reset(&self) {
        // Both are taken before any thread wakes: it would tell the other end of an orderly end.
        let streams = [self.client.take(), self.server.take()];
        streams.into_iter().flatten().for_each(abandon);
    }
}

pub(crate) struct State {
    pub(crate) to: SocketAddr,
    pub(crate) refuse: bool,
    pub(crate) closed: bool,
    /// The number of bytes from clients that are delivered before a connection is cut.
    pub(crate) budget: Option<u64>,
    /// The number of times that all connections were cut.
    pub(crate) cuts: u64,
    frozen: bool,
    /// The number of threads that hand bytes to the kernel at this moment.
    writing: usize,
    open: Vec<Arc<Pair>>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new(to: SocketAddr) -> Self {
        let state = State {
            to,
            refuse: false,
            closed: false,
            budget: None,
            cuts: 0,
            frozen: false,
            writing: 0,
            open: Vec::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something has changed that makes the condition false.
    fn wait_while(&self, mut condition: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| condition(state));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// False when a cut came between the connection's arrival and now.
    pub(crate) fn open(&self, pair: &Arc<Pair>, cuts: u64) -> bool {
        let mut state = self.lock();
        let wanted = state.cuts == cuts;
        if wanted {
            state.open.push(Arc::clone(pair));
        } else {
            pair.reset();
        }
        wanted
    }

    /// Whether all that was open has been closed.
    pub(crate) fn cut(&self) -> bool {
        let mut state = self.lock();
        state.cuts += 1;
        let cut = state.open.clone();
        // Under the lock, or a thread that has just found its stream there would not wake.
        for pair in &cut {
            pair.reset();
        }
        drop(state);
        self.changed.notify_all();
        let is_cut = |pair: &Arc<Pair>| cut.iter().any(|other| Arc::ptr_eq(pair, other));
        let is_left = |state: &mut State| state.open.iter().any(&is_cut);
        let waited = self.changed.wait_timeout_while(self.lock(), CLOSING, is_left);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(crate) fn freeze(&self, on: bool) {
        self.lock().frozen = on;
        self.changed.notify_all();
        drop(self.wait_while(|state| state.frozen && state.writing > 0));
    }

    /// Carries bytes in one direction until there are no more.
    pub(crate) fn carry(&self, pair: &Arc<Pair>, direction: Direction) {
        let (from, _) = pair.ends(direction);
        let mut buffer = vec![0; 16 * 1024];
        while let Some(stream) = from.stream() {
            let read = (&*stream).read(&mut buffer);
            drop(stream);
            match read {
                Ok(0) => {
                    self.end(pair, direction);
                    break;
                }
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if !self.deliver(pair, direction, bytes) {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => pair.reset(),
            }
        }
        if pair.ended.fetch_add(1, Ordering::AcqRel) == 1 {
            self.lock().open.retain(|other| !Arc::ptr_eq(other, pair));
            self.changed.notify_all();
        }
    }

    /// False when nothing more is to be carried in this direction.
    fn deliver(&self, pair: &Pair, direction: Direction, bytes: &[u8]) -> bool {
        let allowed = self.allowed(direction, bytes.len());
        let mut rest = bytes.get(..allowed.unwrap_or(bytes.len())).unwrap_or_default();
        while !rest.is_empty() {
            match self.write(pair, direction, rest) {
                Some(count) => rest = rest.get(count..).unwrap_or_default(),
                // What a server answers on a connection that was cut is lost. It has to be read
                // nevertheless: a server that cannot send would not do what it was told to.
                None => return direction == Direction::Down,
            }
        }
        if allowed.is_some() {
            pair.client.take().into_iter().for_each(abandon);
            self.end(pair, direction);
        }
        allowed.is_none()
    }

    /// None as long as there is no end in sight, else how many of these bytes are the last.
    fn allowed(&self, direction: Direction, count: usize) -> Option<usize> {
        let mut state = self.lock();
        let budget = state.budget.filter(|_| direction == Direction::Up)?;
        let left = budget.checked_sub(count as u64).filter(|left| *left > 0);
        state.budget = left;
        left.is_none().then(|| usize::try_from(budget).unwrap_or(usize::MAX))
    }

    /// Returns the number of bytes taken; `None` if there is nobody to take them.
    fn write(&self, pair: &Pair, direction: Direction, bytes: &[u8]) -> Option<usize> {
        let (_, to) = pair.ends(direction);
        self.wait_while(|state| state.frozen && to.stream().is_some()).writing += 1;
        let written = to.stream().map(|stream| (&*stream).write(bytes));
        self.lock().writing -= 1;
        self.changed.notify_all();
        match written? {
            Ok(count) => Some(count),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Some(0),
                _ => {
                    pair.reset();
                    None
                }
            },
        }
    }

    /// Passes on that one side sends no more.
    fn end(&self, pair: &Pair, direction: Direction) {
        let (_, to) = pair.ends(direction);
        drop(self.wait_while(|state| state.frozen && to.stream().is_some()));
        if let Some(stream) = to.stream() {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}
