//! A map of bounded size that forgets what has not been used for longest.
//!
//! It has two halves. An entry that is used goes into the young one. When that is full, it becomes the old
//! one, and the previous old one is forgotten. So an entry stays if it is used again before others fill half
//! of the map.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Copy + Eq + Hash, V: Default> Recent<K, V> {
    /// An empty map that holds at most `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (max / 2).max(1) }
    }

    /// The value of a key, without using it.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of a key, or a new one.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let mut map = Recent::<u32, u32>::new(100);
        *map.entry(1) = 7;
        for other in 1000..2000 {
            *map.entry(other) = other;
            if other % 40 == 0 {
                assert_eq!(*map.entry(1), 7, "{other}");
            }
            assert!(map.len() <= 100);
        }
        assert_eq!((map.peek(&1000), map.peek(&1999)), (None, Some(&1999)));
        map.remove(&1999);
        assert_eq!(map.peek(&1999), None);
        assert_eq!(*map.entry(1999), 0);
    }
}
