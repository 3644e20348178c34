//! Reads the attributes `#[serde(…)]` and `#[sobject(…)]`.

use proc_macro2::TokenTree;
use syn::{Attribute, LitInt, LitStr, Path, Result, Token, meta::ParseNestedMeta, parse::ParseStream, token};

use crate::names::{RenameRule, is_api_name};

/// The attributes of the struct.
pub(crate) struct ContainerAttributes {
    pub(crate) rule: RenameRule,
    /// The object's API name, if it differs from the struct's name.
    pub(crate) name: Option<String>,
    /// The path to the crate that has the trait.
    pub(crate) krate: Path,
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// The name from which serde reads the field.
    pub(crate) rename: Option<String>,
    /// Set if serde does not read the field.
    pub(crate) skip: bool,
    pub(crate) flatten: bool,
    /// Set if a function of the program reads the field.
    pub(crate) custom: bool,
    /// Set if the field is a plain value, whatever its type.
    pub(crate) value: bool,
    /// The clauses after `FROM` in a subquery.
    pub(crate) clauses: Clauses,
}

/// Selects which children a field reads.
#[derive(Default)]
pub(crate) struct Clauses {
    filter: Option<LitStr>,
    order_by: Option<LitStr>,
    limit: Option<LitInt>,
}

impl Clauses {
    /// Returns ` WHERE … ORDER BY … LIMIT …`, with the clauses that are set.
    pub(crate) fn soql(&self) -> Option<String> {
        let mut soql = String::new();
        for (word, text) in [
            (" WHERE ", self.filter.as_ref().map(LitStr::value)),
            (" ORDER BY ", self.order_by.as_ref().map(LitStr::value)),
            (" LIMIT ", self.limit.as_ref().map(|limit| limit.base10_digits().to_owned())),
        ] {
            if let Some(text) = text {
                soql.push_str(word);
                soql.push_str(&text);
            }
        }
        (!soql.is_empty()).then_some(soql)
    }
}

impl ContainerAttributes {
    pub(crate) fn read(attributes: &[Attribute], default_crate: Path) -> Result<Self> {
        let mut container = Self { rule: RenameRule::None, name: None, krate: default_crate };
        for attribute in attributes {
            if attribute.path().is_ident("serde") {
                attribute.parse_nested_meta(|meta| container.serde(&meta))?;
            } else if attribute.path().is_ident("sobject") {
                attribute.parse_nested_meta(|meta| container.sobject(&meta))?;
            }
        }
        Ok(container)
    }

    fn serde(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("rename_all") {
            if let Some(rule) = deserialize_name(meta)? {
                // serde's own derive reports an invalid rule.
                self.rule = RenameRule::from_name(&rule.value()).unwrap_or(RenameRule::None);
            }
            return Ok(());
        }
        if meta.path.is_ident("deny_unknown_fields") {
            return Err(meta.error(
                "reading would fail, because every row also has `attributes`. Remove `deny_unknown_fields`",
            ));
        }
        for attribute in ["from", "try_from", "transparent", "remote"] {
            if meta.path.is_ident(attribute) {
                return Err(meta.error(format!(
                    "with `{attribute}` rows are read into another type. Derive `SObject` for that type"
                )));
            }
        }
        skip_value(meta.input)
    }

    fn sobject(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            if !is_api_name(&name.value()) {
                return Err(syn::Error::new(
                    name.span(),
                    "invalid API name of an object. Valid names are `Account` or `Invoice__c`",
                ));
            }
            self.name = Some(name.value());
        } else if meta.path.is_ident("crate") {
            self.krate = meta.value()?.parse::<LitStr>()?.parse()?;
        } else {
            return Err(meta.error("expected `name = \"Invoice__c\"` or `crate = \"…\"`"));
        }
        Ok(())
    }
}

impl FieldAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut field = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("serde") {
                attribute.parse_nested_meta(|meta| field.serde(&meta))?;
            } else if attribute.path().is_ident("sobject") {
                attribute.parse_nested_meta(|meta| field.sobject(&meta))?;
            }
        }
        Ok(field)
    }

    fn serde(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("rename") {
            if let Some(name) = deserialize_name(meta)? {
                self.rename = Some(name.value());
            }
            return Ok(());
        }
        self.skip |= meta.path.is_ident("skip") || meta.path.is_ident("skip_deserializing");
        self.flatten |= meta.path.is_ident("flatten");
        self.custom |= meta.path.is_ident("with") || meta.path.is_ident("deserialize_with");
        skip_value(meta.input)
    }

    fn sobject(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("value") {
            self.value = true;
        } else if meta.path.is_ident("filter") {
            self.clauses.filter = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("order_by") {
            self.clauses.order_by = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("limit") {
            self.clauses.limit = Some(meta.value()?.parse()?);
        } else {
            return Err(meta.error(
                "expected `value` (a plain field whose type is your program's) or, for children, `filter = \"…\"`, \
                 `order_by = \"…\"`, `limit = 5`. Set the field's API name with `#[serde(rename = \"…\")]`",
            ));
        }
        Ok(())
    }
}

/// Returns the name in `rename = "…"` or `rename(deserialize = "…")`.
///
/// Returns `None` if only the name for serializing is set.
fn deserialize_name(meta: &ParseNestedMeta<'_>) -> Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut name = None;
    meta.parse_nested_meta(|meta| {
        if meta.path.is_ident("deserialize") {
            name = Some(meta.value()?.parse()?);
            Ok(())
        } else {
            skip_value(meta.input)
        }
    })?;
    Ok(name)
}

/// Skips the value of a key.
fn skip_value(input: ParseStream<'_>) -> Result<()> {
    if input.peek(token::Paren) {
        input.parse::<TokenTree>()?;
    } else if input.peek(Token![=]) {
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(())
}
