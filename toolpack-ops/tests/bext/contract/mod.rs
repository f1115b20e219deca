//! What callers of the pack may rely on, and who holds whom to it.
//!
//! - The table in the pack (`bext::table`) has the name, the effect and the scopes of every tool there is to be.
//! - `fixed_parameters.json` has, for the tools whose parameters and results are fixed, each of them. To these one may
//!   only add: a parameter that may be left out, a field, a word of an enumeration.
//! - `served` holds every tool that the pack serves to both, as it arrives.
//! - `catalog` holds both to the catalog of the system, where that is at hand.
//!
//! In the file a name with `?` may be left out. A `result` is written as the catalog writes it: `{a, b?: x|y, c:[Name]}`
//! is an object with a member `a`, perhaps one of two words as `b`, and a list of what `records` has under `Name`;
//! `...` is whatever there is. `sentence` is an example of the text that stands before the data. `limits` are words of
//! `limits.rs`.

mod catalog;
mod fixed;
mod limits;
mod served;
mod shape;
