//! Copying a store into another one, between all engines.
//!
//! `ends` opens both and reads them past the store, `whole` copies everything, `merging` and `consents` copy
//! again after either side moved on, `key_numbers` after a number was used again, `meanwhile` copies while the source does, `refusals` are of targets that
//! hold something else.

mod consents;
mod ends;
mod key_numbers;
mod meanwhile;
mod merging;
mod refusals;
mod whole;
