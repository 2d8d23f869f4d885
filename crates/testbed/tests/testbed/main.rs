//! What tests rely on when they start servers of their own.

mod clusters;
