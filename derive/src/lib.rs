//! `#[derive(SObject)]` of `salesforce-connection` and `actix-salesforce`. Its documentation is that of the trait there.

mod attributes;
mod expand;
mod names;

use proc_macro::TokenStream;

/// Lets a struct name the fields of the Salesforce object that it reads: see the trait of the same name. The code refers
/// to `actix_salesforce` unless `#[sobject(crate = "…")]` names another path.
#[proc_macro_derive(SObject, attributes(sobject, serde))]
pub fn sobject(input: TokenStream) -> TokenStream {
    expand(input, syn::parse_quote!(::actix_salesforce))
}

/// The same for programs that depend on `salesforce_connection` alone, which exports it as `SObject`.
#[proc_macro_derive(ConnectionSObject, attributes(sobject, serde))]
pub fn connection_sobject(input: TokenStream) -> TokenStream {
    expand(input, syn::parse_quote!(::salesforce_connection))
}

fn expand(input: TokenStream, default_crate: syn::Path) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::sobject(&input, default_crate).unwrap_or_else(|error| error.into_compile_error()).into()
}
