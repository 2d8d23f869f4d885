//! Properties of the authorization request, redirection URIs, codes and requests that wait: whatever comes,
//! in whatever order.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod properties;
