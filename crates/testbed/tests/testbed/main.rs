//! What tests rely on when they start servers of their own.

#[cfg(test)]
mod clusters;
#[cfg(test)]
mod network;
#[cfg(test)]
mod remains;
#[cfg(test)]
mod standbys;
