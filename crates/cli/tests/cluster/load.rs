//! Many clients at once, while something happens.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::nodes::Nodes;

/// Somebody who does the same again and again.
pub(crate) trait Busy: Send {
    fn step(&mut self);
}

/// How far everybody is.
pub(crate) struct Load<'n> {
    nodes: &'n Nodes,
    steps: Vec<AtomicU32>,
    over: AtomicBool,
}

impl Load<'_> {
    /// Waits until everybody has done this much more. Panics when somebody failed.
    pub(crate) fn wait_for(&self, steps: u32) {
        let seen = || self.steps.iter().map(|steps| steps.load(Ordering::Acquire));
        let wanted: Vec<_> = seen().map(|now| now + steps).collect();
        for _ in 0..12_000 {
            self.nodes.check();
            if seen().zip(&wanted).all(|(now, wanted)| now >= *wanted) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("not everybody gets on: {:?} of {wanted:?}", seen().collect::<Vec<_>>());
    }

    /// What somebody does who is told to go on as long as this lasts.
    fn keep_busy(&self, somebody: &mut dyn Busy, steps: &AtomicU32) {
        while !self.over.load(Ordering::Acquire) {
            somebody.step();
            steps.fetch_add(1, Ordering::Release);
        }
    }

    /// Does something; if it fails nobody need go on.
    fn or_give_up<T>(&self, happens: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(happens)).unwrap_or_else(|panic| {
            self.nodes.give_up();
            resume_unwind(panic)
        })
    }
}

/// Lets everybody be busy while something happens, and gives what that gave.
pub(crate) fn while_busy<T>(
    nodes: &Nodes,
    everybody: &mut [&mut dyn Busy],
    happens: impl FnOnce(&Load<'_>) -> T,
) -> T {
    let steps = everybody.iter().map(|_| AtomicU32::new(0)).collect();
    let load = Load { nodes, steps, over: AtomicBool::new(false) };
    scope(|scope| {
        for (somebody, steps) in everybody.iter_mut().zip(&load.steps) {
            let load = &load;
            scope.spawn(move || load.or_give_up(|| load.keep_busy(*somebody, steps)));
        }
        let happened = load.or_give_up(|| happens(&load));
        load.over.store(true, Ordering::Release);
        happened
    })
}
