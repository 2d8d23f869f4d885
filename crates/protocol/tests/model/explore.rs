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
    /// Takes a step. The error says which law it breaks.
    fn take(&self, state: &Self::State, step: Self::Step) -> Result<Self::State, &'static str>;
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
    let mut known = HashSet::<_, BuildHasherDefault<Mix>>::from_iter([start]);
    let mut nodes = vec![Node::<M> { state: start, came: None }];
    let mut next = 0;
    while let Some(Node { state, .. }) = nodes.get(next) {
        let state = *state;
        for step in model.steps(&state) {
            match model.take(&state, step) {
                Ok(after) if known.insert(after) => {
                    nodes.push(Node { state: after, came: Some((next, step)) });
                }
                Ok(_) => {}
                Err(law) => return Err(Broken { law, trace: trace(model, &nodes, (next, step)) }),
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

/// Hashes small numbers quickly, also where nothing is optimized: that is most of the work.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    // How enums tell their variants apart.
    fn write_isize(&mut self, variant: isize) {
        self.write_u8(variant.to_le_bytes()[0]);
    }

    // Slices and arrays tell their length, which is always the same here.
    fn write_usize(&mut self, _: usize) {}
}
