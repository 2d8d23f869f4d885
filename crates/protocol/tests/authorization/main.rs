//! Properties of the authorization request, redirection URIs, codes and requests that wait: whatever comes,
//! in whatever order.

#[cfg(test)]
mod properties;
