//! The salt of pairwise subject identifiers, as far as this node has read it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use remint_protocol::subject::SubjectSalt;

/// The salt of pairwise subjects, once it was read.
#[derive(Debug, Default)]
pub(crate) struct Salt(ArcSwapOption<SubjectSalt>);

impl Salt {
    /// The salt; `None` before it was read.
    pub(crate) fn get(&self) -> Option<Arc<SubjectSalt>> {
        self.0.load_full()
    }

    /// Replaces the salt.
    pub(crate) fn set(&self, salt: Option<Arc<SubjectSalt>>) {
        self.0.store(salt);
    }
}
