//! What tests rely on when they start servers of their own.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod clusters;
#[cfg(test)]
mod network;
#[cfg(test)]
mod remains;
#[cfg(test)]
mod standbys;
