//! The work that no request waits for.

pub(crate) mod backchannel;
pub mod node;
pub(crate) mod sweep;
pub(crate) mod watch;
