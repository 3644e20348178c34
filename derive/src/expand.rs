//! Expands a struct and its attributes into an implementation of the trait.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{
    Data, DeriveInput, Error, Field, Fields, GenericArgument, Path, PathArguments, Result, Type,
    ext::IdentExt as _, spanned::Spanned as _,
};

use crate::{
    attributes::{ContainerAttributes, FieldAttributes},
    names::{has_salesforce_spelling, is_api_name},
};

/// A field of the struct that the query selects.
struct SelectedField<'a> {
    source: &'a Field,
    name: String,
    attributes: FieldAttributes,
}

pub(crate) fn sobject(input: &DeriveInput, default_crate: Path) -> Result<TokenStream> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) | Data::Union(_) => {
            return Err(Error::new_spanned(
                &input.ident,
                "an SObject is a struct; for an enum that is the value of a field write `#[sobject(value)]` above that field",
            ));
        }
    };
    let Fields::Named(fields) = fields else {
        return Err(Error::new_spanned(&input.ident, "an SObject is a struct with named fields"));
    };
    let container = ContainerAttributes::read(&input.attrs, default_crate)?;
    let mut selected = Vec::new();
    let mut errors: Option<Error> = None;
    for field in &fields.named {
        match selected_field(field, &container) {
            Ok(field) => selected.extend(field),
            Err(error) => add_error(&mut errors, error),
        }
    }
    for (index, field) in selected.iter().enumerate() {
        let same = |other: &SelectedField<'_>| {
            !other.attributes.flatten && other.name.eq_ignore_ascii_case(&field.name)
        };
        if !field.attributes.flatten && selected[..index].iter().any(same) {
            let text = format!("two fields read `{}`, which a query cannot select twice", field.name);
            add_error(&mut errors, Error::new_spanned(&field.source.ident, text));
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if selected.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a query must select at least one field, and no field of this struct is read",
        ));
    }
    implementation(input, &container, &selected)
}

fn add_error(errors: &mut Option<Error>, error: Error) {
    match errors {
        Some(errors) => errors.combine(error),
        None => *errors = Some(error),
    }
}

fn selected_field<'a>(
    field: &'a Field,
    container: &ContainerAttributes,
) -> Result<Option<SelectedField<'a>>> {
    let attributes = FieldAttributes::read(&field.attrs)?;
    if attributes.skip {
        return Ok(None);
    }
    let Some(ident) = &field.ident else { return Ok(None) };
    let name = attributes.rename.clone().unwrap_or_else(|| container.rule.apply(&ident.unraw().to_string()));
    if attributes.flatten {
        return Ok(Some(SelectedField { source: field, name, attributes }));
    }
    if !is_api_name(&name) {
        let text = format!("`{name}` is not the API name of a field, such as `Name`, `Owner` or `Budget__c`");
        return Err(Error::new_spanned(ident, text));
    }
    if !has_salesforce_spelling(&name) {
        let text = format!(
            "Salesforce has no field `{name}`. Set the API name with `#[serde(rename = \"…\")]` above the field, or \
             with `#[serde(rename_all = \"PascalCase\")]` above the struct"
        );
        return Err(Error::new_spanned(ident, text));
    }
    if !attributes.value && !attributes.custom && is_vec(&field.ty) {
        let path = container.krate.to_token_stream().to_string().replace(' ', "");
        let path = path.trim_start_matches("::");
        let text = format!(
            "Salesforce returns children as a page. Read them into `Page<…>`, or into a `Vec` with \
             `#[serde(deserialize_with = \"{path}::serde_helpers::child_records\")]`"
        );
        return Err(Error::new_spanned(&field.ty, text));
    }
    Ok(Some(SelectedField { source: field, name, attributes }))
}

/// Returns true for `Vec<…>`, also in an `Option` or a `Box`. An alias is not recognized.
fn is_vec(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(last) = path.path.segments.last() else { return false };
    if last.ident == "Vec" {
        return true;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
    (last.ident == "Option" || last.ident == "Box")
        && arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Type(ty) if is_vec(ty)))
}

fn implementation(
    input: &DeriveInput,
    container: &ContainerAttributes,
    selected: &[SelectedField<'_>],
) -> Result<TokenStream> {
    let (ident, krate) = (&input.ident, &container.krate);
    let private = quote!(#krate::__private);
    let object = container.name.clone().unwrap_or_else(|| ident.unraw().to_string());
    if !is_api_name(&object) {
        return Err(Error::new_spanned(
            ident,
            "the struct's name is not the API name of an object. Set it with `#[sobject(name = \"Invoice__c\")]`",
        ));
    }
    let mut generics = input.generics.clone();
    if generics.type_params().next().is_some() {
        let bounds = selected.iter().filter(|field| !field.attributes.value).map(|field| {
            let (ty, of) = (&field.source.ty, trait_of(field, &private, krate));
            syn::parse2(quote!(#ty: #of))
        });
        let bounds = bounds.collect::<Result<Vec<syn::WherePredicate>>>()?;
        generics.make_where_clause().predicates.extend(bounds);
    }
    let (for_types, with_types, bounds) = generics.split_for_impl();
    let shapes = selected.iter().map(|field| shape(field, &private, krate));
    let select_calls = selected.iter().map(|field| select_call(field, &private, krate));
    // Constants of generic structs are known only where the struct is used. `Connection::select` checks those.
    let checks = input.generics.params.is_empty().then(|| {
        let relationship_checks = selected.iter().map(|field| relationship_checks(field, &private));
        quote! {
            const _: () = #private::check_depth(<#ident as #krate::SObject>::SHAPE);
            #(#relationship_checks)*
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #for_types #krate::SObject for #ident #with_types #bounds {
            const NAME: &'static str = #object;
            const SHAPE: #private::FieldShape = #private::FieldShape::VALUE #(.and(#shapes))*;

            fn select_fields(projection: &mut #private::Projection) {
                #(#select_calls)*
            }
        }
        #checks
    })
}

fn trait_of(field: &SelectedField<'_>, private: &TokenStream, krate: &Path) -> TokenStream {
    if field.attributes.flatten { quote!(#krate::SObject) } else { quote!(#private::SelectField) }
}

fn shape(field: &SelectedField<'_>, private: &TokenStream, krate: &Path) -> TokenStream {
    if field.attributes.value {
        return quote!(#private::FieldShape::VALUE);
    }
    let (ty, of) = (&field.source.ty, trait_of(field, private, krate));
    quote_spanned!(ty.span()=> <#ty as #of>::SHAPE)
}

fn select_call(field: &SelectedField<'_>, private: &TokenStream, krate: &Path) -> TokenStream {
    let (ty, name) = (&field.source.ty, &field.name);
    if field.attributes.value {
        return quote!(projection.value(#name););
    }
    let of = trait_of(field, private, krate);
    if field.attributes.flatten {
        return quote_spanned!(ty.span()=> <#ty as #of>::select_fields(projection););
    }
    let clauses = field.attributes.clauses.soql().map(|clauses| quote!(projection.clauses(#clauses);));
    quote_spanned!(ty.span()=> #clauses <#ty as #of>::select(projection, #name);)
}

/// Checks at compile time that the suffix of a field's name fits its type.
fn relationship_checks(field: &SelectedField<'_>, private: &TokenStream) -> TokenStream {
    if field.attributes.flatten {
        return TokenStream::new();
    }
    let (ty, name) = (&field.source.ty, &field.name);
    let has_clauses = field.attributes.clauses.soql().is_some();
    let of = if field.attributes.value {
        quote!(#private::FieldShape::VALUE)
    } else {
        quote_spanned!(ty.span()=> <#ty as #private::SelectField>::SHAPE)
    };
    let mut checks = TokenStream::new();
    let mut check = |condition: TokenStream, text: String| {
        checks.extend(quote_spanned!(ty.span()=> const _: () = ::core::assert!(#of.#condition, #text);));
    };
    if has_clauses {
        check(quote!(is_children()), "`filter`, `order_by` and `limit` are for children".to_owned());
    }
    if let Some(stem) = name.strip_suffix("__c") {
        check(quote!(is_value()), format!("the relationship behind `{name}` is called `{stem}__r`"));
    } else if name.ends_with("__r") {
        check(
            quote!(is_relationship()),
            format!(
                "`{name}` is a relationship, so the field must be a parent or children; its value is `__c`"
            ),
        );
    } else if let Some(stem) = name.strip_suffix("Id").filter(|stem| !stem.is_empty()) {
        check(quote!(is_value()), format!("the relationship behind `{name}` is called `{stem}`"));
    }
    checks.into_token_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(input: DeriveInput) -> String {
        match sobject(&input, syn::parse_quote!(::actix_salesforce)) {
            Ok(_) => String::new(),
            Err(errors) => errors.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join("\n"),
        }
    }

    fn expanded(input: DeriveInput) -> String {
        sobject(&input, syn::parse_quote!(::actix_salesforce))
            .map(|tokens| tokens.to_string().replace(' ', ""))
            .unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn only_a_struct_with_named_fields_is_accepted() {
        assert!(
            errors(syn::parse_quote!(
                enum Rating {
                    Hot,
                }
            ))
            .contains("#[sobject(value)]")
        );
        assert!(
            errors(syn::parse_quote!(
                struct Account(String);
            ))
            .contains("named fields")
        );
        assert!(
            errors(syn::parse_quote!(
                struct Account;
            ))
            .contains("named fields")
        );
        assert!(
            errors(syn::parse_quote!(
                struct Account {
                    #[serde(skip)]
                    Name: String,
                }
            ))
            .contains("no field")
        );
    }

    #[test]
    fn an_invalid_salesforce_name_is_an_error_with_its_fix() {
        let lower = errors(syn::parse_quote!(
            struct Account {
                name: String,
            }
        ));
        assert!(lower.contains("no field `name`") && lower.contains("PascalCase"), "{lower}");
        let kebab = errors(syn::parse_quote! {
            #[serde(rename_all = "kebab-case")] struct Account { annual_revenue: f64 }
        });
        assert!(kebab.contains("`annual-revenue` is not the API name"), "{kebab}");
        let injected = errors(syn::parse_quote! {
            struct Account { #[serde(rename = "Name FROM User")] name: String }
        });
        assert!(injected.contains("is not the API name"), "{injected}");
        let object = errors(syn::parse_quote!(
            #[sobject(name = "Account WHERE")]
            struct A {
                Name: String,
            }
        ));
        assert!(object.contains("API name of an object"), "{object}");
    }

    #[test]
    fn all_errors_of_a_struct_are_reported_together() {
        let all = errors(syn::parse_quote! {
            struct Account {
                name: String,
                #[serde(rename = "Phone")] phone: String,
                #[serde(rename = "PHONE")] again: String,
                #[serde(rename = "Contacts")] contacts: Option<Vec<Contact>>,
                #[sobject(rename = "X")] x: String,
            }
        });
        for part in [
            "no field `name`",
            "two fields read `PHONE`",
            "actix_salesforce::serde_helpers::child_records",
            "serde(rename",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }

    #[test]
    fn a_serde_attribute_that_reads_another_type_is_rejected() {
        for (attribute, expected) in [
            (quote!(#[serde(deny_unknown_fields)]), "attributes"),
            (quote!(#[serde(from = "Other")]), "another type"),
            (quote!(#[serde(default, try_from = "Other")]), "another type"),
            (quote!(#[serde(transparent)]), "another type"),
        ] {
            let text = errors(syn::parse_quote!(#attribute struct Account { Name: String }));
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn the_selected_fields_are_those_that_serde_reads() {
        let tokens = expanded(syn::parse_quote! {
            #[serde(rename_all(serialize = "camelCase", deserialize = "PascalCase"), default, bound(deserialize = "T: X"))]
            #[sobject(name = "acme__Invoice__c")]
            struct Invoice {
                r#type: String,
                #[serde(rename(serialize = "total"), alias = "y", default = "zero")] annual_revenue: f64,
                #[serde(rename(deserialize = "Total__c", serialize = "x"), skip_serializing_if = "Option::is_none")] total: f64,
                #[serde(skip_deserializing)] cached: bool,
                #[serde(flatten)] audit: Audit,
                #[sobject(value)] #[serde(rename = "Rating", deserialize_with = "rating")] rating: Rating,
                #[sobject(filter = "Email LIKE :email", order_by = "LastName", limit = 5)] contacts: Page<Contact>,
            }
        });
        for part in [
            "NAME:&'staticstr=\"acme__Invoice__c\"",
            "select(projection,\"Type\")",
            "select(projection,\"AnnualRevenue\")",
            "select(projection,\"Total__c\")",
            "<Auditas::actix_salesforce::SObject>::select_fields(projection)",
            "projection.value(\"Rating\")",
            "projection.clauses(\"WHEREEmailLIKE:emailORDERBYLastNameLIMIT5\")",
            "<Page<Contact>as::actix_salesforce::__private::SelectField>::select(projection,\"Contacts\")",
        ] {
            assert!(tokens.contains(part), "{part}: {tokens}");
        }
        assert!(!tokens.contains("ached"));
    }

    #[test]
    fn another_crate_path_and_generic_structs_are_supported() {
        let tokens = expanded(syn::parse_quote! {
            #[sobject(crate = "acme::salesforce", name = "Account")]
            struct Row<T> { #[serde(rename = "Name")] name: T }
        });
        assert!(
            tokens.contains("implacme::salesforce::SObjectforRow<T>")
                || tokens.contains("impl<T>acme::salesforce::SObjectforRow<T>"),
            "{tokens}"
        );
        assert!(tokens.contains("whereT:acme::salesforce::__private::SelectField"), "{tokens}");
    }
}
