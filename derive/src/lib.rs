//! `#[derive(SObject)]` of `salesforce-connection` and `actix-salesforce`. The trait `SObject` there documents it.

mod attributes;
mod expand;
mod names;

use proc_macro::TokenStream;

/// Implements the trait `SObject`: lists the fields that a struct reads of a Salesforce object.
///
/// The trait documents the attributes. The generated code refers to `::actix_salesforce`, unless
/// `#[sobject(crate = "…")]` names another path.
#[proc_macro_derive(SObject, attributes(sobject, serde))]
pub fn sobject(input: TokenStream) -> TokenStream {
    expand(input, syn::parse_quote!(::actix_salesforce))
}

/// Implements the trait `SObject` for programs that depend on `salesforce_connection` alone.
///
/// That crate exports this derive as `SObject`. The generated code refers to `::salesforce_connection`.
#[proc_macro_derive(ConnectionSObject, attributes(sobject, serde))]
pub fn connection_sobject(input: TokenStream) -> TokenStream {
    expand(input, syn::parse_quote!(::salesforce_connection))
}

fn expand(input: TokenStream, default_crate: syn::Path) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::sobject(&input, default_crate).unwrap_or_else(|error| error.into_compile_error()).into()
}
