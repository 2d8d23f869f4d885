//! Several who do something at the same moment.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread::scope;

/// Does the same from several threads at the same moment, each with a number of its own, and gives what each gave.
pub fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    let (barrier, act) = (&barrier, &act);
    let wait_and_act = |number: usize| {
        move || {
            barrier.wait();
            act(number)
        }
    };
    scope(|scope| {
        let all: Vec<_> = (0..count).map(|number| scope.spawn(wait_and_act(number))).collect();
        all.into_iter().map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
