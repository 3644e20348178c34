//! `#[derive(SObject)]` of `actix-salesforce`. Its documentation is that of the trait there.

mod attributes;
mod expand;
mod names;

use proc_macro::TokenStream;

/// Makes a struct say which fields of which Salesforce object it reads: see the trait of the same name.
#[proc_macro_derive(SObject, attributes(sobject, serde))]
pub fn sobject(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::sobject(&input).unwrap_or_else(|mistakes| mistakes.into_compile_error()).into()
}
