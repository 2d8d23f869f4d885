//! Nodes behind nginx, with the very configuration that the documentation shows.
//!
//! Needs PostgreSQL and nginx. Where one of them is missing the tests are left out, unless
//! `REMINT_TEST_REQUIRE_POSTGRES` or `REMINT_TEST_REQUIRE_NGINX` is set.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod broken;
#[cfg(test)]
mod client;
#[cfg(test)]
mod node;
#[cfg(test)]
mod path;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod site;
#[cfg(test)]
mod tests;
