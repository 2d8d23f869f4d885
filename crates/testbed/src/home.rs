//! A temporary directory and the small shell that runs everything in it. The shell outlives this
//! process just as long as it takes to stop the server and to remove the directory.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::installation::Servant;

const WATCHDOG: &str = include_str!("watchdog.sh");

const MEMORY: &str = "/dev/shm";

/// The memory that must be free before servers are put there. Containers often have little.
const ENOUGH: u64 = 4 << 30;

/// A directory for data that may be lost: in memory if there is plenty, as the hundreds of files of
/// a new database take several times as long on a disk.
pub(crate) fn fast_directory() -> PathBuf {
    let free = rustix::fs::statvfs(MEMORY).map_or(0, |it| it.f_bavail.saturating_mul(it.f_frsize));
    if env::var_os("TMPDIR").is_none() && free >= ENOUGH {
        PathBuf::from(MEMORY)
    } else {
        env::temp_dir()
    }
}

pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    watchdog: Mutex<Watchdog>,
}

struct Watchdog {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Home {
    pub(crate) fn new(parent: &Path) -> Self {
        // A process group of its own, so that Ctrl-C in a terminal reaches the tests alone.
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(parent)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("the shell's output"));
        let mut watchdog = Watchdog { child, input, output };
        let dir = PathBuf::from(watchdog.answer());
        assert!(dir.is_absolute(), "no directory can be made in {}", parent.display());
        if let Some(servant) = Servant::needed() {
            chown(&dir, Some(servant.uid), Some(servant.gid)).expect("root may give directories");
        }
        Self { dir, watchdog: Mutex::new(watchdog) }
    }

    /// On the same file system as this one.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.dir.parent().expect("the directory that temporary ones are made in"))
    }

    pub(crate) fn data(&self) -> String {
        self.dir.join("data").to_str().expect("a path that is text").to_owned()
    }

    /// Runs a program as the user that servers run as, and panics when it fails.
    pub(crate) fn run(&self, words: &[&str]) {
        let status = self.line(&quoted(&unprivileged(words)));
        assert!(status == "0", "{words:?} ended with status {status}. Its log:\n{}", self.log());
    }

    pub(crate) fn start_server(&self, words: &[&str]) {
        self.line(&format!("start {}", quoted(&unprivileged(words))));
    }

    pub(crate) fn server_is_alive(&self) -> bool {
        self.line("alive") == "0"
    }

    pub(crate) fn signal_server(&self, signal: &str) {
        self.line(&format!("signal {signal}"));
    }

    /// The last 30 lines that the server and the programs before it have written.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.dir.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    fn line(&self, line: &str) -> String {
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        let input = watchdog.input.as_mut().expect("open until this is dropped");
        writeln!(input, "{line}").expect("the shell that watches the server is alive");
        watchdog.answer()
    }
}

impl Watchdog {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("an answer of the shell");
        assert!(line.ends_with('\n'), "the shell that watches the server has ended by itself");
        line.trim_end().to_owned()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let watchdog = self.watchdog.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(watchdog.input.take());
        let _ = watchdog.child.wait();
    }
}

fn unprivileged(words: &[&str]) -> Vec<String> {
    let prefix = Servant::needed().map(Servant::prefix);
    let words = words.iter().map(|word| (*word).to_owned());
    prefix.into_iter().flatten().chain(words).collect()
}

fn quoted(words: &[String]) -> String {
    let quote = |word: &String| {
        assert!(!word.contains('\n'), "one line is one command, and {word:?} has several");
        format!("'{}'", word.replace('\'', r"'\''"))
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;

    #[test]
    fn a_server_that_has_ended_is_forgotten_and_gets_no_signal() {
        let home = Home::new(&env::temp_dir());
        assert!(!home.server_is_alive());
        home.start_server(&["sleep", "600"]);
        assert!(home.server_is_alive() && home.line("signal TERM") == "0");
        assert!(eventually(|| !home.server_is_alive()));
        assert_eq!(home.line("[ -z \"$server\" ]"), "0", "its number may be another's now");
        assert_ne!(home.line("signal TERM"), "0");
        home.start_server(&["sleep", "600"]);
        assert!(home.server_is_alive());
        home.signal_server("KILL");
        assert!(eventually(|| !home.server_is_alive()));
    }
}
