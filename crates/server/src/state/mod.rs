//! The parts of a running server's state. None of them knows [`App`](crate::App), which has them, nor what requests
//! do with them.

pub(crate) mod clients;
pub(crate) mod limits;
pub(crate) mod logins;
pub(crate) mod logout_delivery;
pub(crate) mod origins;
mod recent;
pub(crate) mod request_ids;
pub(crate) mod salt;
pub(crate) mod throttle;
