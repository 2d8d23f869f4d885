//! Background work, for which no request waits.

pub(crate) mod backchannel;
pub mod node;
pub(crate) mod sweep;
pub(crate) mod watch;
