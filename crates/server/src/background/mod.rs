//! Background work, for which no request waits.

pub(crate) mod logout_delivery;
pub mod node;
pub(crate) mod sweep;
pub(crate) mod watch;
