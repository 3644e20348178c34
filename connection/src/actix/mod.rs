//! What actix-web needs of the client's types (feature `actix-web`): the orphan rule wants these here.

mod export;
mod response_error;

pub use self::export::ExportFormat;
