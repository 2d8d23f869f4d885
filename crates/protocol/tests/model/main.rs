//! wip
#[cfg(test)]
mod explore;
#[cfg(test)]
mod game;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod server;
#[cfg(test)]
mod wip;
#[cfg(test)]
mod world;
