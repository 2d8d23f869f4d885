//! The executable.

use std::process::ExitCode;

/// Requests are many small allocations; this allocator takes a tenth less time for a refresh.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    remint::run()
}
