//! The contract that every store must keep.
