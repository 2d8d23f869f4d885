//! What the processes and the machine spent, read from /proc.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::now;
use crate::stats::float;

/// The unit of CPU times in /proc, which Linux keeps at 1/100 s whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of a process, in bytes.
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

/// Reads what `ps` calls the resident set, and the most that it ever was.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).context(path)?;
    let kibibytes = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok().map(|value| value * 1024)
    };
    Ok(Memory {
        resident: kibibytes("VmRSS:").context("no VmRSS")?,
        peak: kibibytes("VmHWM:").context("no VmHWM")?,
    })
}

/// Whose time is read.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    pub(crate) servers: Vec<u32>,
    /// The process that all of PostgreSQL's descend from.
    pub(crate) postmaster: Option<u32>,
    /// What loads the servers; without one it is this process.
    pub(crate) driver: Option<u32>,
}

/// A reading of the clock and of every counter.
pub(crate) struct Sample {
    at: Instant,
    servers: f64,
    postgres: f64,
    driver: f64,
    busy: f64,
    stolen: f64,
    written: Option<u64>,
}

/// What was spent between two samples.
pub(crate) struct Spent {
    pub(crate) server_seconds: f64,
    pub(crate) postgres_seconds: f64,
    /// Shares of one core.
    pub(crate) driver_cores: f64,
    /// All that was neither driver nor server nor database, the kernel's own threads included.
    pub(crate) other_cores: f64,
    /// What the hypervisor gave to others.
    pub(crate) stolen_cores: f64,
    /// Bytes that the servers had written to storage; unknown where the kernel hides it.
    pub(crate) written: Option<u64>,
}

impl Sample {
    /// Reads everything about the machine and these processes.
    pub(crate) fn take(watched: &Watched) -> Result<Self> {
        let (busy, stolen) = machine()?;
        let servers = watched.servers.iter().map(|server| process(&server.to_string()));
        let driver = watched.driver.map_or_else(|| "self".to_owned(), |driver| driver.to_string());
        Ok(Self {
            at: now(),
            servers: servers.sum::<Result<f64>>()?,
            postgres: watched.postmaster.map_or(Ok(0.0), with_children)?,
            driver: process(&driver)?,
            busy,
            stolen,
            written: watched.servers.iter().map(|server| written(*server)).sum(),
        })
    }

    /// From this sample until the later one.
    pub(crate) fn until(&self, later: &Self) -> Spent {
        let wall = later.at.duration_since(self.at).as_secs_f64().max(1e-9);
        let server_seconds = later.servers - self.servers;
        let postgres_seconds = later.postgres - self.postgres;
        let driver = later.driver - self.driver;
        let other = later.busy - self.busy - server_seconds - postgres_seconds - driver;
        Spent {
            server_seconds,
            postgres_seconds,
            driver_cores: driver / wall,
            other_cores: (other / wall).max(0.0),
            stolen_cores: (later.stolen - self.stolen) / wall,
            written: later.written.zip(self.written).map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// CPU seconds of a process with all its threads, in user mode and in the kernel.
fn process(pid: &str) -> Result<f64> {
    Ok(Stat::read(pid)?.own)
}

/// The same of a process and of all that it started, those that have ended included.
fn with_children(pid: u32) -> Result<f64> {
    let parent = Stat::read(&pid.to_string())?;
    let children = fs::read_dir("/proc").context("/proc")?.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.parse::<u32>().ok()?;
        // One that ends meanwhile is left out.
        Stat::read(&name).ok().filter(|child| child.parent == pid)
    });
    Ok(parent.own + parent.reaped + children.map(|child| child.own).sum::<f64>())
}

/// What /proc tells of a process.
struct Stat {
    parent: u32,
    /// CPU seconds in user mode and in the kernel.
    own: f64,
    /// The same of children that have ended.
    reaped: f64,
}

impl Stat {
    fn read(pid: &str) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        // The name in parentheses may hold spaces, so fields are counted from behind it: ppid is the
        // second there, utime, stime, cutime and cstime are the 12th to the 15th.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        let seconds = |at| Some(f64::from(number(at)?) / TICKS_PER_SECOND);
        let parsed = || {
            Some(Self {
                parent: number(1)?,
                own: seconds(11)? + seconds(12)?,
                reaped: seconds(13)? + seconds(14)?,
            })
        };
        parsed().with_context(|| format!("{path} has another form than expected"))
    }
}

/// CPU seconds that all cores were busy, and that the hypervisor took.
fn machine() -> Result<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let seconds = |at: usize| float(fields.get(at).copied().unwrap_or(0)) / TICKS_PER_SECOND;
    // user, nice, system, then idle and iowait, then irq and softirq, then steal
    let busy = [0, 1, 2, 5, 6].into_iter().map(seconds).sum();
    Ok((busy, seconds(7)))
}

fn written(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.trim().parse().ok())
}
