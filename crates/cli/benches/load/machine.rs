//! One line about the machine, without which no figure means anything.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process::Cores;

/// Cores, processor, kernel and the filesystem under `path`.
pub(crate) fn describe(path: &Path, cores: Option<Cores>) -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let pinned = match cores {
        Some(cores) => format!("server on core {}, driver on core {}", cores.server, cores.driver),
        None => "server and driver share it".to_owned(),
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("kernel release")?;
    Ok(format!(
        "{count} core(s) ({pinned}), {}, Linux {}, {}",
        model(&processors).unwrap_or("unknown processor"),
        kernel.trim(),
        filesystem(path).unwrap_or_else(|| "unknown filesystem".to_owned()),
    ))
}

fn model(processors: &str) -> Option<&str> {
    let line = processors.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

/// The type of the mount that holds the path: the longest mount point that is a prefix of it.
fn filesystem(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    text.lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            path.starts_with(point).then_some((point.len(), kind.split(' ').next()?))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind.to_owned())
}
