//! What the gateway promises, over real sockets.
