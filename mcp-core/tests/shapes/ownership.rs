//! Access that only the engine knows: the owner is looked up first, then held against the caller.
