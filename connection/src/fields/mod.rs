//! Types of fields that are more than a text, a number or a time.

pub(crate) mod base64;
pub(crate) mod compound;
