//! Reads and writes Avro data in the form of Salesforce's events: a value without a container, beside its schema.
//!
//! Source: Apache Avro 1.12 Specification, "Schema Declaration" and "Binary Encoding".

mod access;
mod bitmap;
mod deserializer;
mod error;
mod moment;
mod reader;
mod schema;
mod writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod typed_tests;

pub(crate) use self::{
    bitmap::{Bitmaps, FieldSet, FieldState, InvalidBitmap},
    deserializer::{PATCH, from_bytes},
    schema::Schema,
    writer::to_bytes,
};
pub use self::{error::AvroError, schema::InvalidSchema};
