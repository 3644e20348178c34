//! The struct and its attributes become an implementation of the trait.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{
    Data, DeriveInput, Error, Field, Fields, GenericArgument, Path, PathArguments, Result, Type,
    ext::IdentExt as _, spanned::Spanned as _,
};

use crate::{
    attributes::{self, Container},
    names::{is_api_name, is_as_salesforce_writes},
};

/// One thing that a row is asked for.
struct Column<'a> {
    field: &'a Field,
    name: String,
    said: attributes::Field,
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
    let container = Container::read(&input.attrs, default_crate)?;
    let mut columns = Vec::new();
    let mut errors: Option<Error> = None;
    for field in &fields.named {
        match column(field, &container) {
            Ok(column) => columns.extend(column),
            Err(error) => add(&mut errors, error),
        }
    }
    for (index, column) in columns.iter().enumerate() {
        let same = |other: &Column<'_>| !other.said.flatten && other.name.eq_ignore_ascii_case(&column.name);
        if !column.said.flatten && columns[..index].iter().any(same) {
            let text = format!("two fields read `{}`, which Salesforce refuses to give twice", column.name);
            add(&mut errors, Error::new_spanned(&column.field.ident, text));
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if columns.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "no field of the struct is read, and a query must ask for one",
        ));
    }
    implementation(input, &container, &columns)
}

fn add(errors: &mut Option<Error>, error: Error) {
    match errors {
        Some(errors) => errors.combine(error),
        None => *errors = Some(error),
    }
}

fn column<'a>(field: &'a Field, container: &Container) -> Result<Option<Column<'a>>> {
    let said = attributes::Field::read(&field.attrs)?;
    if said.skip {
        return Ok(None);
    }
    let Some(ident) = &field.ident else { return Ok(None) };
    let name = said.rename.clone().unwrap_or_else(|| container.rule.apply(&ident.unraw().to_string()));
    if said.flatten {
        return Ok(Some(Column { field, name, said }));
    }
    if !is_api_name(&name) {
        let text = format!("`{name}` is not the API name of a field, such as `Name`, `Owner` or `Budget__c`");
        return Err(Error::new_spanned(ident, text));
    }
    if !is_as_salesforce_writes(&name) {
        let text = format!(
            "Salesforce has no field `{name}`: say its API name with `#[serde(rename = \"…\")]` above the field, or \
             `#[serde(rename_all = \"PascalCase\")]` above the struct"
        );
        return Err(Error::new_spanned(ident, text));
    }
    if !said.value && !said.custom && is_vec(&field.ty) {
        let path = container.krate.to_token_stream().to_string().replace(' ', "");
        let path = path.trim_start_matches("::");
        let text = format!(
            "children come as a page: read them into `Page<…>`, or into a `Vec` with \
             `#[serde(deserialize_with = \"{path}::serde_helpers::child_records\")]`"
        );
        return Err(Error::new_spanned(&field.ty, text));
    }
    Ok(Some(Column { field, name, said }))
}

/// `Vec<…>`, also in an `Option` or a `Box`; an alias is not seen through.
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

fn implementation(input: &DeriveInput, container: &Container, columns: &[Column<'_>]) -> Result<TokenStream> {
    let (ident, krate) = (&input.ident, &container.krate);
    let private = quote!(#krate::__private);
    let object = container.name.clone().unwrap_or_else(|| ident.unraw().to_string());
    if !is_api_name(&object) {
        return Err(Error::new_spanned(
            ident,
            "say which object is read: `#[sobject(name = \"Invoice__c\")]`",
        ));
    }
    let mut generics = input.generics.clone();
    if generics.type_params().next().is_some() {
        let bounds = columns.iter().filter(|column| !column.said.value).map(|column| {
            let (ty, of) = (&column.field.ty, trait_of(column, &private, krate));
            syn::parse2(quote!(#ty: #of))
        });
        let bounds = bounds.collect::<Result<Vec<syn::WherePredicate>>>()?;
        generics.make_where_clause().predicates.extend(bounds);
    }
    let (for_types, with_types, bounds) = generics.split_for_impl();
    let shapes = columns.iter().map(|column| shape(column, &private, krate));
    let selections = columns.iter().map(|column| selection(column, &private, krate));
    // Constants of generic structs are known only where they are used: the query checks those.
    let checks = input.generics.params.is_empty().then(|| {
        let relations = columns.iter().map(|column| relation(column, &private));
        quote! {
            const _: () = #private::check(<#ident as #krate::SObject>::SHAPE);
            #(#relations)*
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #for_types #krate::SObject for #ident #with_types #bounds {
            const NAME: &'static str = #object;
            const SHAPE: #private::Shape = #private::Shape::VALUE #(.and(#shapes))*;

            fn columns(columns: &mut #private::Columns) {
                #(#selections)*
            }
        }
        #checks
    })
}

fn trait_of(column: &Column<'_>, private: &TokenStream, krate: &Path) -> TokenStream {
    if column.said.flatten { quote!(#krate::SObject) } else { quote!(#private::Column) }
}

fn shape(column: &Column<'_>, private: &TokenStream, krate: &Path) -> TokenStream {
    if column.said.value {
        return quote!(#private::Shape::VALUE);
    }
    let (ty, of) = (&column.field.ty, trait_of(column, private, krate));
    quote_spanned!(ty.span()=> <#ty as #of>::SHAPE)
}

fn selection(column: &Column<'_>, private: &TokenStream, krate: &Path) -> TokenStream {
    let (ty, name) = (&column.field.ty, &column.name);
    if column.said.value {
        return quote!(columns.value(#name););
    }
    let of = trait_of(column, private, krate);
    if column.said.flatten {
        return quote_spanned!(ty.span()=> <#ty as #of>::columns(columns););
    }
    let clauses = column.said.clauses.soql().map(|clauses| quote!(columns.clauses(#clauses);));
    quote_spanned!(ty.span()=> #clauses <#ty as #of>::select(columns, #name);)
}

/// What the name of a field says about it must be so.
fn relation(column: &Column<'_>, private: &TokenStream) -> TokenStream {
    if column.said.flatten {
        return TokenStream::new();
    }
    let (ty, name) = (&column.field.ty, &column.name);
    let has_clauses = column.said.clauses.soql().is_some();
    let of = if column.said.value {
        quote!(#private::Shape::VALUE)
    } else {
        quote_spanned!(ty.span()=> <#ty as #private::Column>::SHAPE)
    };
    let mut checks = TokenStream::new();
    let mut check = |holds: TokenStream, text: String| {
        checks.extend(quote_spanned!(ty.span()=> const _: () = ::core::assert!(#of.#holds, #text);));
    };
    if has_clauses {
        check(quote!(is_children()), "`filter`, `order_by` and `limit` are for children".to_owned());
    }
    if let Some(stem) = name.strip_suffix("__c") {
        check(quote!(is_value()), format!("the relationship behind `{name}` is called `{stem}__r`"));
    } else if name.ends_with("__r") {
        check(
            quote!(is_relation()),
            format!("`{name}` is a relationship: the field is called like it, with `__c`"),
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
    fn what_is_no_struct_of_named_fields_is_refused() {
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
    fn a_name_that_salesforce_does_not_have_is_explained() {
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
    fn every_mistake_is_told_at_once() {
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
    fn serde_that_reads_something_else_is_refused() {
        for (attribute, says) in [
            (quote!(#[serde(deny_unknown_fields)]), "attributes"),
            (quote!(#[serde(from = "Other")]), "another type"),
            (quote!(#[serde(default, try_from = "Other")]), "another type"),
            (quote!(#[serde(transparent)]), "another type"),
        ] {
            let found = errors(syn::parse_quote!(#attribute struct Account { Name: String }));
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn what_serde_reads_is_what_is_asked_for() {
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
            "select(columns,\"Type\")",
            "select(columns,\"AnnualRevenue\")",
            "select(columns,\"Total__c\")",
            "<Auditas::actix_salesforce::SObject>::columns(columns)",
            "columns.value(\"Rating\")",
            "columns.clauses(\"WHEREEmailLIKE:emailORDERBYLastNameLIMIT5\")",
            "<Page<Contact>as::actix_salesforce::__private::Column>::select(columns,\"Contacts\")",
        ] {
            assert!(tokens.contains(part), "{part}: {tokens}");
        }
        assert!(!tokens.contains("ached"));
    }

    #[test]
    fn the_crate_may_be_elsewhere_and_structs_generic() {
        let tokens = expanded(syn::parse_quote! {
            #[sobject(crate = "acme::salesforce", name = "Account")]
            struct Row<T> { #[serde(rename = "Name")] name: T }
        });
        assert!(
            tokens.contains("implacme::salesforce::SObjectforRow<T>")
                || tokens.contains("impl<T>acme::salesforce::SObjectforRow<T>"),
            "{tokens}"
        );
        assert!(tokens.contains("whereT:acme::salesforce::__private::Column"), "{tokens}");
    }
}
