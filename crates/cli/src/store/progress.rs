//! Showing how far a copy is: a bar on a terminal, elsewhere a line for each table.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use remint_store::Progress;

use crate::output::note;

/// The length of the bar: shares are thousandths.
const WHOLE: u64 = 1_000;

pub(super) struct Shown(Option<ProgressBar>);

impl Shown {
    pub(super) fn new() -> Self {
        if !stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(WHOLE);
        if let Ok(style) = ProgressStyle::with_template("{prefix:22} {bar:30} {msg}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    pub(super) fn tell(&mut self, now: Progress) {
        let is_over = now.share == Some(WHOLE);
        let Some(bar) = &self.0 else {
            if is_over {
                note(&format!("{}: {} rows", now.table, now.rows));
            }
            return;
        };
        bar.set_prefix(now.table);
        bar.set_message(format!("{} rows", now.rows));
        bar.set_position(now.share.unwrap_or(0));
    }
}

impl Shown {
    /// Of a copy page by page.
    pub(super) fn tell_pages(&mut self, done: u64, whole: u64) {
        let Some(bar) = &self.0 else {
            if done == whole {
                note(&format!("{whole} pages"));
            }
            return;
        };
        bar.set_prefix("pages");
        bar.set_message(format!("{done} of {whole}"));
        bar.set_position(done.saturating_mul(WHOLE).checked_div(whole).unwrap_or(WHOLE));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
