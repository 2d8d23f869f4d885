//! Kills a process together with everything that it started.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::eventually;

/// Returns when none of them is left.
pub(crate) fn kill_with_descendants(pid: i32) {
    // Standing still, it can neither start another process nor see one end.
    send(pid, Signal::STOP);
    let mut all = vec![pid];
    let living: Vec<_> = living().collect();
    let mut next = 0;
    while let Some(&parent) = all.get(next) {
        all.extend(living.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    for pid in &all {
        send(*pid, Signal::KILL);
    }
    assert!(eventually(|| all.iter().all(|pid| parent(*pid).is_none())), "{all:?} do not die");
}

fn send(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a process id");
    let _ = kill_process(pid, signal);
}

fn living() -> impl Iterator<Item = (i32, i32)> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some((pid, parent(pid)?))
    })
}

/// The parent of a process that is alive; one that has ended and only awaits its parent is not.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut words = after_name.split_whitespace();
    let state = words.next()?;
    (state != "Z" && state != "X").then(|| words.next()?.parse().ok())?
}
