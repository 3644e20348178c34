//! What all layers use and what knows none of them: the background thread, clocks, waits, randomness, sealing.

pub(crate) mod append_query;
pub(crate) mod background;
pub(crate) mod backoff;
pub(crate) mod clock;
pub(crate) mod error_chain;
pub(crate) mod evicting_map;
pub(crate) mod hex;
#[cfg(test)]
mod layers;
pub(crate) mod lock;
pub(crate) mod random;
pub(crate) mod recent_map;
pub(crate) mod seal;
#[cfg(test)]
pub(crate) mod test_log;
