//! The node of `bext-companion`: a process of its own that those share who come and go.

mod control;
mod fronts;
mod life;
mod openings;
