//! The nearest node of a graph that has some property, and the text that leads to it.

use std::{collections::HashSet, hash::Hash};

/// How many nodes are looked at before we give up: enough for ten named variables in any order, which is the most
/// that takes no noticeable time.
const MAX_NODES: usize = 1 << 17;

/// There are more nodes than anybody wants to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Finds the first of the nearest nodes that `is_wanted`, going from node to node by characters, breadth first.
pub(super) fn search<N: Clone + Eq + Hash>(
    start: N,
    alphabet: &[char],
    step: impl Fn(&N, char) -> Vec<N>,
    is_wanted: impl Fn(&N) -> bool,
) -> Result<Option<(N, String)>, TooMany> {
    // Each node in the order in which it was found, with the one before it and the character between.
    let mut found = vec![(start.clone(), None)];
    let mut known = HashSet::from([start]);
    let mut index = 0;
    while let Some((node, _)) = found.get(index) {
        let node = node.clone();
        if is_wanted(&node) {
            return Ok(Some((node, text_to(&found, index))));
        }
        for c in alphabet {
            for next in step(&node, *c) {
                if known.insert(next.clone()) {
                    found.push((next, Some((index, *c))));
                }
            }
        }
        if found.len() > MAX_NODES {
            return Err(TooMany);
        }
        index += 1;
    }
    Ok(None)
}

fn text_to<N>(found: &[(N, Option<(usize, char)>)], mut index: usize) -> String {
    let mut text = Vec::new();
    while let Some((before, c)) = found[index].1 {
        text.push(c);
        index = before;
    }
    text.iter().rev().collect()
}
