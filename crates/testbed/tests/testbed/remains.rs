//! Nothing remains of a process that started servers.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, stdin};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use remint_testbed::{is_available, postgres};
use rustix::process::{Pid, Signal, kill_process_group};

const VICTIM: &str = "REMINT_TESTBED_VICTIM";
const READY: &str = "the victim is ready";

fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    (0..6000).any(|_| is_so() || (thread::sleep(Duration::from_millis(10)), false).1)
}

/// This test again, in a process of its own that starts a server in this directory.
fn victim(dir: &Path, test: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("remains::{test}")])
        .env(VICTIM, "1")
        .env("TMPDIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap()
}

/// Starts a server, says so, and waits. True in the victim.
fn is_victim() -> bool {
    if env::var_os(VICTIM).is_none() {
        return false;
    }
    postgres().unwrap().execute("postgres", "CREATE TABLE t (n int)");
    println!("\n{READY}");
    stdin().read_line(&mut String::new()).unwrap();
    true
}

/// The output has to stay open for as long as the victim writes to it.
fn wait_until_ready(child: &mut Child) -> impl Sized + use<> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line == READY));
    lines
}

/// How many processes of servers work in this directory.
fn servers_in(dir: &Path) -> usize {
    let is_there = |entry: &fs::DirEntry| {
        fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    };
    fs::read_dir("/proc").unwrap().filter(|entry| entry.as_ref().is_ok_and(is_there)).count()
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

/// A directory that the user of the servers can reach.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// The whole group gets the signal, as it does from a terminal.
fn ends_by(signal: Signal, test: &str) {
    if is_victim() || !is_available() {
        return;
    }
    let dir = directory();
    let mut child = victim(dir.path(), test);
    let _output = wait_until_ready(&mut child);
    assert!(servers_in(dir.path()) > 3);
    kill_process_group(Pid::from_child(&child), signal).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
    assert!(eventually(|| is_empty(dir.path())));
    assert_eq!(servers_in(dir.path()), 0);
}

#[test]
fn nothing_remains_of_a_process_that_was_killed() {
    ends_by(Signal::KILL, "nothing_remains_of_a_process_that_was_killed");
}

#[test]
fn nothing_remains_of_a_process_that_was_interrupted() {
    ends_by(Signal::INT, "nothing_remains_of_a_process_that_was_interrupted");
}

#[test]
fn nothing_remains_of_a_process_that_came_to_its_end() {
    if is_victim() || !is_available() {
        return;
    }
    let dir = directory();
    let mut child = victim(dir.path(), "nothing_remains_of_a_process_that_came_to_its_end");
    let _output = wait_until_ready(&mut child);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(eventually(|| is_empty(dir.path())));
    assert_eq!(servers_in(dir.path()), 0);
}

#[test]
fn nothing_remains_of_a_process_that_was_killed_before_its_server_ran() {
    if is_victim() || !is_available() {
        return;
    }
    let dir = directory();
    let test = "nothing_remains_of_a_process_that_was_killed_before_its_server_ran";
    let mut child = victim(dir.path(), test);
    let has_data = |home: fs::DirEntry| home.path().join("data/base").exists();
    let homes = || fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
    assert!(eventually(|| homes().any(has_data)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(eventually(|| is_empty(dir.path())));
    assert_eq!(servers_in(dir.path()), 0);
}
