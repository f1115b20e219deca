//! The promises of the engines, on engines that run here.
