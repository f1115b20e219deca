//! The node of bext through its companion, from outside: real clients, real applications, a real end.

mod dialogue;
mod directory;
mod kills;
mod leaks;
mod leftovers;
mod repository;
mod rotation;
