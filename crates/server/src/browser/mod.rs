//! The pages for people, and the actions behind them: signing in, consent, signing out, their account.

pub(crate) mod account;
pub(crate) mod authorize;
pub(crate) mod device;
pub(crate) mod error_page;
pub(crate) mod frontchannel;
pub(crate) mod handler;
pub(crate) mod home;
pub(crate) mod login;
pub(crate) mod logout;
pub mod pages;
pub(crate) mod session;
