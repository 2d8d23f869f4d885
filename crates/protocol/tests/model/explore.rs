//! The explorer: breadth first over every state that can be reached, so that the first violation
//! found is one of the shortest.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Something with states and steps between them.
pub(crate) trait Model {
    type State: Copy + Eq + Hash;
    type Step: Copy;

    fn start(&self) -> Self::State;
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;
    /// Takes a step. The error says which law that breaks.
    fn take(&self, state: &Self::State, step: Self::Step) -> Result<Self::State, &'static str>;
    /// Looks at a state that was not seen before.
    fn inspect(&self, state: &Self::State) -> Result<(), &'static str>;
    /// The step in words.
    fn tell(&self, state: &Self::State, step: Self::Step) -> String;
}

/// A law is broken, and this is how.
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) trace: Vec<String>,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:\n  {}", self.law, self.trace.join("\n  "))
    }
}

struct Node<M: Model> {
    state: M::State,
    came: Option<(usize, M::Step)>,
}

/// Visits all states and gives their number.
pub(crate) fn explore<M: Model>(model: &M) -> Result<usize, Broken> {
    let start = model.start();
    let mut known = HashSet::<_, BuildHasherDefault<Fnv>>::from_iter([start]);
    let mut nodes = vec![Node::<M> { state: start, came: None }];
    let mut next = 0;
    while let Some(Node { state, .. }) = nodes.get(next) {
        let state = *state;
        for step in model.steps(&state) {
            let broken = |law| Broken { law, trace: trace(model, &nodes, (next, step)) };
            let after = model.take(&state, step).map_err(broken)?;
            if known.insert(after) {
                model.inspect(&after).map_err(broken)?;
                nodes.push(Node { state: after, came: Some((next, step)) });
            }
        }
        next += 1;
    }
    Ok(nodes.len())
}

fn trace<M: Model>(model: &M, nodes: &[Node<M>], last: (usize, M::Step)) -> Vec<String> {
    let mut came = Some(last);
    let mut trace = Vec::new();
    while let Some((at, step)) = came {
        trace.push(model.tell(&nodes[at].state, step));
        came = nodes[at].came;
    }
    trace.reverse();
    trace
}

/// FNV-1a: hashes small numbers quickly, also where nothing is optimized. That is most of the work.
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    // How enums tell their variants apart.
    fn write_isize(&mut self, variant: isize) {
        self.write_u8(variant.to_le_bytes()[0]);
    }

    // Arrays tell their length, which is always the same here.
    fn write_usize(&mut self, _: usize) {}
}
