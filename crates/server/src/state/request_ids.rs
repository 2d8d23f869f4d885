//! The ids of requests, and facts about a request that are determined once.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use axum::http::Extensions;

use crate::telemetry::Endpoint;

/// Names a request in its response's `X-Request-Id` and in every log line about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().map_or(Self(0), |request: &Observed| request.id)
    }
}

/// Facts about a request, determined once for everything that handles it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    pub(crate) id: RequestId,
    pub(crate) source: IpAddr,
    pub(crate) endpoint: Endpoint,
}

impl Observed {
    pub(crate) fn endpoint_of(extensions: &Extensions) -> Option<Endpoint> {
        extensions.get().map(|request: &Self| request.endpoint)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Gives out request ids: unique in this process, and hardly ever the same in another. They are a counter
/// under a secret permutation, so that nobody learns from two of them how many requests there were.
#[derive(Debug)]
pub(crate) struct RequestIds {
    permutation: Aes128,
    next: AtomicU64,
}

impl RequestIds {
    /// Takes random bytes, drawn for this process alone.
    pub(crate) fn new(drawn: &[u8; 16]) -> Self {
        Self { permutation: Aes128::new(&(*drawn).into()), next: AtomicU64::new(0) }
    }

    pub(crate) fn draw(&self) -> RequestId {
        RequestId(self.permuted(self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// A Feistel network over both halves of the number, which visits every number once. Four rounds make a
    /// strong permutation of a pseudorandom function (Luby and Rackoff), here that of AES.
    fn permuted(&self, number: u64) -> u64 {
        let [a, b, c, d, rest @ ..] = number.to_be_bytes();
        let (mut left, mut right) = ([a, b, c, d], rest);
        for round in 0..4 {
            let [a, b, c, d] = right;
            let mut block = [a, b, c, d, round, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into();
            self.permutation.encrypt_block(&mut block);
            let mut mixed = left;
            for (byte, with) in mixed.iter_mut().zip(block) {
                *byte ^= with;
            }
            (left, right) = (right, mixed);
        }
        u64::from(u32::from_be_bytes(left)) << 32 | u64::from(u32::from_be_bytes(right))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn drawn(key: u8, count: usize) -> Vec<u64> {
        let ids = RequestIds::new(&[key; 16]);
        (0..count).map(|_| ids.draw().0).collect()
    }

    #[test]
    fn no_request_id_comes_twice_and_another_process_gives_others() {
        let ids = drawn(1, 100_000);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        let others = drawn(2, 1000);
        assert!(others.iter().zip(&ids).all(|(other, id)| other != id));
        assert_eq!(drawn(1, 10), ids[..10], "a permutation, so that none can come twice");
    }

    #[test]
    fn two_request_ids_do_not_tell_how_many_requests_lie_between_them() {
        let ids = drawn(3, 10_000);
        // The difference between neighbours was once a public constant.
        let steps: HashSet<u64> =
            ids.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        assert_eq!(steps.len(), ids.len() - 1);
        assert!(!steps.contains(&0x9e37_79b9_7f4a_7c15));
        let xors: HashSet<u64> = ids.windows(2).map(|pair| pair[1] ^ pair[0]).collect();
        assert_eq!(xors.len(), ids.len() - 1);
        // Every bit of an id changes about half of the time, the highest as well as the lowest.
        for bit in 0..64 {
            let changes = ids.windows(2).filter(|p| (p[0] ^ p[1]) >> bit & 1 == 1).count();
            assert!((4_500..5_500).contains(&changes), "bit {bit}: {changes}");
        }
    }
}
