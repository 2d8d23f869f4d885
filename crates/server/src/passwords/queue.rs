//! The queue for the checking of passwords: first come, first served, and when there is no place left,
//! whoever has the better claim gets one.
//!
//! An account at a browser or a source that it knows comes before one that it does not know, and a source
//! with few places before one with many. So neither a flood from one network nor one at names from
//! everywhere keeps people out who have been here before.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remint_protocol::throttle::{Bucket, BucketKey, Network};
use tokio::sync::oneshot;

/// The party whose password is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    /// The widest network of where it comes from; `None` for who has proven who they are.
    source: Option<BucketKey>,
    is_known: bool,
}

impl Who {
    /// Somebody who has proven who they are already.
    pub(crate) const KNOWN: Self = Self { source: None, is_known: true };

    /// Somebody at a source, and whether the account is known to sign in there.
    pub(crate) fn at(source: IpAddr, is_known: bool) -> Self {
        let bucket = Network::around(source).last().map_or(Bucket::Source(source), Bucket::Network);
        Self { source: Some(bucket.key()), is_known }
    }
}

/// Those who wait, and those whose password is being checked.
#[derive(Debug)]
pub(super) struct Queue {
    workers: usize,
    capacity: usize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Vec<Waiter>,
    running: usize,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    who: Who,
    /// The receiver of the turn. Dropped, it says that the place went to somebody else.
    turn: oneshot::Sender<Running>,
    /// Whether all that comes before the check is done.
    is_ready: bool,
}

/// A place in the queue; given up when it is dropped.
pub(super) struct Place {
    queue: Arc<Queue>,
    number: u64,
    turn: oneshot::Receiver<Running>,
}

/// A worker that is busy until this is dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<Queue>);

impl Queue {
    pub(super) fn new(workers: usize, capacity: usize) -> Self {
        Self { workers, capacity, line: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of checks that are running or waiting.
    pub(super) fn busy(&self) -> usize {
        let line = self.lock();
        line.running + line.waiting.len()
    }

    /// Takes a place; `None` when nobody who waits has a worse claim.
    pub(super) fn place(self: &Arc<Self>, who: Who) -> Option<Place> {
        let mut line = self.lock();
        if line.running + line.waiting.len() >= self.capacity {
            let loser = line.loser(who)?;
            line.waiting.remove(loser);
        }
        let (sender, turn) = oneshot::channel();
        let number = line.next;
        line.next += 1;
        line.waiting.push(Waiter { number, who, turn: sender, is_ready: false });
        Some(Place { queue: Arc::clone(self), number, turn })
    }

    /// Gives free workers to whoever is next.
    fn go_on(self: &Arc<Self>) {
        loop {
            let next = {
                let mut line = self.lock();
                let first = line.waiting.iter().position(|waiter| waiter.is_ready);
                let Some(first) = first.filter(|_| line.running < self.workers) else { return };
                line.running += 1;
                line.waiting.remove(first)
            };
            // Not under the lock: who has gone meanwhile drops it, and the worker is free again.
            drop(next.turn.send(Running(Arc::clone(self))));
        }
    }
}

impl Line {
    /// Finds whose place goes to `who`: the newest of those with the worst claim.
    fn loser(&self, who: Who) -> Option<usize> {
        let places = |of: Who| self.waiting.iter().filter(|waiter| waiter.who == of).count();
        let claim = |of: Who| (of.is_known, std::cmp::Reverse(places(of)));
        let waiting = self.waiting.iter().enumerate().rev();
        let (loser, waiter) = waiting.min_by_key(|(_, waiter)| claim(waiter.who))?;
        // As many as the one who loses would have left is no better claim.
        let own = (who.is_known, std::cmp::Reverse(places(who) + 1));
        (claim(waiter.who) < own).then_some(loser)
    }
}

impl Place {
    /// Waits for a worker; `None` when the place went to somebody else.
    pub(super) async fn turn(mut self) -> Option<Running> {
        {
            let mut line = self.queue.lock();
            let own = line.waiting.iter_mut().find(|waiter| waiter.number == self.number)?;
            own.is_ready = true;
        }
        self.queue.go_on();
        (&mut self.turn).await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().waiting.retain(|waiter| waiter.number != self.number);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.go_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: &str, is_known: bool) -> Who {
        Who::at(ip.parse().unwrap(), is_known)
    }

    fn full(who: &[Who]) -> (Arc<Queue>, Vec<Place>) {
        let queue = Arc::new(Queue::new(0, who.len()));
        let places = who.iter().map(|who| queue.place(*who).unwrap()).collect();
        (queue, places)
    }

    /// Whether a place is still one; looked at without waiting.
    fn holds(place: &mut Place) -> bool {
        !matches!(place.turn.try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }

    #[test]
    fn a_flood_from_one_network_leaves_places_to_others() {
        let flood: Vec<_> = (0..8).map(|i| at(&format!("2001:db8:0:{i}::1"), false)).collect();
        let (queue, mut places) = full(&flood);
        assert!(queue.place(at("2001:db8::9", false)).is_none(), "its own /48 has enough");
        let one = queue.place(at("192.0.2.1", false));
        assert!(one.is_some(), "one from elsewhere gets in");
        assert!(!holds(&mut places[7]) && holds(&mut places[6]), "for the newest of the flood");
        assert_eq!(queue.busy(), 8);
        let more: Vec<_> = (0..8).map_while(|_| queue.place(at("192.0.2.1", false))).collect();
        assert_eq!(more.len(), 3, "until both have the same");
    }

    #[test]
    fn who_is_known_comes_before_who_is_not_wherever_those_come_from() {
        let flood: Vec<_> = (0..8).map(|i| at(&format!("192.0.{i}.1"), false)).collect();
        let (queue, _places) = full(&flood);
        assert!(queue.place(at("198.51.100.1", false)).is_none(), "each of them has one");
        let known: Vec<_> = (0..9).map_while(|_| queue.place(at("198.51.100.1", true))).collect();
        assert_eq!(known.len(), 8, "all places, if need be");
    }

    #[tokio::test]
    async fn whoever_is_ready_goes_first_come_first_served_and_who_left_is_passed_over() {
        let queue = Arc::new(Queue::new(1, 9));
        let busy = queue.place(Who::KNOWN).unwrap().turn().await.unwrap();
        let not_ready = queue.place(Who::KNOWN).unwrap();
        let (left, next) = (queue.place(Who::KNOWN).unwrap(), queue.place(Who::KNOWN).unwrap());
        let left = tokio::spawn(left.turn());
        tokio::task::yield_now().await;
        left.abort();
        assert!(left.await.is_err());
        let next = tokio::spawn(next.turn());
        tokio::task::yield_now().await;
        assert_eq!(queue.busy(), 3);
        drop(busy);
        let next = next.await.unwrap();
        assert!(next.is_some());
        drop(next);
        assert!(not_ready.turn().await.is_some());
        assert_eq!(queue.busy(), 0);
    }
}
