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

/// A reading of the clock and of every counter.
pub(crate) struct Sample {
    at: Instant,
    server: f64,
    driver: f64,
    busy: f64,
    stolen: f64,
    written: Option<u64>,
}

/// What was spent between two samples.
pub(crate) struct Spent {
    pub(crate) server_seconds: f64,
    /// Shares of one core.
    pub(crate) driver_cores: f64,
    /// All that was neither driver nor server, the kernel's own threads included.
    pub(crate) other_cores: f64,
    /// What the hypervisor gave to others.
    pub(crate) stolen_cores: f64,
    /// Bytes that the server had written to storage; unknown where the kernel hides it.
    pub(crate) written: Option<u64>,
}

impl Sample {
    /// Reads everything about the machine, this process and the server's.
    pub(crate) fn take(server: u32) -> Result<Self> {
        let (busy, stolen) = machine()?;
        Ok(Self {
            at: now(),
            server: process(&server.to_string())?,
            driver: process("self")?,
            busy,
            stolen,
            written: written(server),
        })
    }

    /// From this sample until the later one.
    pub(crate) fn until(&self, later: &Self) -> Spent {
        let wall = later.at.duration_since(self.at).as_secs_f64().max(1e-9);
        let server_seconds = later.server - self.server;
        let driver = later.driver - self.driver;
        let other = later.busy - self.busy - server_seconds - driver;
        Spent {
            server_seconds,
            driver_cores: driver / wall,
            other_cores: (other / wall).max(0.0),
            stolen_cores: (later.stolen - self.stolen) / wall,
            written: later.written.zip(self.written).map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// CPU seconds of a process with all its threads, in user mode and in the kernel.
fn process(pid: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name in parentheses may hold spaces. utime and stime are the 12th and 13th after it.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times: Vec<u64> =
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    anyhow::ensure!(times.len() == 2, "{path} has another form than expected");
    Ok(float(times.iter().sum()) / TICKS_PER_SECOND)
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
