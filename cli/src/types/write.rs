//! Writes structs and enums as Rust, formatted as rustfmt does by default.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{
    model::{Enum, FieldType, Item, Member, Model, Struct},
    selection::Selection,
};
use crate::failure::Failure;

const BUG: &str =
    "report it with a saved describe of the object; until then leave out the field that is at fault";
/// rustfmt's default `max_width`.
const WIDTH: usize = 100;
/// In front of the objects in the head of a file.
const OBJECTS: &str = "//! Objects: ";
const CRATE: &str = "//! Crate: ";
/// The type of a field whose type is not known here. The app needs the crate then.
pub(super) const OF_SERDE_JSON: &str = "serde_json::Value";

/// What a file is written from: its head has it, so that the next run needs no arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) selections: Vec<Selection>,
    pub(super) krate: String,
}

impl Head {
    /// Reads the head of a written file; `None` for another file.
    pub(super) fn read(text: &str) -> Option<Self> {
        let after = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark));
        let selections = after(OBJECTS)?.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { selections, krate: after(CRATE)?.to_owned() })
    }

    fn write(&self) -> String {
        let objects: Vec<String> = self.selections.iter().map(ToString::to_string).collect();
        format!(
            "//! Objects of a Salesforce org. Written by `actix-salesforce types`: the next run overwrites changes.\n\
             //!\n\
             {OBJECTS}{}\n\
             {CRATE}{}\n\
             #![allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic)]\n",
            objects.join(" "),
            self.krate
        )
    }
}

/// Returns the text of the file.
pub(super) fn file(head: &Head, model: &Model) -> Result<String, Failure> {
    let mut text = head.write();
    text.push_str(&imports(&head.krate, model));
    for item in &model.items {
        let tokens = match item {
            Item::Struct(item) => structure(&head.krate, item),
            Item::Enum(item) => enumeration(item),
        };
        let file = syn::parse2(tokens).map_err(|error| {
            Failure::of("cannot write the types, which is a bug of this program", &error).help(BUG)
        })?;
        text.push('\n');
        text.push_str(&rewrapped(&prettyplease::unparse(&file)));
    }
    Ok(text)
}

/// One line for each module, each in a paragraph: rustfmt sorts the lines of a paragraph, in each edition differently.
fn imports(krate: &str, model: &Model) -> String {
    let mut soql: Vec<&str> = Vec::new();
    let mut records: Vec<&str> = Vec::new();
    for (kind, name) in [
        (FieldType::Date, "SoqlDate"),
        (FieldType::DateTime, "SoqlDateTime"),
        (FieldType::Decimal, "SoqlDecimal"),
        (FieldType::Time, "SoqlTime"),
    ] {
        soql.extend(model.uses(&kind).then_some(name));
    }
    if model.has_enums() {
        soql.extend(["InvalidValue", "SoqlLiteral", "ToSoql"]);
    }
    soql.sort_unstable();
    records.extend(model.uses(&FieldType::Address).then_some("Address"));
    records.extend(model.uses(&FieldType::Location).then_some("Location"));
    let mut root = vec!["SObject"];
    root.extend(model.uses(&FieldType::Id).then_some("SalesforceId"));
    let lines = [
        import(krate, &root),
        import(&format!("{krate}::records"), &records),
        import(&format!("{krate}::soql"), &soql),
        import("serde", &["Deserialize", "Serialize"]),
    ];
    lines.into_iter().flatten().map(|line| format!("\n{line}\n")).collect()
}

fn import(module: &str, names: &[&str]) -> Option<String> {
    Some(match names {
        [] => return None,
        [name] => format!("use {module}::{name};"),
        names => {
            let list = names.join(", ");
            let line = format!("use {module}::{{{list}}};");
            if line.len() <= WIDTH { line } else { format!("use {module}::{{\n    {list},\n}};") }
        }
    })
}

fn structure(krate: &str, item: &Struct) -> TokenStream {
    let (name, docs) = (format_ident!("{}", item.name), docs(&item.docs));
    let object = (item.name != item.api_name).then(|| {
        let api_name = &item.api_name;
        quote!(#[sobject(name = #api_name)])
    });
    let members = item.members.iter().map(|member| field(krate, member));
    let is_pascal = |member: &Member| pascal_of(&member.rust_name) == member.api_name;
    let rule = item.members.iter().any(is_pascal).then(|| quote!(#[serde(rename_all = "PascalCase")]));
    quote! {
        #docs
        #[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
        #rule
        #object
        pub struct #name {
            #(#members)*
        }
    }
}

fn field(krate: &str, member: &Member) -> TokenStream {
    let (name, docs, api_name) =
        (format_ident!("{}", member.rust_name), docs(&member.docs), &member.api_name);
    let rename = (pascal_of(&member.rust_name) != *api_name).then(|| quote!(#[serde(rename = #api_name)]));
    let is_list = matches!(member.kind, FieldType::Texts | FieldType::Enums(_));
    let with = is_list.then(|| {
        let path = format!("{krate}::serde_helpers::multi_picklist");
        quote!(#[serde(with = #path)])
    });
    let is_value = is_list || matches!(member.kind, FieldType::Enum(_));
    let value = is_value.then(|| quote!(#[sobject(value)]));
    let kind = match &member.kind {
        FieldType::Bool => quote!(bool),
        FieldType::I32 => quote!(i32),
        FieldType::I64 => quote!(i64),
        FieldType::F64 => quote!(f64),
        FieldType::Text => quote!(String),
        FieldType::Texts => quote!(Vec<String>),
        FieldType::Id => quote!(SalesforceId),
        FieldType::Date => quote!(SoqlDate),
        FieldType::DateTime => quote!(SoqlDateTime),
        FieldType::Time => quote!(SoqlTime),
        FieldType::Decimal => quote!(SoqlDecimal),
        FieldType::Address => quote!(Address),
        FieldType::Location => quote!(Location),
        FieldType::Json => quote!(serde_json::Value),
        FieldType::Enum(name) | FieldType::Parent(name) => {
            let name = format_ident!("{name}");
            quote!(#name)
        }
        FieldType::Enums(name) => {
            let name = format_ident!("{name}");
            quote!(Vec<#name>)
        }
    };
    // An empty list is `null` there.
    let kind = if member.optional && !is_list { quote!(Option<#kind>) } else { kind };
    quote! {
        #docs
        #value
        #rename
        #with
        pub #name: #kind,
    }
}

fn enumeration(item: &Enum) -> TokenStream {
    let name = format_ident!("{}", item.name);
    let about = docs(&item.docs);
    let restricted =
        item.restricted.then(|| docs(&[String::new(), "The org accepts these values only.".to_owned()]));
    let idents: Vec<_> = item.variants.iter().map(|variant| format_ident!("{}", variant.rust_name)).collect();
    let values: Vec<_> = item.variants.iter().map(|variant| &variant.value).collect();
    let variant_docs = item.variants.iter().map(|variant| docs(&variant.docs));
    quote! {
        #about
        #restricted
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
        #[serde(from = "String", into = "String")]
        pub enum #name {
            #(#variant_docs #idents,)*
            #[doc = " A value that the org did not have when this file was written."]
            Other(String),
        }

        impl #name {
            #[doc = " Returns the value as Salesforce stores it."]
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#idents => #values,)*
                    Self::Other(value) => value,
                }
            }
        }

        impl From<String> for #name {
            fn from(value: String) -> Self {
                match value.as_str() {
                    #(#values => Self::#idents,)*
                    _ => Self::Other(value),
                }
            }
        }

        impl From<#name> for String {
            fn from(value: #name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl ToSoql for #name {
            fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
                self.as_str().to_soql()
            }
        }
    }
}

fn docs(lines: &[String]) -> TokenStream {
    let lines = lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote!(#(#[doc = #lines])*)
}

/// serde's name of a field under `rename_all = "PascalCase"`.
fn pascal_of(field: &str) -> String {
    let mut name = String::new();
    let mut begins = true;
    for letter in field.trim_start_matches("r#").chars() {
        if letter == '_' {
            begins = true;
        } else if std::mem::take(&mut begins) {
            name.push(letter.to_ascii_uppercase());
        } else {
            name.push(letter);
        }
    }
    name
}

/// Wraps lines where rustfmt does: prettyplease wraps them earlier. Separates items by an empty line, which it leaves out.
fn rewrapped(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (mut wrapped, mut index) = (String::new(), 0);
    while let Some(line) = lines.get(index) {
        let joined = lines.get(index + 1..index + 3).and_then(|rest| joined(line, rest));
        let (line, count) = match &joined {
            Some(joined) if joined.len() <= WIDTH || joined.starts_with("    pub ") => (joined.as_str(), 3),
            _ => (*line, 1),
        };
        if line.starts_with("impl ") && !wrapped.is_empty() {
            wrapped.push('\n');
        }
        match line.split_once(": ") {
            Some((name, kind)) if line.len() > WIDTH && line.starts_with("    pub ") => {
                wrapped.extend([name, ":\n        ", kind, "\n"]);
            }
            _ => wrapped.extend([line, "\n"]),
        }
        index += count;
    }
    wrapped
}

/// Returns three lines as one, if they are a list or a block with one element.
fn joined(first: &str, rest: &[&str]) -> Option<String> {
    let [inner, last] = rest else { return None };
    let (inner, last) = (inner.trim(), last.trim_start());
    match first.chars().last() {
        Some('<') if last.starts_with('>') => Some(format!("{first}{}{last}", inner.trim_end_matches(','))),
        Some('(') if last.starts_with(')') => Some(format!("{first}{}{last}", inner.trim_end_matches(','))),
        Some('{') if last == "}" => first.strip_suffix("=> {").map(|pattern| format!("{pattern}=> {inner},")),
        _ => None,
    }
}
