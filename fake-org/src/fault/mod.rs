//! Faults on demand: what goes wrong, on which requests, how often. Deciding only; the server carries it out.

#[cfg(feature = "embedded")]
pub(crate) mod error_body;
#[cfg(feature = "embedded")]
pub(crate) mod registry;
#[cfg(feature = "embedded")]
pub(crate) mod route;
mod rule;
mod value;

#[cfg(feature = "embedded")]
pub use registry::{FaultHandle, Faults};
pub use rule::{Fault, Route, Rule};
pub use value::RawBytes;
